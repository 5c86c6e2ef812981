#include "ballast/ops/loss_margin.h"

#include <cmath>
#include <numbers>

#include "ballast/ops/activation.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/index.h"
#include "ballast/ops/math.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/softmax.h"
#include "ballast/ops/statistics.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

Tensor hinge(const Tensor& x) { return relu(x); }

/// A number in x's type.
Tensor like(double value, const Tensor& x) { return cast(Scalar(value).beside(x), x.dtype()); }

void check_same(const char* who, const Tensor& x, const Tensor& target) {
  check(x.shape() == target.shape(),
        "{}: The size of input tensor ({}) must match the size of target tensor ({})", who,
        x.shape(), target.shape());
}

}  // namespace

Tensor vector_norm(const Tensor& x, double p, const std::vector<int64_t>& dims, bool keepdim) {
  if (is_half(x.dtype())) return cast(vector_norm(ops::widened(x), p, dims, keepdim), x.dtype());
  check(is_floating(x.dtype()),
        "linalg.vector_norm: Expected a floating point or complex tensor as input. Got {}",
        ops::scalar_type_name(x.dtype()));
  if (p == 2) return norm(x, dims, keepdim);
  const Tensor size = abs(x);
  if (std::isinf(p)) return p > 0 ? amax(size, dims, keepdim) : amin(size, dims, keepdim);
  if (p == 0)  // a sum that gradients reach, as zeros
    return sum(floor(where(ne(x, 0), like(1, x), x)), dims, keepdim);
  if (p == 1) return sum(size, dims, keepdim);
  // The derivative at 0 is 0: the power's would be 0*infinity.
  const Tensor total = sum(pow(size, p), dims, keepdim);
  const Tensor none = eq(total, 0);
  return where(none, like(0, x), pow(where(none, like(1, x), total), 1 / p));
}

Tensor cosine_similarity(const Tensor& x, const Tensor& y, int64_t dim, double eps) {
  if (is_half(ops::result_type(x, y)))
    return cast(cosine_similarity(ops::widened(x), ops::widened(y), dim, eps),
                ops::result_type(x, y));
  check(is_floating(ops::result_type(x, y)),
        "expected common dtype to be floating point, yet common dtype is {}",
        ops::scalar_type_name(ops::result_type(x, y)));
  check(eps >= 0, "cosine_similarity: eps must be non-negative, got: {}", eps);
  const Shape shape = broadcast(x.shape(), y.shape());
  const DType type = ops::result_type(x, y);
  const Tensor a = expand(cast(x, type), shape), b = expand(cast(y, type), shape);
  const auto unit = [&](const Tensor& v) {
    return v / maximum(norm(v, {dim}, true), like(eps, v));
  };
  return sum(unit(a) * unit(b), {dim});
}

Tensor pairwise_distance(const Tensor& x, const Tensor& y, double p, double eps, bool keepdim) {
  if (is_half(ops::result_type(x, y)))
    return cast(pairwise_distance(ops::widened(x), ops::widened(y), p, eps, keepdim),
                ops::result_type(x, y));
  return vector_norm(x - y + eps, p, {-1}, keepdim);
}

Tensor cosine_embedding_loss(const Tensor& x, const Tensor& y, const Tensor& target, double margin,
                             Reduction reduction) {
  if (is_half(ops::result_type(x, y)))
    return cast(cosine_embedding_loss(ops::widened(x), ops::widened(y), ops::widened(target),
                                      margin, reduction),
                ops::result_type(x, y));
  check(target.dim() == 0 || target.dim() == 1,
        "0D or 1D target tensor expected, multi-target not supported");
  if (target.dim() == 0)
    check(x.dim() == 1 && y.dim() == 1,
          "0D target tensor expects 1D input tensors, but found inputs with sizes {} and {}.",
          x.shape(), y.shape());
  else
    check(x.dim() == 2 && y.dim() == 2,
          "1D target tensor expects 2D input tensors, but found inputs with sizes {} and {}.",
          x.shape(), y.shape());
  constexpr double kEpsilon = 1e-12;  // PyTorch's: added to the squared lengths
  const std::vector<int64_t> last = {-1};
  const Tensor lengths = (sum(square(x), last) + kEpsilon) * (sum(square(y), last) + kEpsilon);
  const Tensor cosine = sum(x * y, last) / sqrt(lengths);
  const Tensor zero = cosine * 0.0;
  const Tensor loss = where(eq(target, 1), 1.0 - cosine, zero) +
                      where(eq(target, -1), hinge(cosine - margin), zero);
  return reduce_loss(loss, reduction);
}

Tensor margin_ranking_loss(const Tensor& x, const Tensor& y, const Tensor& target, double margin,
                           Reduction reduction) {
  if (is_half(ops::result_type(x, y)))
    return cast(margin_ranking_loss(ops::widened(x), ops::widened(y), ops::widened(target), margin,
                                    reduction),
                ops::result_type(x, y));
  check(x.dim() == y.dim() && x.dim() == target.dim(),
        "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
        "{}, input2: {}, target: {} ",
        x.shape(), y.shape(), target.shape());
  return reduce_loss(hinge(neg(target) * (x - y) + margin), reduction);
}

Tensor hinge_embedding_loss(const Tensor& x, const Tensor& target, double margin,
                            Reduction reduction) {
  if (is_half(x.dtype()))
    return cast(hinge_embedding_loss(ops::widened(x), ops::widened(target), margin, reduction),
                x.dtype());
  check(is_floating(x.dtype()), "hinge_embedding_loss: expected a floating-point input, got {}",
        name_of(x.dtype()));
  const Tensor zero = x * 0.0;
  const Tensor loss =
      where(ne(target, 1), hinge(margin - x), zero) + where(ne(target, -1), x, zero);
  return reduce_loss(loss, reduction);
}

Tensor soft_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  if (is_half(x.dtype()))
    return cast(soft_margin_loss(ops::widened(x), ops::widened(target), reduction), x.dtype());
  check_same("soft_margin_loss", x, target);
  return reduce_loss(neg(logsigmoid(target.to(x.dtype()) * x)), reduction);
}

Tensor multilabel_soft_margin_loss(const Tensor& x, const Tensor& target, const Tensor& weight,
                                   Reduction reduction) {
  if (is_half(x.dtype()))
    return cast(multilabel_soft_margin_loss(ops::widened(x), ops::widened(target),
                                            ops::widened(weight), reduction),
                x.dtype());
  Tensor loss = neg(target * logsigmoid(x) + (1 - target) * logsigmoid(neg(x)));
  if (weight.defined()) loss = loss * weight;
  return reduce_loss(sum(loss, {-1}) / static_cast<double>(x.size(-1)), reduction);
}

Tensor multi_margin_loss(const Tensor& x, const Tensor& target, int64_t p, double margin,
                         const Tensor& weight, Reduction reduction) {
  if (is_half(x.dtype()))
    return cast(multi_margin_loss(ops::widened(x), ops::widened(target), p, margin,
                                  ops::widened(weight), reduction),
                x.dtype());
  check<ValueError>(p == 1 || p == 2, "only p == 1 and p == 2 supported");
  check(x.dim() <= 2 && x.numel() > 0,
        "Expected non-empty vector or matrix with optional 0-dim batch size, but got: {}",
        x.shape());
  const bool single = x.dim() < 2;
  const Tensor rows = single ? reshape(x, Shape{1, x.numel()}) : x;
  const int64_t n = rows.size(0), classes = rows.size(1);
  check(target.dim() <= 1 && target.numel() == n,
        "inconsistent target size, expected {} but got {}", Shape{n}, target.shape());
  check(!weight.defined() || weight.numel() == classes,
        "inconsistent weight size, expected {} but got {}", classes,
        weight.defined() ? weight.shape() : Shape{});
  const Tensor labels = reshape(target, Shape{n, 1});
  Tensor loss = hinge(margin - gather(rows, 1, labels) + rows);
  if (p == 2) loss = square(loss);
  if (weight.defined())
    loss = loss * reshape(index_select(weight, 0, reshape(labels, Shape{n})), Shape{n, 1});
  const Tensor others = ne(labels, arange(0, classes));
  loss = sum(where(others, loss, like(0, loss)), {1}) / static_cast<double>(classes);
  return reduce_loss(single && target.dim() == 0 ? reshape(loss, Shape{}) : loss, reduction);
}

Tensor multilabel_margin_loss(const Tensor& x, const Tensor& target, Reduction reduction) {
  if (is_half(x.dtype()))
    return cast(multilabel_margin_loss(ops::widened(x), ops::widened(target), reduction),
                x.dtype());
  check(x.dim() <= 2 && x.numel() > 0,
        "Expected non-empty vector or matrix with optional 0-dim batch size, but got: {}",
        x.shape());
  check(target.shape() == x.shape(), "inconsistent target size: {} for input of size: {}",
        target.shape(), x.shape());
  check(target.dtype() == DType::kInt64, "expected scalar type Long but found {}",
        ops::scalar_type_name(target.dtype()));
  const int64_t classes = x.dim() == 0 ? 1 : x.size(-1), n = x.numel() / classes;
  const Tensor rows = reshape(x, Shape{n, classes});
  const Tensor labels = reshape(target, Shape{n, classes});
  // Labels count up to the first negative one.
  const Tensor used = eq(cumsum(cast(lt(labels, 0), DType::kInt64), 1), 0);
  const Tensor at = where(used, labels, cast(Scalar(0).beside(labels), DType::kInt64));
  const Tensor is_label =
      gt(scatter_add(zeros(Shape{n, classes}, DType::kInt64), 1, at, cast(used, DType::kInt64)), 0);
  // (n, label j, class i)
  const Tensor loss = hinge(1.0 - unsqueeze(gather(rows, 1, at), 2) + unsqueeze(rows, 1));
  const Tensor counts = logical_and(unsqueeze(used, 2), logical_not(unsqueeze(is_label, 1)));
  const Tensor total =
      sum(where(counts, loss, like(0, loss)), {1, 2}) / static_cast<double>(classes);
  return reduce_loss(x.dim() < 2 ? reshape(total, Shape{}) : total, reduction);
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           double margin, double p, double eps, bool swap, Reduction reduction) {
  if (is_half(anchor.dtype()))
    return cast(triplet_margin_loss(ops::widened(anchor), ops::widened(positive),
                                    ops::widened(negative), margin, p, eps, swap, reduction),
                anchor.dtype());
  check(anchor.dim() == positive.dim() && positive.dim() == negative.dim(),
        "The anchor, positive, and negative tensors are expected to have the same number of "
        "dimensions, but got: anchor {}D, positive {}D, and negative {}D inputs",
        anchor.dim(), positive.dim(), negative.dim());
  check<ValueError>(margin > 0, "margin must be greater than 0, got {}", margin);
  const Tensor near = pairwise_distance(anchor, positive, p, eps);
  Tensor far = pairwise_distance(anchor, negative, p, eps);
  if (swap) far = minimum(far, pairwise_distance(positive, negative, p, eps));
  return reduce_loss(hinge(near - far + margin), reduction);
}

Tensor gaussian_nll_loss(const Tensor& x, const Tensor& target, const Tensor& var, bool full,
                         double eps, Reduction reduction) {
  if (is_half(ops::result_type(x, target)))
    return cast(gaussian_nll_loss(ops::widened(x), ops::widened(target), ops::widened(var), full,
                                  eps, reduction),
                ops::result_type(x, target));
  check(is_floating(var.dtype()), "gaussian_nll_loss: expected a floating-point var, got {}",
        name_of(var.dtype()));
  Tensor spread = var;
  if (var.shape() != x.shape()) {
    const Shape &v = var.shape(), &s = x.shape();
    const bool lacks_last = v.rank() == s.rank() - 1 && std::equal(v.begin(), v.end(), s.begin());
    int64_t others = 0;  // the sum of var's sizes that differ from x's: 1 where one dimension is 1
    for (int d = 0; v.rank() == s.rank() && d < s.rank(); ++d) others += v[d] == s[d] ? 0 : v[d];
    check<ValueError>(lacks_last || others == 1, "var is of incorrect size");
    if (lacks_last) spread = unsqueeze(var, -1);
  }
  // The bound takes no part in the gradient.
  const Tensor low = like(eps, spread);
  spread = spread + (maximum(spread, low) - spread).detach();
  Tensor loss = (log(spread) + square(x - target) / spread) * 0.5;
  if (full) loss = loss + 0.5 * std::log(2 * std::numbers::pi);
  return reduce_loss(loss, reduction);
}

Tensor poisson_nll_loss(const Tensor& x, const Tensor& target, bool log_input, bool full,
                        double eps, Reduction reduction) {
  if (is_half(ops::result_type(x, target)))
    return cast(
        poisson_nll_loss(ops::widened(x), ops::widened(target), log_input, full, eps, reduction),
        ops::result_type(x, target));
  Tensor loss = log_input ? exp(x) - target * x : x - target * log(x + eps);
  if (full) {
    const Tensor large = gt(target, 1), t = where(large, target, like(1, target));
    const Tensor stirling = t * log(t) - t + log(t * (2 * std::numbers::pi)) * 0.5;
    loss = loss + where(large, stirling, like(0, stirling));
  }
  return reduce_loss(loss, reduction);
}

}  // namespace ballast

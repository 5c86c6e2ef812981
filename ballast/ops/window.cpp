#include "ballast/ops/window.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ballast/ops/create.h"
#include "ballast/ops/index.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace ops {
namespace {

/// One size for each dimension.
std::array<int64_t, 3> spread(const char* who, const char* what, int rank,
                              const std::vector<int64_t>& v) {
  check(v.size() == 1 || static_cast<int>(v.size()) == rank,
        "{}: {} must either be a single int, or a tuple of {} ints", who, what, rank);
  std::array<int64_t, 3> out{};
  for (int d = 0; d < rank; ++d) {
    out[d] = v.size() == 1 ? v[0] : v[d];
    check_window_option(who, out[d]);
  }
  return out;
}

}  // namespace

Windows::Windows(const char* name, int dims, const std::vector<int64_t>& k,
                 const std::vector<int64_t>& s, const std::vector<int64_t>& p,
                 const std::vector<int64_t>& dil, bool ceil)
    : who(name),
      rank(dims),
      ceil_mode(ceil),
      kernel(spread(who, "kernel_size", rank, k)),
      stride(s.empty() ? kernel : spread(who, "stride", rank, s)),
      padding(spread(who, "padding", rank, p)),
      dilation(spread(who, "dilation", rank, dil)) {
  for (int d = 0; d < rank; ++d) {
    check(kernel[d] > 0, "{}: kernel size should be greater than zero, but got {}", who, kernel[d]);
    check(stride[d] > 0, "stride should not be zero");
    check(dilation[d] > 0, "dilation should be greater than zero, but got {}", dilation[d]);
    check(padding[d] >= 0, "pad must be non-negative, but got pad: {}", padding[d]);
    check(padding[d] <= ((kernel[d] - 1) * dilation[d] + 1) / 2,
          "pad should be at most half of effective kernel size, but got pad={}, kernel_size={} and "
          "dilation={}",
          padding[d], kernel[d], dilation[d]);
  }
}

int64_t Windows::count(int d, int64_t n) const {
  const int64_t room = n + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1;
  if (room < 0 && !(ceil_mode && room + stride[d] > 0)) return 0;
  int64_t windows = (room + (ceil_mode ? stride[d] - 1 : 0)) / stride[d] + 1;
  if (ceil_mode && (windows - 1) * stride[d] >= n + padding[d]) --windows;
  return windows;
}

void Windows::check_image(const Tensor& x) const {
  check(x.dim() == rank + 1 || x.dim() == rank + 2,
        "{}{}d: Expected {}D or {}D tensor for input, but got {}", who, rank, rank + 1, rank + 2,
        x.shape());
  for (int d = 0; d < rank; ++d)
    check(count(d, x.size(x.dim() - rank + d)) > 0,
          "{}{}d: Given input size: {}, the output size is too small at dimension {}", who, rank,
          x.shape(), x.dim() - rank + d);
}

}  // namespace ops

namespace {

struct IndexAttributes {
  int64_t kernel[3], stride[3], padding[3], dilation[3], adaptive;
};

/// Window elements along one dimension: begin, begin + step, ... before end.
struct Range {
  int64_t begin, end, step;
};

/// (planes, D, H, W) -> positions (planes, D', H', W') of the windows' maxima in their planes.
class MaxIndicesOp final : public Op {
 public:
  MaxIndicesOp() : Op("max_indices") {}
  void reference(const Call& c) const override {
    dispatch(c.in[0].dtype, [&](auto zero) {
      using T = decltype(zero);
      const Shape &in = c.in[0].shape, &out = c.out.shape;
      const auto& a = c.attributes.as<IndexAttributes>();
      auto* to = c.output<int64_t>();
      for (int64_t plane = 0; plane < in[0]; ++plane) {
        const T* x = c.input<T>(0) + plane * in.span_numel(1, 4);
        for (int64_t i = 0; i < out[1]; ++i)
          for (int64_t j = 0; j < out[2]; ++j)
            for (int64_t k = 0; k < out[3]; ++k)
              *to++ = largest(x, in, range(a, 0, i, in, out), range(a, 1, j, in, out),
                              range(a, 2, k, in, out));
      }
    });
  }

 private:
  static Range range(const IndexAttributes& a, int d, int64_t i, const Shape& in,
                     const Shape& out) {
    const int64_t n = in[d + 1], windows = out[d + 1];
    if (a.adaptive) return {i * n / windows, ((i + 1) * n + windows - 1) / windows, 1};
    int64_t begin = i * a.stride[d] - a.padding[d];
    const int64_t end = std::min(begin + (a.kernel[d] - 1) * a.dilation[d] + 1, n);
    if (begin < 0) begin += (-begin + a.dilation[d] - 1) / a.dilation[d] * a.dilation[d];
    return {begin, end, a.dilation[d]};
  }

  template <class T>
  static int64_t largest(const T* x, const Shape& in, const Range& d, const Range& h,
                         const Range& w) {
    int64_t best = (d.begin * in[2] + h.begin) * in[3] + w.begin;
    bool any = false;
    for (int64_t i = d.begin; i < d.end; i += d.step)
      for (int64_t j = h.begin; j < h.end; j += h.step)
        for (int64_t k = w.begin; k < w.end; k += w.step) {
          const int64_t at = (i * in[2] + j) * in[3] + k;
          if (any && !(x[at] > x[best]) && x[at] == x[at]) continue;
          best = at;
          any = true;
        }
    return best;
  }
};

/// Positions that `a` finds in x, whose last `rank` dimensions become `output`; and the values
/// there.
Pooled pooled(int rank, const Tensor& x, const std::array<int64_t, 3>& output,
              const IndexAttributes& a) {
  static const MaxIndicesOp op;
  const Shape& s = x.shape();
  const int lead = s.rank() - rank;
  const int64_t planes = s.span_numel(0, lead);
  Shape in{planes, 1, 1, 1}, out{planes, 1, 1, 1}, result = s;
  for (int d = 0; d < rank; ++d) {
    in[1 + 3 - rank + d] = s[lead + d];
    out[1 + 3 - rank + d] = result[lead + d] = output[d];
  }
  const Tensor indices = record(op, out, DType::kInt64, {reshape(x, in).detach()}, a);
  const Tensor flat = reshape(indices, Shape{planes, out.span_numel(1, 4)});
  const Tensor values = gather(reshape(x, Shape{planes, in.span_numel(1, 4)}), 1, flat);
  return {reshape(values, result), reshape(indices, result)};
}

}  // namespace

Pooled max_pool_with_indices(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                             const MaxPoolOptions& o) {
  const ops::Windows w("max_pool", rank, kernel, o.stride, o.padding, o.dilation, o.ceil_mode);
  w.check_image(x);
  IndexAttributes a{{1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, 0};
  std::array<int64_t, 3> output{};
  for (int d = 0; d < rank; ++d) {
    const int at = 3 - rank + d;
    a.kernel[at] = w.kernel[d];
    a.stride[at] = w.stride[d];
    a.padding[at] = w.padding[d];
    a.dilation[at] = w.dilation[d];
    output[d] = w.count(d, x.size(x.dim() - rank + d));
  }
  return pooled(rank, x, output, a);
}

Pooled adaptive_max_pool(int rank, const Tensor& x, const std::vector<int64_t>& output) {
  check(x.dim() == rank + 1 || x.dim() == rank + 2,
        "adaptive_max_pool{}d(): Expected {}D or {}D tensor, but got: {}", rank, rank + 1, rank + 2,
        x.shape());
  check(output.size() == 1 || static_cast<int>(output.size()) == rank,
        "adaptive_max_pool{}d(): internal error: output_size.size() must be {}", rank, rank);
  std::array<int64_t, 3> sizes{};
  for (int d = 0; d < rank; ++d) {
    sizes[d] = output.size() == 1 ? output[0] : output[d];
    check(sizes[d] >= 0,
          "adaptive_max_pool{}d(): elements of output_size must be greater than or "
          "equal to 0, but got {}",
          rank, sizes[d]);
    check(x.size(x.dim() - rank + d) > 0,
          "adaptive_max_pool{}d(): Expected input to have non-zero size for non-batch dimensions, "
          "but input has sizes {}",
          rank, x.shape());
  }
  return pooled(rank, x, sizes, IndexAttributes{{}, {}, {}, {}, 1});
}

Tensor max_unpool(int rank, const Tensor& x, const Tensor& indices,
                  const std::vector<int64_t>& output) {
  check(indices.dtype() == DType::kInt64, "elements in indices should be type int64 but got: {}",
        ops::scalar_type_name(indices.dtype()));
  check(x.dim() == rank + 1 || x.dim() == rank + 2,
        "max_unpooling{}d(): Expected {}D or {}D tensor, but got input with sizes {}", rank,
        rank + 1, rank + 2, x.shape());
  check(x.shape() == indices.shape(),
        "Expected shape of indices to be same as that of the input tensor ({}), but got indices "
        "tensor with shape: {}",
        x.shape(), indices.shape());
  check(static_cast<int>(output.size()) == rank,
        "There should be exactly {} elements in output_size, but got {} elements.", rank,
        output.size());
  const int lead = x.dim() - rank;
  const int64_t planes = x.shape().span_numel(0, lead);
  Shape out = x.shape();
  for (int d = 0; d < rank; ++d) {
    check<ValueError>(output[d] >= 0,
                      "max_unpooling: output_size must contain non-negative spatial dimensions, "
                      "but got output_size[{}]={}",
                      d, output[d]);
    out[lead + d] = output[d];
  }
  const Shape flat{planes, x.shape().span_numel(lead, x.dim())};
  const Tensor image = zeros(Shape{planes, out.span_numel(lead, out.rank())}, x.dtype());
  return reshape(scatter(image, 1, reshape(indices, flat), reshape(x, flat)), out);
}

std::vector<int64_t> unpooled_size(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                                   const std::vector<int64_t>& stride,
                                   const std::vector<int64_t>& padding,
                                   std::vector<int64_t> output) {
  const char* who = "max_unpool";
  const auto k = ops::spread(who, "kernel_size", rank, kernel);
  const auto s = stride.empty() ? k : ops::spread(who, "stride", rank, stride);
  const auto p = ops::spread(who, "padding", rank, padding);
  check<IndexError>(x.dim() > rank,
                    "max_unpool{}d: expected an input of at least {} dimensions, got {}", rank,
                    rank + 1, x.shape());
  const bool by_default = output.empty();
  if (static_cast<int>(output.size()) == rank + 2) output.erase(output.begin(), output.begin() + 2);
  check<ValueError>(by_default || static_cast<int>(output.size()) == rank,
                    "output_size should be a sequence containing {} or {} elements, but it has a "
                    "length of '{}'",
                    rank, rank + 2, output.size());
  for (int d = 0; d < rank; ++d) {
    const int64_t n = ((Checked(x.size(x.dim() - rank + d)) - 1) * s[d] + k[d] - 2 * p[d]).value();
    if (by_default)
      output.push_back(n);
    else
      check<ValueError>(output[d] > n - s[d] && output[d] < n + s[d],
                        "invalid output_size '{}' (dim {} must be between {} and {})", output[d], d,
                        n - s[d], n + s[d]);
  }
  return output;
}

}  // namespace ballast

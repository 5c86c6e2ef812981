#include "ballast/ops/fractional_pool.h"

#include "ballast/ops/index.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

struct FractionalAttributes {
  int64_t rank;
  int64_t kernel[3], output[3];
};

/// Where the windows of one image begin along a dimension of n elements.
std::vector<int64_t> starts(double sample, int64_t n, int64_t output, int64_t kernel) {
  std::vector<int64_t> at(output);
  const double step =
      output > 1 ? static_cast<double>(n - kernel) / static_cast<double>(output - 1) : 0;
  for (int64_t i = 0; i + 1 < output; ++i)
    at[i] = static_cast<int64_t>((static_cast<double>(i) + sample) * step) -
            static_cast<int64_t>(sample * step);
  if (output > 0) at[output - 1] = n - kernel;
  return at;
}

/// Positions of the largest elements in their flattened images: x (images, sizes...), samples
/// (images, rank).
class FractionalPoolOp final : public Op {
 public:
  FractionalPoolOp() : Op("fractional_max_pool") {}
  void reference(const Call& c) const override {
    const auto& o = c.attributes.as<FractionalAttributes>();
    const int rank = static_cast<int>(o.rank);
    const Shape& s = c.in[0].shape;
    const auto strides = ops::strides_of(s);
    Shape windows, inside;
    for (int d = 0; d < rank; ++d) {
      windows.push_back(o.output[d]);
      inside.push_back(o.kernel[d]);
    }
    dispatch_floating(c.in[0].dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      int64_t* out = c.output<int64_t>();
      std::array<int64_t, Shape::kMaxRank> steps{};
      for (int d = 0; d < rank; ++d) steps[d] = strides[d + 1];
      for (int64_t i = 0; i < s[0]; ++i) {
        const T* image = c.input<T>(0) + i * strides[0];
        std::vector<std::vector<int64_t>> at;
        for (int d = 0; d < rank; ++d) {
          // Of planes the first sample belongs to the columns.
          const int k = rank == 2 ? 1 - d : d;
          at.push_back(starts(static_cast<double>(c.input<T>(1)[i * rank + k]), s[d + 1],
                              o.output[d], o.kernel[d]));
        }
        for (int64_t w = 0; w < windows.numel(); ++w) {
          int64_t base = 0, rest = w;
          for (int d = rank - 1; d >= 0; --d) {
            base += at[d][rest % windows[d]] * steps[d];
            rest /= windows[d];
          }
          int64_t best = base;
          ops::for_each_offset(inside, steps, [&](int64_t offset) {
            const T v = image[base + offset];
            if (v > image[best] || (v != v && image[best] == image[best])) best = base + offset;
          });
          *out++ = best;
        }
      }
    });
  }
};

}  // namespace

Pooled fractional_max_pool(int rank, const Tensor& x, const std::vector<int64_t>& kernel,
                           const std::vector<int64_t>& output, const Tensor& samples) {
  static const FractionalPoolOp op;
  const int lead = x.dim() - rank;
  check(lead == 1 || lead == 2,
        "fractional_max_pool{0}d(): Expected {1}D or {2}D tensor, but got: {3}", rank, rank + 1,
        rank + 2, x.shape());
  check(static_cast<int>(kernel.size()) == rank && static_cast<int>(output.size()) == rank,
        "fractional_max_pool{}d: kernel_size and output_size must either be a single Int or tuple "
        "of {} Ints",
        rank, rank);
  FractionalAttributes a{rank, {}, {}};
  const int64_t images = x.shape().span_numel(0, lead);
  Shape flat{images}, found{images}, out(x.shape().dims().first(lead));
  for (int d = 0; d < rank; ++d) {
    const int64_t n = x.shape()[lead + d];
    check(kernel[d] > 0 && output[d] > 0 && output[d] + kernel[d] - 1 <= n,
          "fractional_max_pool{}d(): pool of size {} too large relative to input of size {} for {} "
          "outputs",
          rank, kernel[d], n, output[d]);
    a.kernel[d] = kernel[d];
    a.output[d] = output[d];
    flat.push_back(n);
    found.push_back(output[d]);
    out.push_back(output[d]);
  }
  check(samples.dim() == 3 && samples.size(2) == rank && samples.dtype() == x.dtype() &&
            samples.numel() == images * rank,
        "Expect _random_samples of shape (N, C, {}) and the input's type, got {} of {}", rank,
        samples.shape(), name_of(samples.dtype()));
  const Tensor at = record(op, found, DType::kInt64,
                           {reshape(x, flat), reshape(samples, Shape{images, rank})}, a);
  const Shape lines{images, out.span_numel(lead, out.rank())};
  const Tensor values =
      gather(reshape(x, Shape{images, flat.span_numel(1, flat.rank())}), 1, reshape(at, lines));
  return {reshape(values, out), reshape(at, out)};
}

}  // namespace ballast

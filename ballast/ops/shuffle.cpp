#include "ballast/ops/shuffle.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// All sizes of x before the last three, and these.
struct Image {
  Image(const char* who, const Tensor& x, const char* factor_name, int64_t factor) {
    check(x.dim() >= 3,
          "{} expects input to have at least 3 dimensions, but got input with {} dimension(s)", who,
          x.dim());
    check(factor > 0 && factor <= INT32_MAX, "{} expects a positive {}, but got {}", who,
          factor_name, factor);
    for (int d = 0; d < x.dim() - 3; ++d) lead.push_back(x.size(d));
    channels = x.size(-3);
    height = x.size(-2);
    width = x.size(-1);
  }
  std::vector<int64_t> with(std::initializer_list<int64_t> last) const {
    std::vector<int64_t> out = lead;
    out.insert(out.end(), last);
    return out;
  }
  /// The order in which the leading dimensions stay and the last five follow as `last` says.
  std::vector<int64_t> order(std::initializer_list<int64_t> last) const {
    std::vector<int64_t> out(lead.size());
    std::iota(out.begin(), out.end(), 0);
    for (int64_t d : last) out.push_back(static_cast<int64_t>(lead.size()) + d);
    return out;
  }

  std::vector<int64_t> lead;
  int64_t channels, height, width;
};

}  // namespace

Tensor pixel_shuffle(const Tensor& x, int64_t r) {
  const Image i("pixel_shuffle", x, "upscale_factor", r);
  check(i.channels % (r * r) == 0,
        "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
        "upscale_factor, but input.size(-3)={} is not divisible by {}",
        i.channels, r * r);
  const int64_t c = i.channels / (r * r);
  const Tensor parts = reshape(x, i.with({c, r, r, i.height, i.width}));
  return ops::fresh(
      reshape(permute(parts, i.order({0, 3, 1, 4, 2})), i.with({c, i.height * r, i.width * r})),
      {&x, 1});
}

Tensor pixel_unshuffle(const Tensor& x, int64_t r) {
  const Image i("pixel_unshuffle", x, "downscale_factor", r);
  check(i.height % r == 0 && i.width % r == 0,
        "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got "
        "input of size {} and downscale_factor={}",
        x.shape(), r);
  const int64_t h = i.height / r, w = i.width / r;
  const Tensor parts = reshape(x, i.with({i.channels, h, r, w, r}));
  return ops::fresh(
      reshape(permute(parts, i.order({0, 2, 4, 1, 3})), i.with({i.channels * r * r, h, w})),
      {&x, 1});
}

Tensor channel_shuffle(const Tensor& x, int64_t groups) {
  check(x.dim() > 2, "channel_shuffle expects input with > 2 dims, but got input with sizes {}",
        x.shape());
  const int64_t n = x.size(0), c = x.size(1);
  check(groups > 0 && c % groups == 0,
        "Number of channels must be divisible by groups. Got {} channels and {} groups.", c,
        groups);
  const int64_t rest = x.shape().span_numel(2, x.dim());
  const Tensor parts = reshape(x, Shape{n, groups, c / groups, rest});
  return ops::fresh(reshape(transpose(parts, 1, 2), x.shape()), {&x, 1});
}

Tensor unflatten(const Tensor& x, int64_t dim, std::vector<int64_t> sizes) {
  const int at = x.shape().normalize(dim);
  int64_t known = 1;
  for (int64_t n : sizes) known *= n == -1 ? 1 : n;
  const auto open = std::ranges::find(sizes, -1);
  const bool fits =
      known == x.size(at) || (open != sizes.end() && known != 0 && x.size(at) % known == 0);
  check(fits,
        "unflatten: Provided sizes [{}] don't multiply up to the size of dim {} ({}) in the input "
        "tensor",
        fmt::join(sizes, ", "), at, x.size(at));
  if (open != sizes.end()) *open = x.size(at) / known;
  std::vector<int64_t> shape(x.shape().begin(), x.shape().begin() + at);
  shape.insert(shape.end(), sizes.begin(), sizes.end());
  shape.insert(shape.end(), x.shape().begin() + at + 1, x.shape().end());
  return reshape(x, shape);
}

}  // namespace ballast

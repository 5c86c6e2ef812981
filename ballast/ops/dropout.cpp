#include "ballast/ops/dropout.h"

#include <cmath>

#include "ballast/base/random.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

/// PyTorch's next draws: 0 with probability p, else 1/(1 - p).
Tensor draw_mask(const Shape& shape, DType dtype, double p, Generator& generator) {
  const Tensor out(make_leaf(shape, dtype));
  ops::fill_floating(out, "dropout", [&](auto values) { dropout_mask(values, p, generator); });
  return out;
}

/// x's shape with one element for each channel.
Shape channels_of(const Tensor& x) {
  Shape s = x.shape();
  for (int d = 2; d < s.rank(); ++d) s[d] = 1;
  return s;
}

/// Whether nothing is to be dropped.
bool keeps_all(const Tensor& x, double p, bool training) {
  check<ValueError>(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got {}",
                    p);
  if (!training || p == 0 || x.numel() == 0) return true;
  check(is_floating(x.dtype()), "result type Float can't be cast to the desired output type {}",
        ops::scalar_type_name(x.dtype()));
  return false;
}

/// x times a mask of this shape.
Tensor dropped(const Tensor& x, const Shape& shape, double p, bool training, Generator& generator) {
  if (keeps_all(x, p, training)) return x;
  return p == 1 ? x * 0.0 : x * draw_mask(shape, x.dtype(), p, generator);
}

Tensor alpha_dropped(const Tensor& x, const Shape& shape, double p, bool training,
                     Generator& generator) {
  if (keeps_all(x, p, training)) return x;
  if (p == 1) return x * 0.0;
  constexpr double kSaturation = 1.7580993408473766;  // minus what SELU tends to
  const double a = 1 / std::sqrt((kSaturation * kSaturation * p + 1) * (1 - p));
  const Tensor kept = cast(ne(draw_mask(shape, x.dtype(), p, generator), 0), x.dtype());
  return x * (kept * a) + ((kept - 1) * (kSaturation * a) + kSaturation * a * p);
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  return dropped(x, x.shape(), p, training, generator);
}

Tensor channel_dropout(int rank, const Tensor& x, double p, bool training, Generator& generator) {
  check(rank != 1 || x.dim() == 2 || x.dim() == 3,
        "dropout1d: Expected 2D or 3D input, but received a {}D input. Note that dropout1d exists "
        "to provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, "
        "and an optional batch dimension (i.e. 2D or 3D inputs).",
        x.dim());
  if (rank == 2 || x.dim() == rank + 2) return dropped(x, channels_of(x), p, training, generator);
  const Tensor batch = unsqueeze(x, 0);
  return squeeze(dropped(batch, channels_of(batch), p, training, generator), 0);
}

Tensor alpha_dropout(const Tensor& x, double p, bool training, Generator& generator) {
  return alpha_dropped(x, x.shape(), p, training, generator);
}

Tensor feature_alpha_dropout(const Tensor& x, double p, bool training, Generator& generator) {
  return alpha_dropped(x, channels_of(x), p, training, generator);
}

}  // namespace ballast

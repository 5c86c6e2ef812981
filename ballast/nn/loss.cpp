#include "ballast/nn/loss.h"

#include "ballast/nn/options.h"
#include "ballast/ops/pointwise.h"

namespace ballast::nn {

TripletMarginWithDistanceLoss::TripletMarginWithDistanceLoss(
    TripletMarginWithDistanceLossOptions options)
    : Loss(std::move(options)) {
  const double margin = this->options().margin;
  check<ValueError>(margin > 0,
                    "TripletMarginWithDistanceLoss: expected margin to be greater than 0, got {} "
                    "instead",
                    python_str(margin));
}

Tensor TripletMarginWithDistanceLoss::operator()(const Tensor& anchor, const Tensor& positive,
                                                 const Tensor& negative) const {
  const TripletMarginWithDistanceLossOptions o = options();
  const auto distance = [&](const Tensor& a, const Tensor& b) {
    return o.distance_function ? o.distance_function(a, b) : pairwise_distance(a, b);
  };
  Tensor far = distance(anchor, negative);
  if (o.swap) far = minimum(far, distance(positive, negative));
  return reduce_loss(relu(distance(anchor, positive) - far + o.margin), o.reduction);
}

}  // namespace ballast::nn

// What the networks of this folder share.
#pragma once

#include <cstdint>

#include "ballast/nn/batch_norm.h"
#include "ballast/nn/common.h"

namespace ballast::models {

/// How a network is built. Without `batch_norm` every batch normalization layer holds an
/// `nn::Identity` in its place: the names of all other layers stay, and so do their initial values
/// for the same seed.
struct Options {
  bool batch_norm = true;
  int64_t classes = 10;
};

/// A normalization layer of class `Norm`, or the identity in its place.
template <class Norm>
Norm norm(int64_t features, const Options& options) {
  Norm layer(features);
  if (!options.batch_norm) layer.replace(nn::Identity());
  return layer;
}

}  // namespace ballast::models

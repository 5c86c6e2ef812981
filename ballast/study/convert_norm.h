// Networks with other normalization layers than they were written with.
#pragma once

#include <cstdint>
#include <string>

#include "ballast/nn/module.h"
#include "ballast/ops/batch_norm_variants.h"

namespace ballast::study {

/// What normalization layers may become.
enum class NormKind : uint8_t {
  kBatch,     // nn::BatchNorm1d, 2d, 3d
  kGhost,     // nn::GhostBatchNorm1d, 2d
  kRenorm,    // nn::BatchRenorm1d, 2d
  kFrozen,    // nn::FrozenBatchNorm2d
  kGroup,     // nn::GroupNorm
  kLayer,     // nn::GroupNorm of one group: layer normalization over channels and pixels
  kInstance,  // nn::InstanceNorm1d, 2d, 3d
  kNone,      // nn::Identity
};

/// The kind called "batch", "ghost", "renorm", "frozen", "group", "layer", "instance" or "none".
/// Throws ValueError for another name.
NormKind norm_kind(const std::string& name);

struct ConvertNormOptions {
  int64_t virtual_batch = 32;  // of kGhost
  /// Of kGroup, at most: a layer has the greatest common divisor of this and its channels.
  int64_t groups = 32;
  RenormLimits limits = {};  // of kRenorm
};

/// Replaces every batch normalization (plain, ghost, renorm, frozen), instance normalization and
/// group normalization (taken to be of images) in `model` by the layer of this kind; returns how
/// many. Weight, bias and running statistics keep
/// their values where the new layer has them, in memory of their own: optimizers are made
/// afterwards. Throws ValueError where a layer has no such form (frozen ones are of images only),
/// before anything is changed.
int64_t convert_norm(nn::Module& model, NormKind kind, const ConvertNormOptions& options = {});

enum class NormPlace : uint8_t { kBeforeActivation, kAfterActivation };

/// Exchanges normalization layers and activations that follow each other in an nn::Sequential, so
/// that the normalization comes first, as Ioffe & Szegedy 2015 (arXiv:1502.03167, section 3.2) put
/// it, or last, so that it is what the next layer reads. Returns how many pairs moved. Networks
/// whose `forward` calls activation functions have this order in their code.
int64_t place_norm(nn::Module& model, NormPlace place);

}  // namespace ballast::study

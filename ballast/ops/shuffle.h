// Exchanging channels with each other or with pixels, and splitting dimensions.
#pragma once

#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast {

/// As PyTorch's `F.pixel_shuffle` (Shi et al. 2016, arXiv:1609.05158): (..., C*r*r, H, W)
/// rearranged into (..., C, H*r, W*r). Throws Error in PyTorch's words where sizes do not fit.
Tensor pixel_shuffle(const Tensor& x, int64_t upscale_factor);
/// The reverse: (..., C, H*r, W*r) into (..., C*r*r, H, W).
Tensor pixel_unshuffle(const Tensor& x, int64_t downscale_factor);
/// The channels of (N, C, ...) dealt out from `groups` groups in turn (Zhang et al. 2018,
/// arXiv:1707.01083). Throws Error unless the groups divide the channels.
Tensor channel_shuffle(const Tensor& x, int64_t groups);
/// x with dimension `dim` split into `sizes`, one of which may be -1. Throws Error unless they
/// multiply up to its size.
Tensor unflatten(const Tensor& x, int64_t dim, std::vector<int64_t> sizes);

}  // namespace ballast

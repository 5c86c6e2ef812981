// Initial values that networks draw after their layers have drawn their own.
#pragma once

#include "ballast/nn/init.h"
#include "ballast/nn/module.h"

namespace ballast::models {

/// Draws the weights of all convolutions below `m` anew (He et al. 2015, arXiv:1502.01852): normal,
/// with standard deviation sqrt(2/fan). In the order in which modules are listed, as torchvision.
void draw_convolutions(nn::Module& m, nn::init::FanMode mode);

/// The same with fan-out, and Linear layers with standard deviation 0.01; biases become zero.
void draw_convolutions_and_linear(nn::Module& m);

}  // namespace ballast::models

// Plain stacks of 3x3 convolutions (Simonyan & Zisserman, "Very Deep Convolutional Networks for
// Large-Scale Image Recognition", 2015, arXiv:1409.1556), with torchvision's names.
#pragma once

#include <array>

#include "ballast/models/options.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/sequential.h"

namespace ballast::models {

/// Convolutions per stage; the stages have 64, 128, 256, 512 and 512 channels and end with a 2x2
/// max-pooling.
using VggDepths = std::array<int64_t, 5>;
inline constexpr VggDepths kVgg11{1, 1, 2, 2, 2}, kVgg13{2, 2, 2, 2, 2}, kVgg16{2, 2, 3, 3, 3},
    kVgg19{2, 2, 4, 4, 4};

/// The convolutions, each with ReLU. `norms`: a batch norm between the two, or the identity where
/// `options` leave batch norm out.
nn::Sequential vgg_features(const VggDepths& depths, bool norms, const Options& options = {});

/// `vgg_features`, a mean-pooling to 7x7 pixels, and three Linear layers of width 4096 with ReLU
/// and dropout between ("classifier"): x (N, 3, H, W) with H, W >= 32 to (N, classes).
struct Vgg : nn::Module {
  Vgg(const VggDepths& depths, bool norms, Options options = {}, double dropout = 0.5);
  Tensor forward(const Tensor& x) override;

  nn::Sequential features, classifier;
};

}  // namespace ballast::models

// MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov & Chen, "MobileNetV2: Inverted Residuals and Linear
// Bottlenecks", 2018, arXiv:1801.04381), with torchvision's names.
#pragma once

#include "ballast/models/options.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/sequential.h"

namespace ballast::models {

/// A 1x1 convolution to `expansion` times the channels (none where that is 1), a 3x3 convolution of
/// every channel by itself with `stride`, both with batch norm and ReLU6; then a 1x1 convolution to
/// `channels` with batch norm ("conv"). Where the shape stays, x is added.
struct InvertedResidual : nn::Module {
  InvertedResidual(int64_t in_channels, int64_t channels, int64_t stride, int64_t expansion,
                   const Options& options);
  Tensor forward(const Tensor& x) override;

  nn::Sequential conv;
  bool adds_input;
};

/// A 3x3 convolution of stride 2, seventeen inverted residuals and a 1x1 convolution to 1280
/// channels ("features"); the mean over all pixels; dropout and Linear ("classifier").
/// x (N, 3, H, W) to (N, classes). `width` multiplies the channels of every layer.
struct MobileNetV2 : nn::Module {
  explicit MobileNetV2(Options options = {}, double width = 1.0, double dropout = 0.2);
  Tensor forward(const Tensor& x) override;

  nn::Sequential features, classifier;
};

}  // namespace ballast::models

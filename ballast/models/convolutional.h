// Small convolutional networks.
#pragma once

#include "ballast/models/options.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"

namespace ballast::models {

/// Conv2d(3, 64, 3), batch norm, ReLU, the mean over all pixels, Linear(64, classes), batch norm:
/// x (N, 3, H, W) with H, W >= 3 to (N, classes).
struct MyModel : nn::Module {
  explicit MyModel(Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Linear fc;
  nn::BatchNorm1d bn2;
};

/// Three times 3x3 convolution (32, 64 and 64 channels), batch norm, ReLU, with a 2x2 max-pooling
/// after the second; then the mean over all pixels and Linear(64, classes): x (N, in_channels, H,
/// W) with H, W >= 2 to (N, classes).
struct Cnn : nn::Module {
  explicit Cnn(int64_t in_channels = 1, Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Conv2d conv3;
  nn::BatchNorm2d bn3;
  nn::Linear fc;
};

}  // namespace ballast::models

// Residual networks (He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", 2016,
// arXiv:1512.03385).
#pragma once

#include "ballast/models/options.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/sequential.h"

namespace ballast::models {

/// relu(x' + bn2(conv2(relu(bn1(conv1(x)))))), the convolutions 3x3, the first with `stride`. x' is
/// x, or where the shape changes a strided 1x1 convolution of it with batch norm ("downsample"; the
/// paper's option B).
struct ResidualBlock : nn::Module {
  ResidualBlock(int64_t in_channels, int64_t channels, int64_t stride, const Options& options);
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Sequential downsample;  // empty where x' is x
};

/// The paper's CIFAR network with 6n + 2 = 20 layers: a 3x3 convolution to 16 channels, three
/// stages ("layer1" to "layer3") of three blocks with 16, 32 and 64 channels, the mean over all
/// pixels, Linear(64, classes). x (N, in_channels, H, W) to (N, classes); images of any size.
struct ResNet20 : nn::Module {
  explicit ResNet20(int64_t in_channels = 3, Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Sequential layer1, layer2, layer3;
  nn::Linear fc;
};

}  // namespace ballast::models

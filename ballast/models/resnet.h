// Residual networks (He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition", 2016,
// arXiv:1512.03385), with torchvision's names.
#pragma once

#include <array>

#include "ballast/models/options.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/sequential.h"

namespace ballast::models {

/// relu(x' + bn2(conv2(relu(bn1(conv1(x)))))), the convolutions 3x3, the first with `stride`. x' is
/// x, or where the shape changes a strided 1x1 convolution of it with batch norm ("downsample"; the
/// paper's option B).
struct BasicBlock : nn::Module {
  static constexpr int64_t kExpansion = 1;
  BasicBlock(int64_t in_channels, int64_t channels, int64_t stride, const Options& options);
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Sequential downsample;  // empty where x' is x
};

/// The same with three convolutions: 1x1 to `channels`, 3x3 with `stride`, 1x1 to 4*`channels`.
struct Bottleneck : nn::Module {
  static constexpr int64_t kExpansion = 4;
  Bottleneck(int64_t in_channels, int64_t channels, int64_t stride, const Options& options);
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Conv2d conv2;
  nn::BatchNorm2d bn2;
  nn::Conv2d conv3;
  nn::BatchNorm2d bn3;
  nn::Sequential downsample;
};

/// A network for large images: 7x7 convolution and max-pooling, each of stride 2; four stages of
/// blocks ("layer1" to "layer4") with 64 to 512 channels; the mean over all pixels; Linear.
/// x (N, 3, H, W) to (N, classes).
struct ResNet : nn::Module {
  enum class Block : uint8_t { kBasic, kBottleneck };
  /// `blocks` per stage: {2, 2, 2, 2} of kBasic are ResNet-18.
  ResNet(Block block, std::array<int64_t, 4> blocks, Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Sequential layer1, layer2, layer3, layer4;
  nn::Linear fc;
};

/// The paper's CIFAR network of 6n + 2 layers: a 3x3 convolution to 16 channels, three stages
/// ("layer1" to "layer3") of n basic blocks with 16, 32 and 64 channels, the mean over all pixels,
/// Linear(64, classes). x (N, in_channels, H, W) to (N, classes); images of any size.
struct CifarResNet : nn::Module {
  explicit CifarResNet(int64_t n, int64_t in_channels = 3, Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Sequential layer1, layer2, layer3;
  nn::Linear fc;
};

}  // namespace ballast::models

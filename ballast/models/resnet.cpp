#include "ballast/models/resnet.h"

#include "ballast/ops/activation.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/pool.h"

namespace ballast::models {
namespace {

nn::Conv2d conv3x3(int64_t in_channels, int64_t channels, int64_t stride) {
  // The batch norm that follows has a bias of its own.
  return nn::Conv2d(in_channels, channels, 3, {.stride = stride, .padding = 1, .bias = false});
}

nn::Sequential stage(int64_t in_channels, int64_t channels, int64_t stride,
                     const Options& options) {
  constexpr int kBlocks = 3;
  nn::Sequential blocks;
  for (int i = 0; i < kBlocks; ++i)
    blocks.push_back(
        ResidualBlock(i == 0 ? in_channels : channels, channels, i == 0 ? stride : 1, options));
  return blocks;
}

}  // namespace

ResidualBlock::ResidualBlock(int64_t in_channels, int64_t channels, int64_t stride,
                             const Options& options)
    : conv1(add("conv1", conv3x3(in_channels, channels, stride))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(channels, options))),
      conv2(add("conv2", conv3x3(channels, channels, 1))),
      bn2(add("bn2", norm<nn::BatchNorm2d>(channels, options))) {
  if (stride == 1 && in_channels == channels) return;
  downsample =
      add("downsample",
          nn::Sequential(nn::Conv2d(in_channels, channels, 1, {.stride = stride, .bias = false}),
                         norm<nn::BatchNorm2d>(channels, options)));
}

Tensor ResidualBlock::forward(const Tensor& x) {
  const Tensor shortcut = downsample.size() > 0 ? downsample(x) : x;
  return relu(bn2(conv2(relu(bn1(conv1(x))))) + shortcut);
}

ResNet20::ResNet20(int64_t in_channels, Options options)
    : conv1(add("conv1", conv3x3(in_channels, 16, 1))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(16, options))),
      layer1(add("layer1", stage(16, 16, 1, options))),
      layer2(add("layer2", stage(16, 32, 2, options))),
      layer3(add("layer3", stage(32, 64, 2, options))),
      fc(add("fc", nn::Linear(64, options.classes))) {}

Tensor ResNet20::forward(const Tensor& x) {
  const Tensor y = layer3(layer2(layer1(relu(bn1(conv1(x))))));
  return fc(adaptive_avg_pool2d(y, {1, 1}).flatten(1));
}

}  // namespace ballast::models

#include "ballast/models/resnet.h"

#include "ballast/models/initial.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/pool.h"

namespace ballast::models {
namespace {

// The batch norms that follow have a bias of their own.
nn::Conv2d conv3x3(int64_t in_channels, int64_t channels, int64_t stride = 1) {
  return nn::Conv2d(in_channels, channels, 3, {.stride = stride, .padding = 1, .bias = false});
}
nn::Conv2d conv1x1(int64_t in_channels, int64_t channels, int64_t stride = 1) {
  return nn::Conv2d(in_channels, channels, 1, {.stride = stride, .bias = false});
}

/// Empty where the shape stays.
nn::Sequential shortcut(int64_t in_channels, int64_t channels, int64_t stride,
                        const Options& options) {
  if (stride == 1 && in_channels == channels) return {};
  return nn::Sequential(conv1x1(in_channels, channels, stride),
                        norm<nn::BatchNorm2d>(channels, options));
}

template <class Block>
nn::Sequential stage(int64_t count, int64_t in_channels, int64_t channels, int64_t stride,
                     const Options& options) {
  nn::Sequential blocks;
  for (int64_t i = 0; i < count; ++i)
    blocks.push_back(Block(i == 0 ? in_channels : channels * Block::kExpansion, channels,
                           i == 0 ? stride : 1, options));
  return blocks;
}

/// Stage number `i` of a network for large images.
nn::Sequential large_stage(ResNet::Block block, int i, int64_t count, const Options& options) {
  const int64_t channels = int64_t{64} << i, stride = i == 0 ? 1 : 2;
  if (block == ResNet::Block::kBasic)
    return stage<BasicBlock>(count, i == 0 ? 64 : channels / 2, channels, stride, options);
  const int64_t in_channels = i == 0 ? 64 : channels / 2 * Bottleneck::kExpansion;
  return stage<Bottleneck>(count, in_channels, channels, stride, options);
}

Tensor pixel_means(const Tensor& x) { return adaptive_avg_pool2d(x, {1, 1}).flatten(1); }

}  // namespace

BasicBlock::BasicBlock(int64_t in_channels, int64_t channels, int64_t stride,
                       const Options& options)
    : conv1(add("conv1", conv3x3(in_channels, channels, stride))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(channels, options))),
      conv2(add("conv2", conv3x3(channels, channels))),
      bn2(add("bn2", norm<nn::BatchNorm2d>(channels, options))),
      downsample(shortcut(in_channels, channels, stride, options)) {
  if (downsample.size() > 0) add("downsample", downsample);
}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor x2 = downsample.size() > 0 ? downsample(x) : x;
  return relu(bn2(conv2(relu(bn1(conv1(x))))) + x2);
}

Bottleneck::Bottleneck(int64_t in_channels, int64_t channels, int64_t stride,
                       const Options& options)
    : conv1(add("conv1", conv1x1(in_channels, channels))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(channels, options))),
      conv2(add("conv2", conv3x3(channels, channels, stride))),
      bn2(add("bn2", norm<nn::BatchNorm2d>(channels, options))),
      conv3(add("conv3", conv1x1(channels, channels * kExpansion))),
      bn3(add("bn3", norm<nn::BatchNorm2d>(channels * kExpansion, options))),
      downsample(shortcut(in_channels, channels * kExpansion, stride, options)) {
  if (downsample.size() > 0) add("downsample", downsample);
}

Tensor Bottleneck::forward(const Tensor& x) {
  const Tensor x2 = downsample.size() > 0 ? downsample(x) : x;
  const Tensor y = relu(bn2(conv2(relu(bn1(conv1(x))))));
  return relu(bn3(conv3(y)) + x2);
}

ResNet::ResNet(Block block, std::array<int64_t, 4> blocks, Options options)
    : conv1(add("conv1", nn::Conv2d(3, 64, 7, {.stride = 2, .padding = 3, .bias = false}))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(64, options))),
      layer1(add("layer1", large_stage(block, 0, blocks[0], options))),
      layer2(add("layer2", large_stage(block, 1, blocks[1], options))),
      layer3(add("layer3", large_stage(block, 2, blocks[2], options))),
      layer4(add("layer4", large_stage(block, 3, blocks[3], options))),
      fc(add("fc", nn::Linear(512 * (block == Block::kBasic ? BasicBlock::kExpansion
                                                            : Bottleneck::kExpansion),
                              options.classes))) {
  draw_convolutions(*this, nn::init::FanMode::kFanOut);
}

Tensor ResNet::forward(const Tensor& x) {
  const Tensor y = max_pool2d(relu(bn1(conv1(x))), {3, 3}, {.stride = {{2, 2}}, .padding = {1, 1}});
  return fc(pixel_means(layer4(layer3(layer2(layer1(y))))));
}

CifarResNet::CifarResNet(int64_t n, int64_t in_channels, Options options)
    : conv1(add("conv1", conv3x3(in_channels, 16))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(16, options))),
      layer1(add("layer1", stage<BasicBlock>(n, 16, 16, 1, options))),
      layer2(add("layer2", stage<BasicBlock>(n, 16, 32, 2, options))),
      layer3(add("layer3", stage<BasicBlock>(n, 32, 64, 2, options))),
      fc(add("fc", nn::Linear(64, options.classes))) {
  draw_convolutions(*this, nn::init::FanMode::kFanOut);
}

Tensor CifarResNet::forward(const Tensor& x) {
  return fc(pixel_means(layer3(layer2(layer1(relu(bn1(conv1(x))))))));
}

}  // namespace ballast::models

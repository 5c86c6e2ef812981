#include "ballast/models/densenet.h"

#include "ballast/models/initial.h"
#include "ballast/nn/activation.h"
#include "ballast/nn/pool.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/pool.h"
#include "ballast/ops/rearrange.h"

namespace ballast::models {
namespace {

nn::Sequential transition(int64_t in_channels, const Options& options) {
  nn::Sequential out;
  out.push_back("norm", norm<nn::BatchNorm2d>(in_channels, options));
  out.push_back("relu", nn::ReLU());
  out.push_back("conv", nn::Conv2d(in_channels, in_channels / 2, 1, {.bias = false}));
  out.push_back("pool", nn::AvgPool2d(2));
  return out;
}

/// Channels at the end.
int64_t last_channels(const DenseNetOptions& shape) {
  int64_t channels = shape.num_init_features;
  for (size_t i = 0; i < shape.block_config.size(); ++i)
    channels = (i == 0 ? channels : channels / 2) + shape.block_config[i] * shape.growth_rate;
  return channels;
}

nn::Sequential features_of(const DenseNetOptions& shape, const Options& options) {
  nn::Sequential layers;
  int64_t channels = shape.num_init_features;
  layers.push_back("conv0",
                   shape.small_images
                       ? nn::Conv2d(3, channels, 3, {.padding = 1, .bias = false})
                       : nn::Conv2d(3, channels, 7, {.stride = 2, .padding = 3, .bias = false}));
  layers.push_back("norm0", norm<nn::BatchNorm2d>(channels, options));
  layers.push_back("relu0", nn::ReLU());
  if (!shape.small_images)
    layers.push_back("pool0", nn::MaxPool2d(3, {.stride = nn::Size2(2), .padding = 1}));
  const size_t blocks = shape.block_config.size();
  for (size_t i = 0; i < blocks; ++i) {
    const int64_t count = shape.block_config[i];
    layers.push_back(fmt::format("denseblock{}", i + 1),
                     DenseBlock(count, channels, shape, options));
    channels += count * shape.growth_rate;
    if (i + 1 == blocks) break;
    layers.push_back(fmt::format("transition{}", i + 1), transition(channels, options));
    channels /= 2;
  }
  layers.push_back("norm5", norm<nn::BatchNorm2d>(channels, options));
  return layers;
}

}  // namespace

DenseLayer::DenseLayer(int64_t in_channels, const DenseNetOptions& shape, const Options& options)
    : norm1(add("norm1", norm<nn::BatchNorm2d>(in_channels, options))),
      conv1(add("conv1",
                nn::Conv2d(in_channels, shape.bn_size * shape.growth_rate, 1, {.bias = false}))),
      norm2(add("norm2", norm<nn::BatchNorm2d>(shape.bn_size * shape.growth_rate, options))),
      conv2(add("conv2", nn::Conv2d(shape.bn_size * shape.growth_rate, shape.growth_rate, 3,
                                    {.padding = 1, .bias = false}))),
      drop_rate(shape.drop_rate) {}

Tensor DenseLayer::forward(const Tensor& x) {
  const Tensor y = conv2(relu(norm2(conv1(relu(norm1(x))))));
  return drop_rate > 0 ? dropout(y, drop_rate, training()) : y;
}

DenseBlock::DenseBlock(int64_t layer_count, int64_t in_channels, const DenseNetOptions& shape,
                       const Options& options) {
  for (int64_t i = 0; i < layer_count; ++i)
    layers.push_back(add(fmt::format("denselayer{}", i + 1),
                         DenseLayer(in_channels + i * shape.growth_rate, shape, options)));
}

Tensor DenseBlock::forward(const Tensor& x) {
  std::vector<Tensor> features{x};
  for (DenseLayer& layer : layers) features.push_back(layer(cat(features, 1)));
  return cat(features, 1);
}

DenseNet::DenseNet(DenseNetOptions shape, Options options)
    : features(add("features", features_of(shape, options))),
      classifier(add("classifier", nn::Linear(last_channels(shape), options.classes))) {
  draw_convolutions(*this, nn::init::FanMode::kFanIn);
  nn::init::zeros_(classifier.bias);
}

Tensor DenseNet::forward(const Tensor& x) {
  return classifier(adaptive_avg_pool2d(relu(features(x)), {1, 1}).flatten(1));
}

}  // namespace ballast::models

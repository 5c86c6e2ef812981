// Densely connected networks (Huang, Liu, van der Maaten & Weinberger, "Densely Connected
// Convolutional Networks", 2017, arXiv:1608.06993), with torchvision's names.
#pragma once

#include <vector>

#include "ballast/models/options.h"
#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/sequential.h"

namespace ballast::models {

/// The defaults are DenseNet-121's.
struct DenseNetOptions {
  int64_t growth_rate = 32;  // channels that a layer adds
  std::vector<int64_t> block_config = {6, 12, 24, 16};
  int64_t num_init_features = 64;
  int64_t bn_size = 4;  // the 1x1 convolution of a layer has bn_size*growth_rate channels
  double drop_rate = 0.0;
  bool small_images = false;  // first convolution 3x3 of stride 1, no pooling: for CIFAR
};

/// conv2(relu(norm2(conv1(relu(norm1(x)))))): 1x1, then 3x3 to growth_rate channels.
struct DenseLayer : nn::Module {
  DenseLayer(int64_t in_channels, const DenseNetOptions& shape, const Options& options);
  Tensor forward(const Tensor& x) override;

  nn::BatchNorm2d norm1;
  nn::Conv2d conv1;
  nn::BatchNorm2d norm2;
  nn::Conv2d conv2;
  double drop_rate;
};

/// Layers "denselayer1", "denselayer2", ..., each of which reads the channels of the input and of
/// all layers before it; the result has the channels of the input and of all layers.
struct DenseBlock : nn::Module {
  DenseBlock(int64_t layer_count, int64_t in_channels, const DenseNetOptions& shape,
             const Options& options);
  Tensor forward(const Tensor& x) override;

  std::vector<DenseLayer> layers;
};

/// A convolution and max-pooling, dense blocks with transitions between that halve channels and
/// size, batch norm ("features"); ReLU, the mean over all pixels, Linear ("classifier").
/// x (N, 3, H, W) to (N, classes).
struct DenseNet : nn::Module {
  explicit DenseNet(DenseNetOptions shape = {}, Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Sequential features;
  nn::Linear classifier;
};

}  // namespace ballast::models

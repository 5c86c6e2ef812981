#include "ballast/models/convolutional.h"

#include "ballast/ops/activation.h"
#include "ballast/ops/pool.h"

namespace ballast::models {

MyModel::MyModel(Options options)
    : conv1(add("conv1", nn::Conv2d(3, 64, 3))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(64, options))),
      fc(add("fc", nn::Linear(64, options.classes))),
      bn2(add("bn2", norm<nn::BatchNorm1d>(options.classes, options))) {}

Tensor MyModel::forward(const Tensor& x) {
  const Tensor features = relu(bn1(conv1(x)));
  return bn2(fc(adaptive_avg_pool2d(features, {1, 1}).flatten(1)));
}

Cnn::Cnn(int64_t in_channels, Options options)
    : conv1(add("conv1", nn::Conv2d(in_channels, 32, 3, {.padding = 1}))),
      bn1(add("bn1", norm<nn::BatchNorm2d>(32, options))),
      conv2(add("conv2", nn::Conv2d(32, 64, 3, {.padding = 1}))),
      bn2(add("bn2", norm<nn::BatchNorm2d>(64, options))),
      conv3(add("conv3", nn::Conv2d(64, 64, 3, {.padding = 1}))),
      bn3(add("bn3", norm<nn::BatchNorm2d>(64, options))),
      fc(add("fc", nn::Linear(64, options.classes))) {}

Tensor Cnn::forward(const Tensor& x) {
  Tensor y = relu(bn1(conv1(x)));
  y = max_pool2d(relu(bn2(conv2(y))), {2, 2});
  y = relu(bn3(conv3(y)));
  return fc(adaptive_avg_pool2d(y, {1, 1}).flatten(1));
}

}  // namespace ballast::models

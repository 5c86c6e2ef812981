#include "ballast/models/perceptrons.h"

#include "ballast/nn/activation.h"

namespace ballast::models {

Net::Net(Options options)
    : fc1(add("fc1", nn::Linear(10, 20))),
      bn1(add("bn1", norm<nn::BatchNorm1d>(20, options))),
      fc2(add("fc2", nn::Linear(20, options.classes))) {}

Tensor Net::forward(const Tensor& x) { return fc2(relu(bn1(fc1(x)))); }

CustomModel::CustomModel(Options options)
    : fc1(add("fc1", nn::Linear(64, 128))),
      bn1(add("bn1", norm<nn::BatchNorm1d>(128, options))),
      fc2(add("fc2", nn::Linear(128, options.classes))),
      bn2(add("bn2", norm<nn::BatchNorm1d>(options.classes, options))) {}

Tensor CustomModel::forward(const Tensor& x) { return bn2(fc2(relu(bn1(fc1(x))))); }

namespace {

constexpr int64_t kMlpWidth = 512, kMlpDepth = 4;

nn::Sequential mlp_layers(int64_t in_features, const Options& options) {
  nn::Sequential layers;
  for (int64_t i = 0; i < kMlpDepth; ++i) {
    layers.push_back(nn::Linear(i == 0 ? in_features : kMlpWidth, kMlpWidth));
    layers.push_back(norm<nn::BatchNorm1d>(kMlpWidth, options));
    layers.push_back(nn::ReLU());
  }
  return layers;
}

}  // namespace

Mlp::Mlp(int64_t in_features, Options options)
    : layers(add("layers", mlp_layers(in_features, options))),
      fc(add("fc", nn::Linear(kMlpWidth, options.classes))) {}

Tensor Mlp::forward(const Tensor& x) { return fc(layers(x)); }

}  // namespace ballast::models

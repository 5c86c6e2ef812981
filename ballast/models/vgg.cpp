#include "ballast/models/vgg.h"

#include "ballast/models/initial.h"
#include "ballast/nn/activation.h"
#include "ballast/nn/pool.h"
#include "ballast/ops/pool.h"

namespace ballast::models {

nn::Sequential vgg_features(const VggDepths& depths, bool norms, const Options& options) {
  constexpr int64_t kChannels[] = {64, 128, 256, 512, 512};
  nn::Sequential layers;
  int64_t in_channels = 3;
  for (size_t s = 0; s < depths.size(); ++s) {
    for (int64_t i = 0; i < depths[s]; ++i) {
      layers.push_back(nn::Conv2d(in_channels, kChannels[s], 3, {.padding = 1}));
      if (norms) layers.push_back(norm<nn::BatchNorm2d>(kChannels[s], options));
      layers.push_back(nn::ReLU());
      in_channels = kChannels[s];
    }
    layers.push_back(nn::MaxPool2d(2));
  }
  return layers;
}

Vgg::Vgg(const VggDepths& depths, bool norms, Options options, double dropout)
    : features(add("features", vgg_features(depths, norms, options))) {
  constexpr int64_t kWidth = 4096;
  classifier.push_back(nn::Linear(512 * 7 * 7, kWidth));
  classifier.push_back(nn::ReLU()).push_back(nn::Dropout(dropout));
  classifier.push_back(nn::Linear(kWidth, kWidth));
  classifier.push_back(nn::ReLU()).push_back(nn::Dropout(dropout));
  classifier.push_back(nn::Linear(kWidth, options.classes));
  add("classifier", classifier);
  draw_convolutions_and_linear(*this);
}

Tensor Vgg::forward(const Tensor& x) {
  return classifier(adaptive_avg_pool2d(features(x), {7, 7}).flatten(1));
}

}  // namespace ballast::models

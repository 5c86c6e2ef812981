#include "ballast/models/mobilenet.h"

#include <algorithm>

#include "ballast/models/initial.h"
#include "ballast/nn/activation.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/pool.h"

namespace ballast::models {
namespace {

/// Convolution that keeps the size (but for the stride), batch norm, ReLU6.
nn::Sequential conv_norm(int64_t in_channels, int64_t channels, int64_t kernel, int64_t stride,
                         int64_t groups, const Options& options) {
  return nn::Sequential(
      nn::Conv2d(in_channels, channels, kernel,
                 {.stride = stride, .padding = (kernel - 1) / 2, .groups = groups, .bias = false}),
      norm<nn::BatchNorm2d>(channels, options), nn::ReLU6());
}

/// The nearest multiple of 8, but no less than nine tenths.
int64_t rounded(double channels) {
  const int64_t n = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(n) < 0.9 * channels ? n + 8 : n;
}

struct Stage {
  int64_t expansion, channels, blocks, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};

}  // namespace

InvertedResidual::InvertedResidual(int64_t in_channels, int64_t channels, int64_t stride,
                                   int64_t expansion, const Options& options)
    : adds_input(stride == 1 && in_channels == channels) {
  const int64_t hidden = in_channels * expansion;
  if (expansion != 1) conv.push_back(conv_norm(in_channels, hidden, 1, 1, 1, options));
  conv.push_back(conv_norm(hidden, hidden, 3, stride, hidden, options));
  conv.push_back(nn::Conv2d(hidden, channels, 1, {.bias = false}));
  conv.push_back(norm<nn::BatchNorm2d>(channels, options));
  add("conv", conv);
}

Tensor InvertedResidual::forward(const Tensor& x) { return adds_input ? x + conv(x) : conv(x); }

MobileNetV2::MobileNetV2(Options options, double width, double dropout) {
  check<ValueError>(width > 0, "width must be positive, got {}", width);
  int64_t channels = rounded(32 * width);
  features.push_back(conv_norm(3, channels, 3, 2, 1, options));
  for (const Stage& s : kStages)
    for (int64_t i = 0; i < s.blocks; ++i) {
      const int64_t out = rounded(static_cast<double>(s.channels) * width);
      features.push_back(
          InvertedResidual(channels, out, i == 0 ? s.stride : 1, s.expansion, options));
      channels = out;
    }
  const int64_t last = rounded(1280 * std::max(1.0, width));
  features.push_back(conv_norm(channels, last, 1, 1, 1, options));
  classifier.push_back(nn::Dropout(dropout)).push_back(nn::Linear(last, options.classes));
  add("features", features);
  add("classifier", classifier);
  draw_convolutions_and_linear(*this);
}

Tensor MobileNetV2::forward(const Tensor& x) {
  return classifier(adaptive_avg_pool2d(features(x), {1, 1}).flatten(1));
}

}  // namespace ballast::models

// Layers that resize images, rearrange channels, or take images apart into windows.
#pragma once

#include "ballast/nn/apply.h"
#include "ballast/ops/interpolate.h"
#include "ballast/ops/shuffle.h"

namespace ballast::nn {

/// Resizes the dimensions after the second (see `ballast::interpolate`).
class Upsample : public Module {
 public:
  explicit Upsample(InterpolateOptions options) : options_(std::move(options)) {}
  Tensor forward(const Tensor& x) override { return interpolate(x, options_); }
  std::string extra_repr() const override;

 private:
  InterpolateOptions options_;
};

struct Upsample2dOptions {
  std::vector<int64_t> size = {};         // one of the two
  std::vector<double> scale_factor = {};  // is given
};
/// Repeats every pixel.
class UpsamplingNearest2d : public Upsample {
 public:
  explicit UpsamplingNearest2d(const Upsample2dOptions& o)
      : Upsample({.size = o.size, .scale_factor = o.scale_factor}) {}
};
/// Interpolates between the corner pixels.
class UpsamplingBilinear2d : public Upsample {
 public:
  explicit UpsamplingBilinear2d(const Upsample2dOptions& o)
      : Upsample({o.size, o.scale_factor, "bilinear", true}) {}
};

/// See `ballast::pixel_shuffle`.
class PixelShuffle : public Apply<pixel_shuffle, "upscale_factor"> {
 public:
  explicit PixelShuffle(int64_t upscale_factor) : Apply(upscale_factor) {}
};
/// See `ballast::pixel_unshuffle`.
class PixelUnshuffle : public Apply<pixel_unshuffle, "downscale_factor"> {
 public:
  explicit PixelUnshuffle(int64_t downscale_factor) : Apply(downscale_factor) {}
};
/// See `ballast::channel_shuffle`.
class ChannelShuffle : public Apply<channel_shuffle, "groups"> {
 public:
  explicit ChannelShuffle(int64_t groups) : Apply(groups) {}
};

struct UnfoldOptions {
  Size2 dilation = 1, padding = 0, stride = 1;
};
/// The windows that a convolution sees, as columns: (N, C, H, W) to (N, C*kH*kW, windows).
class Unfold : public Module {
 public:
  explicit Unfold(Size2 kernel_size, UnfoldOptions options = {})
      : kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Size2 kernel_size_;
  UnfoldOptions options_;
};
/// Columns added up into an image of `output_size`: Unfold's transpose.
class Fold : public Module {
 public:
  Fold(Size2 output_size, Size2 kernel_size, UnfoldOptions options = {})
      : output_size_(output_size), kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Size2 output_size_, kernel_size_;
  UnfoldOptions options_;
};

}  // namespace ballast::nn

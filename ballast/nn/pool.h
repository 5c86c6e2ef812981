// Pooling layers; see ops/pool.h for the functions.
#pragma once

#include <optional>

#include "ballast/nn/module.h"
#include "ballast/nn/options.h"

namespace ballast::nn {

/// Without `stride` the windows do not overlap.
struct MaxPool2dOptions {
  std::optional<Size2> stride = {};
  Size2 padding = 0, dilation = 1;
  bool ceil_mode = false;
};

/// The largest element of windows that slide over an image.
class MaxPool2d : public Module {
 public:
  explicit MaxPool2d(Size2 kernel_size, MaxPool2dOptions options = {})
      : kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Size2 kernel_size_;
  MaxPool2dOptions options_;
};

struct AvgPool2dOptions {
  std::optional<Size2> stride = {};
  Size2 padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
};

/// The mean of windows that slide over an image.
class AvgPool2d : public Module {
 public:
  explicit AvgPool2d(Size2 kernel_size, AvgPool2dOptions options = {})
      : kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Size2 kernel_size_;
  AvgPool2dOptions options_;
};

/// The means of windows that divide an image into rows x columns; 1 is the global average.
class AdaptiveAvgPool2d : public Module {
 public:
  explicit AdaptiveAvgPool2d(Size2 output_size) : output_size_(output_size) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Size2 output_size_;
};

}  // namespace ballast::nn

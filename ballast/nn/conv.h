// Convolutional layers.
#pragma once

#include "ballast/nn/module.h"
#include "ballast/nn/options.h"

namespace ballast::nn {

struct Conv2dOptions {
  Size2 stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// Convolution (see `ballast::conv2d`) of (N, in_channels, H, W) to (N, out_channels, H', W').
/// Parameters: weight (out, in/groups, kH, kW) and bias (out), uniform within
/// 1/sqrt(in/groups*kH*kW). Throws ValueError in PyTorch's words where channels and groups do not
/// fit.
class Conv2d : public Module {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, Size2 kernel_size, Conv2dOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();
  const Conv2dOptions& options() const { return options_; }

  ModuleTensor weight, bias;

 private:
  Conv2dOptions options_;
};

}  // namespace ballast::nn

// Fully connected layers.
#pragma once

#include "ballast/nn/module.h"

namespace ballast::nn {

struct LinearOptions {
  bool bias = true;
};

/// y = x W^T + b over the last dimension: (..., in_features) to (..., out_features). Parameters:
/// weight (out, in) and bias (out), uniform within 1/sqrt(in).
class Linear : public Module {
 public:
  Linear(int64_t in_features, int64_t out_features, LinearOptions options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();

  ModuleTensor weight, bias;
};

/// y[o] = sum of a[i]*weight[o][i][j]*b[j], plus bias[o] (see `ballast::bilinear`): (..., in1) and
/// (..., in2) to (..., out). Parameters: weight (out, in1, in2) and bias (out), uniform within
/// 1/sqrt(in1).
class Bilinear : public Module {
 public:
  Bilinear(int64_t in1_features, int64_t in2_features, int64_t out_features,
           LinearOptions options = {});
  Tensor operator()(const Tensor& a, const Tensor& b) const;
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();

  ModuleTensor weight, bias;
};

}  // namespace ballast::nn

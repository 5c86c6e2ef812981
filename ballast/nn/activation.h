// Activation functions as layers; the functions are in ops/activation.h, ops/pointwise.h and
// ops/softmax.h, where their formulas stand.
#pragma once

#include "ballast/nn/apply.h"
#include "ballast/ops/activation.h"
#include "ballast/ops/softmax.h"

namespace ballast::nn {

class ReLU : public Apply<relu> {};
class ReLU6 : public Apply<relu6> {};
class Sigmoid : public Apply<sigmoid> {};
class Tanh : public Apply<tanh> {};
class SiLU : public Apply<silu> {};
class Mish : public Apply<mish> {};
class SELU : public Apply<selu> {};
class Hardswish : public Apply<hardswish> {};
class Hardsigmoid : public Apply<hardsigmoid> {};
class Softsign : public Apply<softsign> {};
class Tanhshrink : public Apply<tanhshrink> {};
class LogSigmoid : public Apply<logsigmoid> {};

class LeakyReLU : public Apply<leaky_relu, "negative_slope"> {
 public:
  explicit LeakyReLU(double negative_slope = 0.01) : Apply(negative_slope) {}
};
class ELU : public Apply<elu, "alpha"> {
 public:
  explicit ELU(double alpha = 1.0) : Apply(alpha) {}
};
class CELU : public Apply<celu, "alpha"> {
 public:
  explicit CELU(double alpha = 1.0) : Apply(alpha) {}
};
class Hardtanh : public Apply<hardtanh, "min_val", "max_val"> {
 public:
  explicit Hardtanh(double min_val = -1.0, double max_val = 1.0) : Apply(min_val, max_val) {}
};
class Softplus : public Apply<softplus, "beta", "threshold"> {
 public:
  explicit Softplus(double beta = 1.0, double threshold = 20.0) : Apply(beta, threshold) {}
};
class Softshrink : public Apply<softshrink, ""> {
 public:
  explicit Softshrink(double lambd = 0.5) : Apply(lambd) {}
};
class Hardshrink : public Apply<hardshrink, ""> {
 public:
  explicit Hardshrink(double lambd = 0.5) : Apply(lambd) {}
};
class Threshold : public Apply<threshold, "threshold", "value"> {
 public:
  Threshold(double threshold, double value) : Apply(threshold, value) {}
};
class GLU : public Apply<glu, "dim"> {
 public:
  explicit GLU(int64_t dim = -1) : Apply(dim) {}
};
class Softmax : public Apply<softmax, "dim"> {
 public:
  explicit Softmax(int64_t dim) : Apply(dim) {}
};
class LogSoftmax : public Apply<log_softmax, "dim"> {
 public:
  explicit LogSoftmax(int64_t dim) : Apply(dim) {}
};

/// softmax(-x) along `dim`.
class Softmin : public Softmax {
 public:
  using Softmax::Softmax;
  Tensor forward(const Tensor& x) override { return Softmax::forward(-x); }
};

/// Softmax over the channels of (N, C, H, W) or (C, H, W). Throws ValueError for other ranks.
class Softmax2d : public Module {
 public:
  Tensor forward(const Tensor& x) override;
};

class GELU : public Module {
 public:
  explicit GELU(GeluApproximation approximate = GeluApproximation::kNone)
      : approximate_(approximate) {}
  Tensor forward(const Tensor& x) override { return gelu(x, approximate_); }
  std::string extra_repr() const override;

 private:
  GeluApproximation approximate_;
};

/// In training with slopes drawn from [lower, upper), in evaluation with the middle.
class RReLU : public Module {
 public:
  explicit RReLU(double lower = 1.0 / 8, double upper = 1.0 / 3) : lower_(lower), upper_(upper) {}
  Tensor forward(const Tensor& x) override { return rrelu(x, lower_, upper_, training()); }
  std::string extra_repr() const override;

 private:
  double lower_, upper_;
};

/// leaky_relu with slopes that are learned. Parameter: weight (num_parameters), `init`; one for all
/// elements, or one for each channel (dimension 1).
class PReLU : public Module {
 public:
  explicit PReLU(int64_t num_parameters = 1, double init = 0.25);
  Tensor forward(const Tensor& x) override { return prelu(x, weight); }
  std::string extra_repr() const override;

  ModuleTensor weight;
};

}  // namespace ballast::nn

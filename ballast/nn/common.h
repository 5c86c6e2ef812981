// Layers without parameters that do not compute much: Identity, Flatten, Dropout.
#pragma once

#include "ballast/nn/module.h"

namespace ballast::nn {

/// Returns its input.
class Identity : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

/// Joins dimensions start_dim to end_dim (inclusive) into one.
class Flatten : public Module {
 public:
  explicit Flatten(int64_t start_dim = 1, int64_t end_dim = -1)
      : start_(start_dim), end_(end_dim) {}
  Tensor forward(const Tensor& x) override { return x.flatten(start_, end_); }
  std::string extra_repr() const override;

 private:
  int64_t start_, end_;
};

/// In training, every element becomes 0 with probability p and the rest is multiplied by 1/(1 - p)
/// (see `ballast::dropout`). Throws ValueError unless p is in [0, 1].
class Dropout : public Module {
 public:
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  double p_;
};

}  // namespace ballast::nn

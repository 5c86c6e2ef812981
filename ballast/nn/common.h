// Layers without parameters that do not compute much: Identity, Flatten, dropout.
#pragma once

#include <vector>

#include "ballast/nn/apply.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/shape_ops.h"

namespace ballast::nn {

/// Returns its input.
class Identity : public Module {
 public:
  Tensor forward(const Tensor& x) override { return x; }
};

/// Joins dimensions start_dim to end_dim (inclusive) into one.
class Flatten : public Apply<flatten, "start_dim", "end_dim"> {
 public:
  explicit Flatten(int64_t start_dim = 1, int64_t end_dim = -1) : Apply(start_dim, end_dim) {}
};

/// Splits dimension `dim` into `unflattened_size`, one of which may be -1 (see
/// `ballast::unflatten`).
class Unflatten : public Module {
 public:
  Unflatten(int64_t dim, std::vector<int64_t> unflattened_size)
      : dim_(dim), sizes_(std::move(unflattened_size)) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  int64_t dim_;
  std::vector<int64_t> sizes_;
};

/// What drops with probability p in training. Throws ValueError unless p is in [0, 1].
class Dropping : public Module {
 public:
  std::string extra_repr() const override;

 protected:
  explicit Dropping(double p);
  double p() const { return p_; }

 private:
  double p_;
};

/// In training, every element becomes 0 with probability p and the rest is multiplied by 1/(1 - p)
/// (see `ballast::dropout`).
class Dropout : public Dropping {
 public:
  explicit Dropout(double p = 0.5) : Dropping(p) {}
  Tensor forward(const Tensor& x) override { return dropout(x, p(), training()); }
};
/// The same for whole channels of (N, C, L) or (C, L).
class Dropout1d : public Dropping {
 public:
  explicit Dropout1d(double p = 0.5) : Dropping(p) {}
  Tensor forward(const Tensor& x) override { return channel_dropout(1, x, p(), training()); }
};
/// The same for whole channels of (N, C, H, W).
class Dropout2d : public Dropping {
 public:
  explicit Dropout2d(double p = 0.5) : Dropping(p) {}
  Tensor forward(const Tensor& x) override { return channel_dropout(2, x, p(), training()); }
};
/// The same for whole channels of (N, C, D, H, W) or (C, D, H, W).
class Dropout3d : public Dropping {
 public:
  explicit Dropout3d(double p = 0.5) : Dropping(p) {}
  Tensor forward(const Tensor& x) override { return channel_dropout(3, x, p(), training()); }
};
/// In training, elements become the value that SELU saturates at; mean 0 and variance 1 stay (see
/// `ballast::alpha_dropout`).
class AlphaDropout : public Dropping {
 public:
  explicit AlphaDropout(double p = 0.5) : Dropping(p) {}
  Tensor forward(const Tensor& x) override { return alpha_dropout(x, p(), training()); }
};
/// The same for whole channels of (N, C, ...).
class FeatureAlphaDropout : public Dropping {
 public:
  explicit FeatureAlphaDropout(double p = 0.5) : Dropping(p) {}
  Tensor forward(const Tensor& x) override { return feature_alpha_dropout(x, p(), training()); }
};

}  // namespace ballast::nn

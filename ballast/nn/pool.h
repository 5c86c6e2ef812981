// Pooling layers; see ops/pool.h, ops/window.h and ops/resample.h for the functions. Inputs are (N,
// C, L), (N, C, H, W) or (N, C, D, H, W), or the same without N.
#pragma once

#include <optional>

#include "ballast/nn/module.h"
#include "ballast/nn/options.h"
#include "ballast/ops/window.h"

namespace ballast::nn {

/// Without `stride` the windows do not overlap.
template <int Rank>
struct MaxPoolOptions {
  std::optional<Sizes<Rank>> stride = {};
  Sizes<Rank> padding = 0, dilation = 1;
  bool ceil_mode = false;
};

/// The largest element of windows that slide over an image.
template <int Rank>
class MaxPool : public Module {
 public:
  explicit MaxPool(Sizes<Rank> kernel_size, MaxPoolOptions<Rank> options = {})
      : kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  /// The largest elements, and where they stood in their image: what MaxUnpool takes.
  Pooled forward_with_indices(const Tensor& x) const;
  std::string extra_repr() const override;

 private:
  Sizes<Rank> kernel_size_;
  MaxPoolOptions<Rank> options_;
};
class MaxPool1d : public MaxPool<1> {
 public:
  using MaxPool::MaxPool;
};
class MaxPool2d : public MaxPool<2> {
 public:
  using MaxPool::MaxPool;
};
class MaxPool3d : public MaxPool<3> {
 public:
  using MaxPool::MaxPool;
};

template <int Rank>
struct MaxUnpoolOptions {
  std::optional<Sizes<Rank>> stride = {};
  Sizes<Rank> padding = 0;
};

/// Puts elements where MaxPool found them, zeros elsewhere.
template <int Rank>
class MaxUnpool : public Module {
 public:
  explicit MaxUnpool(Sizes<Rank> kernel_size, MaxUnpoolOptions<Rank> options = {})
      : kernel_size_(kernel_size), options_(options) {}
  /// Into an image of `output_size` (by default the smallest that the pool brings to x's size).
  /// Throws ValueError for sizes it does not.
  Tensor operator()(const Tensor& x, const Tensor& indices,
                    std::optional<Sizes<Rank>> output_size = {}) const;
  std::string extra_repr() const override;

 private:
  Sizes<Rank> kernel_size_;
  MaxUnpoolOptions<Rank> options_;
};
class MaxUnpool1d : public MaxUnpool<1> {
 public:
  using MaxUnpool::MaxUnpool;
};
class MaxUnpool2d : public MaxUnpool<2> {
 public:
  using MaxUnpool::MaxUnpool;
};
class MaxUnpool3d : public MaxUnpool<3> {
 public:
  using MaxUnpool::MaxUnpool;
};

template <int Rank>
struct AvgPoolOptions {
  std::optional<Sizes<Rank>> stride = {};
  Sizes<Rank> padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
  std::optional<int64_t> divisor_override = {};  // what sums are divided by
};

/// The mean of windows that slide over an image.
template <int Rank>
class AvgPool : public Module {
 public:
  explicit AvgPool(Sizes<Rank> kernel_size, AvgPoolOptions<Rank> options = {})
      : kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Sizes<Rank> kernel_size_;
  AvgPoolOptions<Rank> options_;
};
class AvgPool1d : public AvgPool<1> {
 public:
  using AvgPool::AvgPool;
};
class AvgPool2d : public AvgPool<2> {
 public:
  using AvgPool::AvgPool;
};
class AvgPool3d : public AvgPool<3> {
 public:
  using AvgPool::AvgPool;
};

template <int Rank>
struct LPPoolOptions {
  std::optional<Sizes<Rank>> stride = {};
  bool ceil_mode = false;
};

/// (sum of x^norm_type)^(1/norm_type) over windows that slide over an image.
template <int Rank>
class LPPool : public Module {
 public:
  LPPool(double norm_type, Sizes<Rank> kernel_size, LPPoolOptions<Rank> options = {})
      : norm_type_(norm_type), kernel_size_(kernel_size), options_(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  double norm_type_;
  Sizes<Rank> kernel_size_;
  LPPoolOptions<Rank> options_;
};
class LPPool1d : public LPPool<1> {
 public:
  using LPPool::LPPool;
};
class LPPool2d : public LPPool<2> {
 public:
  using LPPool::LPPool;
};
class LPPool3d : public LPPool<3> {
 public:
  using LPPool::LPPool;
};

/// The means of windows that divide an image into as many as `output_size` says; 1 is the global
/// average, `kKeep` keeps a dimension's size.
inline constexpr int64_t kKeep = -1;
template <int Rank>
class AdaptiveAvgPool : public Module {
 public:
  explicit AdaptiveAvgPool(Sizes<Rank> output_size) : output_size_(output_size) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

 private:
  Sizes<Rank> output_size_;
};
class AdaptiveAvgPool1d : public AdaptiveAvgPool<1> {
 public:
  using AdaptiveAvgPool::AdaptiveAvgPool;
};
class AdaptiveAvgPool2d : public AdaptiveAvgPool<2> {
 public:
  using AdaptiveAvgPool::AdaptiveAvgPool;
};
class AdaptiveAvgPool3d : public AdaptiveAvgPool<3> {
 public:
  using AdaptiveAvgPool::AdaptiveAvgPool;
};

/// The largest elements of windows that divide an image.
template <int Rank>
class AdaptiveMaxPool : public Module {
 public:
  explicit AdaptiveMaxPool(Sizes<Rank> output_size) : output_size_(output_size) {}
  Tensor forward(const Tensor& x) override { return forward_with_indices(x).values; }
  /// The largest elements, and where they stood in their image.
  Pooled forward_with_indices(const Tensor& x) const;
  std::string extra_repr() const override;

 private:
  Sizes<Rank> output_size_;
};
class AdaptiveMaxPool1d : public AdaptiveMaxPool<1> {
 public:
  using AdaptiveMaxPool::AdaptiveMaxPool;
};
class AdaptiveMaxPool2d : public AdaptiveMaxPool<2> {
 public:
  using AdaptiveMaxPool::AdaptiveMaxPool;
};
class AdaptiveMaxPool3d : public AdaptiveMaxPool<3> {
 public:
  using AdaptiveMaxPool::AdaptiveMaxPool;
};

}  // namespace ballast::nn

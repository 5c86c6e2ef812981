// Convolutional layers.
#pragma once

#include "ballast/nn/module.h"
#include "ballast/nn/options.h"
#include "ballast/ops/pad.h"

namespace ballast::nn {

/// `padding = nn::kSame` adds what keeps the sizes, `nn::kValid` adds nothing.
struct Same {};
struct Valid {};
inline constexpr Same kSame;
inline constexpr Valid kValid;

/// How much a convolution adds before and after each dimension: a number, one for each dimension,
/// `kSame` or `kValid`.
template <int Rank>
struct Padding {
  template <class... Each>
  requires(std::constructible_from<Sizes<Rank>, Each...>)
      Padding(Each... each)  // NOLINT(google-explicit-constructor)
      : amounts(each...) {}
  Padding(Same) : same(true), amounts(0) {}  // NOLINT(google-explicit-constructor)
  Padding(Valid) : amounts(0) {}             // NOLINT(google-explicit-constructor)

  bool operator==(const Padding&) const = default;

  bool same = false;
  Sizes<Rank> amounts;
};

template <int Rank>
struct ConvOptions {
  Sizes<Rank> stride = 1;
  Padding<Rank> padding = 0;
  Sizes<Rank> dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  PadMode padding_mode = PadMode::kConstant;  // zeros
  bool winograd = true;  // where set_winograd allows it; false: always computed directly
};
using Conv1dOptions = ConvOptions<1>;
using Conv2dOptions = ConvOptions<2>;
using Conv3dOptions = ConvOptions<3>;

/// Convolution along `Rank` dimensions (see `ballast::conv2d`) of (N, in_channels, ...) to (N,
/// out_channels, ...). Parameters: weight (out, in/groups, kernel...) and bias (out), uniform
/// within 1/sqrt(in/groups*kernel elements). One large input costs the outputs near it digits where
/// a 3x3 convolution uses Winograd's algorithm (see `ballast::set_winograd`). Throws ValueError in
/// PyTorch's words where channels and groups do not fit, or for kSame with a stride.
template <int Rank>
class Conv : public Module {
 public:
  Conv(int64_t in_channels, int64_t out_channels, Sizes<Rank> kernel_size,
       ConvOptions<Rank> options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();
  const ConvOptions<Rank>& options() const { return options_; }
  Sizes<Rank> kernel_size() const;

  ModuleTensor weight, bias;

 private:
  /// Elements added before and after each dimension.
  std::vector<std::pair<int64_t, int64_t>> amounts() const;
  ConvOptions<Rank> options_;
};

/// Of inputs (N, C, L) or (C, L).
class Conv1d : public Conv<1> {
 public:
  using Conv::Conv;
};
/// Of inputs (N, C, H, W) or (C, H, W).
class Conv2d : public Conv<2> {
 public:
  using Conv::Conv;
};
/// Of inputs (N, C, D, H, W) or (C, D, H, W).
class Conv3d : public Conv<3> {
 public:
  using Conv::Conv;
};

template <int Rank>
struct ConvTransposeOptions {
  Sizes<Rank> stride = 1, padding = 0, output_padding = 0;
  int64_t groups = 1;
  bool bias = true;
  Sizes<Rank> dilation = 1;
  bool winograd = true;  // as in ConvOptions
};

/// The derivative of a convolution as a layer (see `ballast::conv_transpose`): (N, in_channels,
/// ...) to (N, out_channels, ...), a size n becoming
///   (n - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1.
/// Parameters: weight (in, out/groups, kernel...) and bias (out), initialized as a convolution's.
template <int Rank>
class ConvTranspose : public Module {
 public:
  ConvTranspose(int64_t in_channels, int64_t out_channels, Sizes<Rank> kernel_size,
                ConvTransposeOptions<Rank> options = {});
  using Module::operator();
  /// To that size after the channels instead of `output_padding`'s; it must be one that a
  /// convolution brings to x's. Throws ValueError else.
  Tensor operator()(const Tensor& x, Sizes<Rank> output_size);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  /// Draws new initial values.
  void reset_parameters();
  const ConvTransposeOptions<Rank>& options() const { return options_; }

  ModuleTensor weight, bias;

 private:
  Tensor transposed(const Tensor& x, const Sizes<Rank>& output_padding) const;
  ConvTransposeOptions<Rank> options_;
};

/// Of inputs (N, C, L) or (C, L).
class ConvTranspose1d : public ConvTranspose<1> {
 public:
  using ConvTranspose::ConvTranspose;
};
/// Of inputs (N, C, H, W) or (C, H, W).
class ConvTranspose2d : public ConvTranspose<2> {
 public:
  using ConvTranspose::ConvTranspose;
};
/// Of inputs (N, C, D, H, W) or (C, D, H, W).
class ConvTranspose3d : public ConvTranspose<3> {
 public:
  using ConvTranspose::ConvTranspose;
};

}  // namespace ballast::nn

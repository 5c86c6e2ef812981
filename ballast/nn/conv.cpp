#include "ballast/nn/conv.h"

#include "ballast/nn/init.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/conv_nd.h"
#include "ballast/ops/create.h"

namespace ballast::nn {
namespace {

void check_channels(int64_t in, int64_t out, int64_t groups) {
  check<ValueError>(groups > 0, "groups must be a positive integer");
  check<ValueError>(in % groups == 0, "in_channels must be divisible by groups");
  check<ValueError>(out % groups == 0, "out_channels must be divisible by groups");
}

template <int Rank>
Tensor empty_weight(int64_t rows, int64_t columns, const Sizes<Rank>& kernel) {
  Shape shape{rows, columns};
  for (int64_t k : kernel.array()) shape.push_back(k);
  return empty(shape);
}

/// The sizes of a weight after the first two.
template <int Rank>
Sizes<Rank> kernel_of(const Tensor& weight) {
  std::array<int64_t, Rank> sizes;
  for (int d = 0; d < Rank; ++d) sizes[d] = weight.size(d + 2);
  return sizes;
}

/// The part of the text that both kinds share.
std::string ending(int64_t groups, const Tensor& bias) {
  std::string out;
  if (groups != 1) out += fmt::format(", groups={}", groups);
  if (!bias.defined()) out += ", bias=False";
  return out;
}

const char* name_of_mode(PadMode mode) {
  constexpr const char* kNames[] = {"zeros", "reflect", "replicate", "circular"};
  return kNames[static_cast<int>(mode)];
}

}  // namespace

template <int Rank>
Conv<Rank>::Conv(int64_t in_channels, int64_t out_channels, Sizes<Rank> kernel_size,
                 ConvOptions<Rank> options)
    : options_(options) {
  check_channels(in_channels, out_channels, options.groups);
  check<ValueError>(!options.padding.same || options.stride == Sizes<Rank>(1),
                    "padding='same' is not supported for strided convolutions");
  weight = add_parameter("weight",
                         empty_weight(out_channels, in_channels / options.groups, kernel_size));
  bias = add_parameter("bias", options.bias ? empty({out_channels}) : Tensor());
  reset_parameters();
}

template <int Rank>
Sizes<Rank> Conv<Rank>::kernel_size() const {
  return kernel_of<Rank>(weight);
}

template <int Rank>
std::vector<std::pair<int64_t, int64_t>> Conv<Rank>::amounts() const {
  std::vector<std::pair<int64_t, int64_t>> out;
  for (int d = 0; d < Rank; ++d) {
    const int64_t all = options_.padding.same ? options_.dilation[d] * (kernel_size()[d] - 1)
                                              : 2 * options_.padding.amounts[d];
    out.emplace_back(all / 2, all - all / 2);
  }
  return out;
}

template <int Rank>
Tensor Conv<Rank>::forward(const Tensor& x) {
  const DirectConv direct(!options_.winograd);
  Tensor input = x;
  std::array<int64_t, Rank> padding = options_.padding.amounts.array();
  const bool zeros = options_.padding_mode == PadMode::kConstant;
  if (!zeros || options_.padding.same) {
    const auto around = amounts();
    const bool even = std::ranges::all_of(around, [](auto a) { return a.first == a.second; });
    padding.fill(0);
    if (zeros && even) {
      for (int d = 0; d < Rank; ++d) padding[d] = around[d].first;
    } else {
      std::vector<int64_t> last_first(2 * Rank);
      for (int d = 0; d < Rank; ++d) {
        last_first[2 * (Rank - 1 - d)] = around[d].first;
        last_first[2 * (Rank - 1 - d) + 1] = around[d].second;
      }
      input = pad(x, last_first, options_.padding_mode);
    }
  }
  if constexpr (Rank == 2) {
    return conv2d(input, weight, bias,
                  {options_.stride.array(), padding, options_.dilation.array(), options_.groups});
  } else {
    const ballast::ConvOptions o{options_.stride.vector(),
                                 {padding.begin(), padding.end()},
                                 options_.dilation.vector(),
                                 options_.groups};
    return Rank == 1 ? conv1d(input, weight, bias, o) : conv3d(input, weight, bias, o);
  }
}

template <int Rank>
std::string Conv<Rank>::extra_repr() const {
  const ConvOptions<Rank>& o = options_;
  std::string out = fmt::format("{}, {}, kernel_size={}, stride={}", weight.size(1) * o.groups,
                                weight.size(0), kernel_size().tuple(), o.stride.tuple());
  if (o.padding.same)
    out += ", padding=same";
  else if (o.padding != Padding<Rank>(0))
    out += ", padding=" + o.padding.amounts.tuple();
  if (o.dilation != Sizes<Rank>(1)) out += ", dilation=" + o.dilation.tuple();
  out += ending(o.groups, bias);
  if (o.padding_mode != PadMode::kConstant)
    out += fmt::format(", padding_mode={}", name_of_mode(o.padding_mode));
  return out;
}

template <int Rank>
void Conv<Rank>::reset_parameters() {
  init::reset_linear(weight, bias);
}

template <int Rank>
ConvTranspose<Rank>::ConvTranspose(int64_t in_channels, int64_t out_channels,
                                   Sizes<Rank> kernel_size, ConvTransposeOptions<Rank> options)
    : options_(options) {
  check_channels(in_channels, out_channels, options.groups);
  weight = add_parameter("weight",
                         empty_weight(in_channels, out_channels / options.groups, kernel_size));
  bias = add_parameter("bias", options.bias ? empty({out_channels}) : Tensor());
  reset_parameters();
}

template <int Rank>
Tensor ConvTranspose<Rank>::transposed(const Tensor& x, const Sizes<Rank>& output_padding) const {
  const DirectConv direct(!options_.winograd);
  return conv_transpose(Rank, x, weight, bias,
                        {options_.stride.vector(), options_.padding.vector(),
                         output_padding.vector(), options_.groups, options_.dilation.vector()});
}

template <int Rank>
Tensor ConvTranspose<Rank>::forward(const Tensor& x) {
  return transposed(x, options_.output_padding);
}

template <int Rank>
Tensor ConvTranspose<Rank>::operator()(const Tensor& x, Sizes<Rank> output_size) {
  check(x.dim() > Rank, "expected an input of at least {} dimensions, got {}", Rank + 1, x.shape());
  const Sizes<Rank> kernel = kernel_of<Rank>(weight);
  std::array<int64_t, Rank> more;
  for (int d = 0; d < Rank; ++d) {
    const int64_t least = (x.size(x.dim() - Rank + d) - 1) * options_.stride[d] -
                          2 * options_.padding[d] + options_.dilation[d] * (kernel[d] - 1) + 1;
    more[d] = output_size[d] - least;
    check<ValueError>(more[d] >= 0 && more[d] < options_.stride[d],
                      "requested an output size of {}, but valid sizes of dimension {} range from "
                      "{} to {} (for an input of {})",
                      output_size.tuple(), d, least, least + options_.stride[d] - 1, x.shape());
  }
  return transposed(x, more);
}

template <int Rank>
std::string ConvTranspose<Rank>::extra_repr() const {
  const ConvTransposeOptions<Rank>& o = options_;
  std::string out =
      fmt::format("{}, {}, kernel_size={}, stride={}", weight.size(0), weight.size(1) * o.groups,
                  kernel_of<Rank>(weight).tuple(), o.stride.tuple());
  if (o.padding != Sizes<Rank>(0)) out += ", padding=" + o.padding.tuple();
  if (o.dilation != Sizes<Rank>(1)) out += ", dilation=" + o.dilation.tuple();
  if (o.output_padding != Sizes<Rank>(0)) out += ", output_padding=" + o.output_padding.tuple();
  return out + ending(o.groups, bias);
}

template <int Rank>
void ConvTranspose<Rank>::reset_parameters() {
  init::reset_linear(weight, bias);
}

template class Conv<1>;
template class Conv<2>;
template class Conv<3>;
template class ConvTranspose<1>;
template class ConvTranspose<2>;
template class ConvTranspose<3>;

}  // namespace ballast::nn

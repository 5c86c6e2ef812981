// What ballast.nn.functional is made of beyond nn.cpp: layers of any rank, normalizations,
// resizing.
#include "ballast/ops/conv_nd.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/embedding.h"
#include "ballast/ops/index.h"
#include "ballast/ops/interpolate.h"
#include "ballast/ops/linear_algebra.h"
#include "ballast/ops/norm.h"
#include "ballast/ops/pad.h"
#include "ballast/ops/resample.h"
#include "ballast/ops/shuffle.h"
#include "ballast/ops/window.h"
#include "bind.h"

namespace ballast::python {
namespace {

using T = const Tensor&;
using MaybeTensor = const Tensor*;

Tensor value(MaybeTensor t) { return t ? *t : Tensor(); }

std::vector<int64_t> values_or_none(const std::optional<Dims>& d) {
  return d ? d->values : std::vector<int64_t>{};
}

void bind_convolutions(nb::module_& m) {
  const auto conv = [&](const char* name, Tensor (*f)(T, T, T, const ConvOptions&)) {
    m.def(
        name,
        [f](T x, T weight, MaybeTensor bias, const Dims& stride, const Dims& padding,
            const Dims& dilation, int64_t groups) {
          return f(x, weight, value(bias),
                   {stride.values, padding.values, dilation.values, groups});
        },
        "input"_a, "weight"_a, none_default("bias"), "stride"_a = 1, "padding"_a = 0,
        "dilation"_a = 1, "groups"_a = 1);
  };
  conv("_conv1d", conv1d);
  conv("_conv3d", conv3d);
  const char* transposed[] = {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"};
  for (int rank : {1, 2, 3})
    m.def(
        transposed[rank - 1],
        [rank](T x, T weight, MaybeTensor bias, const Dims& stride, const Dims& padding,
               const Dims& output_padding, int64_t groups, const Dims& dilation) {
          return conv_transpose(
              rank, x, weight, value(bias),
              {stride.values, padding.values, output_padding.values, groups, dilation.values});
        },
        "input"_a, "weight"_a, none_default("bias"), "stride"_a = 1, "padding"_a = 0,
        "output_padding"_a = 0, "groups"_a = 1, "dilation"_a = 1);
  m.def(
      "unfold",
      [](T x, const Dims& kernel, const Dims& dilation, const Dims& padding, const Dims& stride) {
        return unfold(x, kernel.values, {dilation.values, padding.values, stride.values});
      },
      "input"_a, "kernel_size"_a, "dilation"_a = 1, "padding"_a = 0, "stride"_a = 1);
  m.def(
      "fold",
      [](T x, const Dims& output, const Dims& kernel, const Dims& dilation, const Dims& padding,
         const Dims& stride) {
        return fold(x, output.values, kernel.values,
                    {dilation.values, padding.values, stride.values});
      },
      "input"_a, "output_size"_a, "kernel_size"_a, "dilation"_a = 1, "padding"_a = 0,
      "stride"_a = 1);
}

void bind_windows(nb::module_& m) {
  const auto pair = [](const Pooled& p) { return std::pair(p.values, p.indices); };
  m.def(
      "_max_pool",
      [pair](int rank, T x, const Dims& kernel, const std::optional<Dims>& stride,
             const Dims& padding, const Dims& dilation, bool ceil_mode) {
        return pair(max_pool_with_indices(
            rank, x, kernel.values,
            {values_or_none(stride), padding.values, dilation.values, ceil_mode}));
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg());
  m.def("_adaptive_max_pool", [pair](int rank, T x, const Dims& output) {
    return pair(adaptive_max_pool(rank, x, output.values));
  });
  m.def("_max_unpool", [](int rank, T x, T indices, const Dims& output) {
    return max_unpool(rank, x, indices, output.values);
  });
  m.def(
      "_avg_pool",
      [](int rank, T x, const Dims& kernel, const std::optional<Dims>& stride, const Dims& padding,
         bool ceil_mode, bool count_include_pad, std::optional<int64_t> divisor) {
        return avg_pool(
            rank, x, kernel.values,
            {values_or_none(stride), padding.values, ceil_mode, count_include_pad, divisor});
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(),
      nb::arg().none());
  m.def("_adaptive_avg_pool", [](int rank, T x, const Dims& output) {
    return adaptive_avg_pool(rank, x, output.values);
  });
  m.def("_pad", [](T x, const Dims& amounts, const std::string& mode, double fill) {
    return pad(x, amounts.values, pad_mode_from(mode), fill);
  });
  m.def(
      "_lp_pool",
      [](int rank, T x, double p, const Dims& kernel, const std::optional<Dims>& stride,
         bool ceil_mode) {
        return lp_pool(rank, x, p, kernel.values, values_or_none(stride), ceil_mode);
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
  m.def(
      "_unpooled_size",
      [](int rank, T x, const Dims& kernel, const std::optional<Dims>& stride, const Dims& padding,
         const Dims& output) {
        return unpooled_size(rank, x, kernel.values, values_or_none(stride), padding.values,
                             output.values);
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg(), nb::arg());
}

void bind_images(nb::module_& m) {
  m.def(
      "_interpolate",
      [](T x, const std::optional<Dims>& size, const std::optional<std::vector<double>>& scale,
         const std::string& mode, std::optional<bool> align_corners, bool recompute,
         bool antialias) {
        return interpolate(x, {values_or_none(size), scale.value_or(std::vector<double>{}), mode,
                               align_corners, recompute, antialias});
      },
      nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg().none(), nb::arg(),
      nb::arg());
  m.def("pixel_shuffle", &pixel_shuffle, "input"_a, "upscale_factor"_a);
  m.def("pixel_unshuffle", &pixel_unshuffle, "input"_a, "downscale_factor"_a);
  m.def("channel_shuffle", &channel_shuffle, "input"_a, "groups"_a);
  m.def("_unflatten",
        [](T x, int64_t dim, const Dims& sizes) { return unflatten(x, dim, sizes.values); });
}

void bind_dropouts(nb::module_& m) {
  using Dropout = Tensor (*)(T, double, bool);
  const auto bind = [&](const char* name, Dropout f, bool training) {
    def_with_inplace(m, name, f, "p"_a = 0.5, "training"_a = training);
  };
  bind(
      "dropout1d", [](T x, double p, bool on) { return channel_dropout(1, x, p, on); }, true);
  bind(
      "dropout2d", [](T x, double p, bool on) { return channel_dropout(2, x, p, on); }, true);
  bind(
      "dropout3d", [](T x, double p, bool on) { return channel_dropout(3, x, p, on); }, true);
  bind(
      "alpha_dropout", [](T x, double p, bool on) { return alpha_dropout(x, p, on); }, false);
  bind(
      "feature_alpha_dropout",
      [](T x, double p, bool on) { return feature_alpha_dropout(x, p, on); }, false);
}

BagMode bag_mode_from(const std::string& name) {
  if (name == "sum") return BagMode::kSum;
  if (name == "mean") return BagMode::kMean;
  check<ValueError>(name == "max", "mode has to be one of sum, mean or max");
  return BagMode::kMax;
}

void bind_tables(nb::module_& m) {
  m.def(
      "_embedding",
      [](T indices, T weight, std::optional<int64_t> padding, std::optional<double> max_norm,
         double norm_type, bool by_frequency) {
        return embedding(indices, weight, {padding, max_norm, norm_type, by_frequency});
      },
      nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg());
  m.def(
      "_embedding_bag",
      [](T indices, T weight, MaybeTensor offsets, std::optional<double> max_norm, double norm_type,
         bool by_frequency, const std::string& mode, MaybeTensor factors, bool include_last_offset,
         std::optional<int64_t> padding) {
        return embedding_bag(indices, weight, value(offsets),
                             {bag_mode_from(mode),
                              value(factors),
                              include_last_offset,
                              {padding, max_norm, norm_type, by_frequency}});
      },
      nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(), nb::arg(), nb::arg(),
      nb::arg().none(), nb::arg(), nb::arg().none());
  m.def(
      "bilinear",
      [](T a, T b, T weight, MaybeTensor bias) { return bilinear(a, b, weight, value(bias)); },
      "input1"_a, "input2"_a, "weight"_a, none_default("bias"));
}

void bind_sums(nb::module_& m) {
  m.def("_index_sum",
        [](T x, int64_t dim, T index, int64_t size) { return index_sum(x, dim, index, size); });
}

void bind_normalizations(nb::module_& m) {
  m.def(
      "layer_norm",
      [](T x, const Dims& shape, MaybeTensor weight, MaybeTensor bias, double eps) {
        return layer_norm(x, shape.values, value(weight), value(bias), eps);
      },
      "input"_a, "normalized_shape"_a, none_default("weight"), none_default("bias"),
      "eps"_a = 1e-5);
  m.def(
      "rms_norm",
      [](T x, const Dims& shape, MaybeTensor weight, std::optional<double> eps) {
        return rms_norm(x, shape.values, value(weight), eps);
      },
      "input"_a, "normalized_shape"_a, none_default("weight"), "eps"_a = nb::none());
  m.def(
      "group_norm",
      [](T x, int64_t groups, MaybeTensor weight, MaybeTensor bias, double eps) {
        return group_norm(x, groups, value(weight), value(bias), eps);
      },
      "input"_a, "num_groups"_a, none_default("weight"), none_default("bias"), "eps"_a = 1e-5);
  m.def(
      "instance_norm",
      [](T x, MaybeTensor mean, MaybeTensor var, MaybeTensor weight, MaybeTensor bias,
         bool use_input_stats, double momentum, double eps) {
        check<ValueError>(!mean == !var,
                          "running_mean and running_var must either both be None or neither be "
                          "None");
        const BatchNormState state{value(mean), value(var), {}};
        return instance_norm(x, mean ? &state : nullptr, value(weight), value(bias),
                             use_input_stats, momentum, eps);
      },
      "input"_a, none_default("running_mean"), none_default("running_var"), none_default("weight"),
      none_default("bias"), "use_input_stats"_a = true, "momentum"_a = 0.1, "eps"_a = 1e-5);
  m.def("local_response_norm", &local_response_norm, "input"_a, "size"_a, "alpha"_a = 1e-4,
        "beta"_a = 0.75, "k"_a = 1.0);
}

}  // namespace

void bind_layers_nd(nb::module_& m) {
  bind_convolutions(m);
  bind_windows(m);
  bind_images(m);
  bind_dropouts(m);
  bind_tables(m);
  bind_sums(m);
  bind_normalizations(m);
}

}  // namespace ballast::python

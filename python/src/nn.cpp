// What ballast.nn.functional is made of.
#include <memory>

#include "ballast/ops/activation.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/batch_norm_variants.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/index.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pool.h"
#include "ballast/ops/softmax.h"
#include "bind.h"
#include "reduction.h"

namespace ballast::python {
namespace {

using T = const Tensor&;
using MaybeTensor = const Tensor*;

Tensor value(MaybeTensor t) { return t ? *t : Tensor(); }

/// A `with` block whose convolutions are computed directly.
struct DirectConvBlock {
  std::unique_ptr<DirectConv> on;
};

void bind_winograd(nb::module_& m) {
  m.def("_winograd", &winograd);
  m.def("_set_winograd", &set_winograd);
  nb::class_<DirectConvBlock>(m, "_DirectConv")
      .def(nb::init<>())
      .def("__enter__", [](DirectConvBlock& b) { b.on = std::make_unique<DirectConv>(); })
      .def("__exit__", [](DirectConvBlock& b, const nb::args&) { b.on.reset(); });
}

void bind_layers(nb::module_& m) {
  bind_winograd(m);
  m.def(
      "linear", [](T x, T weight, MaybeTensor bias) { return linear(x, weight, value(bias)); },
      "input"_a, "weight"_a, none_default("bias"));
  m.def(
      "conv2d",
      [](T x, T weight, MaybeTensor bias, const Pair& stride, const Pair& padding,
         const Pair& dilation, int64_t groups) {
        return conv2d(x, weight, value(bias),
                      {stride.values, padding.values, dilation.values, groups});
      },
      "input"_a, "weight"_a, none_default("bias"), "stride"_a = 1, "padding"_a = 0,
      "dilation"_a = 1, "groups"_a = 1);
  def_with_inplace(
      m, "dropout", +[](T x, double p, bool training) { return dropout(x, p, training); },
      "p"_a = 0.5, "training"_a = true);
  m.def(
      "one_hot", [](T x, int64_t classes) { return one_hot(x, classes); }, "tensor"_a,
      "num_classes"_a = -1);
}

// A momentum of NaN stands for None, the cumulative average.
void bind_batch_norms(nb::module_& m) {
  m.def(
      "_batch_norm",
      [](T x, MaybeTensor mean, MaybeTensor var, MaybeTensor batches, MaybeTensor weight,
         MaybeTensor bias, bool training, double momentum, double eps) {
        check<ValueError>(!mean == !var,
                          "running_mean and running_var must either both be None or neither be "
                          "None");
        BatchNormState state{value(mean), value(var), value(batches)};
        return batch_norm(x, mean ? &state : nullptr, value(weight), value(bias), training,
                          momentum, eps);
      },
      nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
      nb::arg().none(), nb::arg(), nb::arg(), nb::arg());
  m.def(
      "_ghost_batch_norm",
      [](T x, int64_t virtual_batch, MaybeTensor mean, MaybeTensor var, MaybeTensor batches,
         MaybeTensor weight, MaybeTensor bias, bool training, double momentum, double eps) {
        BatchNormState state{value(mean), value(var), value(batches)};
        return ghost_batch_norm(x, virtual_batch, mean ? &state : nullptr, value(weight),
                                value(bias), training, momentum, eps);
      },
      nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg().none(), nb::arg().none(),
      nb::arg().none(), nb::arg(), nb::arg(), nb::arg());
  m.def(
      "_batch_renorm",
      [](T x, T mean, T var, T batches, MaybeTensor weight, MaybeTensor bias, bool training,
         double momentum, double eps, double r_max, double d_max, int64_t start, int64_t r_end,
         int64_t d_end) {
        return batch_renorm(x, {mean, var, batches}, value(weight), value(bias), training, momentum,
                            eps, {r_max, d_max, start, r_end, d_end});
      },
      nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg().none(), nb::arg().none(), nb::arg(),
      nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg(), nb::arg());
}

template <class Option, class P>
std::optional<Option> stride_of(const std::optional<P>& stride) {
  if (!stride) return {};
  if constexpr (std::is_same_v<P, Pair>)
    return stride->values;
  else
    return *stride;
}

/// The one size that a function of (N, C, L) takes.
int64_t one_of(const Dims& sizes, const char* what) {
  check(sizes.values.size() == 1, "argument '{}' should contain one int (got {})", what,
        sizes.values.size());
  return sizes.values[0];
}

void bind_pooling(nb::module_& m) {
  using Array = std::array<int64_t, 2>;
  m.def(
      "max_pool2d",
      [](T x, const Pair& kernel, std::optional<Pair> stride, const Pair& padding,
         const Pair& dilation, bool ceil_mode, bool return_indices) {
        check<NotImplementedError>(!return_indices, "max_pool2d: return_indices");
        return max_pool2d(x, kernel.values,
                          {stride_of<Array>(stride), padding.values, dilation.values, ceil_mode});
      },
      "input"_a, "kernel_size"_a, "stride"_a = nb::none(), "padding"_a = 0, "dilation"_a = 1,
      "ceil_mode"_a = false, "return_indices"_a = false);
  m.def(
      "avg_pool2d",
      [](T x, const Pair& kernel, std::optional<Pair> stride, const Pair& padding, bool ceil_mode,
         bool count_include_pad) {
        return avg_pool2d(x, kernel.values,
                          {stride_of<Array>(stride), padding.values, ceil_mode, count_include_pad});
      },
      "input"_a, "kernel_size"_a, "stride"_a = nb::none(), "padding"_a = 0, "ceil_mode"_a = false,
      "count_include_pad"_a = true);
  m.def(
      "max_pool1d",
      [](T x, const Dims& kernel, std::optional<int64_t> stride, int64_t padding, int64_t dilation,
         bool ceil_mode) {
        return max_pool1d(x, one_of(kernel, "kernel_size"), {stride, padding, dilation, ceil_mode});
      },
      "input"_a, "kernel_size"_a, "stride"_a = nb::none(), "padding"_a = 0, "dilation"_a = 1,
      "ceil_mode"_a = false);
  m.def(
      "avg_pool1d",
      [](T x, const Dims& kernel, std::optional<int64_t> stride, int64_t padding, bool ceil_mode,
         bool count_include_pad) {
        return avg_pool1d(x, one_of(kernel, "kernel_size"),
                          {stride, padding, ceil_mode, count_include_pad});
      },
      "input"_a, "kernel_size"_a, "stride"_a = nb::none(), "padding"_a = 0, "ceil_mode"_a = false,
      "count_include_pad"_a = true);
  m.def("_adaptive_avg_pool2d",
        [](T x, const Pair& output) { return adaptive_avg_pool2d(x, output.values); });
  m.def(
      "adaptive_avg_pool1d",
      [](T x, const Dims& output) { return adaptive_avg_pool1d(x, one_of(output, "output_size")); },
      "input"_a, "output_size"_a);
}

void bind_activations(nb::module_& m) {
  const auto in = "input"_a;
  def_with_inplace(m, "_relu", relu);
  def_with_inplace(m, "relu6", relu6);
  def_with_inplace(m, "silu", silu);
  def_with_inplace(m, "hardswish", hardswish);
  def_with_inplace(m, "hardsigmoid", hardsigmoid);
  def_with_inplace(m, "leaky_relu", leaky_relu, "negative_slope"_a = 0.01);
  def_with_inplace(m, "elu", elu, "alpha"_a = 1.0);
  def_with_inplace(m, "hardtanh", hardtanh, "min_val"_a = -1.0, "max_val"_a = 1.0);
  m.def(
      "softplus", [](T x, double beta, double threshold) { return softplus(x, beta, threshold); },
      in, "beta"_a = 1.0, "threshold"_a = 20.0);
  m.def(
      "gelu",
      [](T x, const std::string& approximate) {
        check(approximate == "none" || approximate == "tanh",
              "approximate argument must be either none or tanh.");
        return gelu(x, approximate == "tanh" ? GeluApproximation::kTanh : GeluApproximation::kNone);
      },
      in, nb::kw_only(), "approximate"_a = "none");
}

void bind_losses(nb::module_& m) {
  const auto in = "input"_a, target = "target"_a;
  const auto mean = ("reduction"_a = "mean");
  const auto weight = none_default("weight");
  const auto ignore = ("ignore_index"_a = -100);
  m.def("cross_entropy", [](T x, T y) { return cross_entropy(x, y); });
  m.def(
      "cross_entropy",
      [](T x, T y, MaybeTensor w, nb::object average, int64_t ignored, nb::object reduce,
         const std::string& reduction, double smoothing) {
        return cross_entropy(
            x, y, {value(w), reduction_from(reduction, average, reduce), ignored, smoothing});
      },
      in, target, weight, "size_average"_a = nb::none(), ignore, "reduce"_a = nb::none(), mean,
      "label_smoothing"_a = 0.0);
  m.def(
      "nll_loss",
      [](T x, T y, MaybeTensor w, nb::object average, int64_t ignored, nb::object reduce,
         const std::string& reduction) {
        return nll_loss(x, y, {value(w), reduction_from(reduction, average, reduce), ignored, 0.0});
      },
      in, target, weight, "size_average"_a = nb::none(), ignore, "reduce"_a = nb::none(), mean);
  const auto elementwise = [&](const char* name, auto f) {
    m.def(
        name,
        [f](T x, T y, nb::object average, nb::object reduce, const std::string& reduction) {
          return f(x, y, reduction_from(reduction, average, reduce));
        },
        in, target, "size_average"_a = nb::none(), "reduce"_a = nb::none(), mean);
  };
  elementwise("mse_loss", [](T x, T y, Reduction r) { return mse_loss(x, y, r); });
  elementwise("l1_loss", [](T x, T y, Reduction r) { return l1_loss(x, y, r); });
  m.def(
      "smooth_l1_loss",
      [](T x, T y, nb::object average, nb::object reduce, const std::string& reduction,
         double beta) {
        return smooth_l1_loss(x, y, reduction_from(reduction, average, reduce), beta);
      },
      in, target, "size_average"_a = nb::none(), "reduce"_a = nb::none(), mean, "beta"_a = 1.0);
  m.def(
      "huber_loss",
      [](T x, T y, const std::string& reduction, double delta) {
        return huber_loss(x, y, reduction_from(reduction, nb::none(), nb::none()), delta);
      },
      in, target, mean, "delta"_a = 1.0);
  m.def(
      "binary_cross_entropy",
      [](T x, T y, MaybeTensor w, nb::object average, nb::object reduce,
         const std::string& reduction) {
        return binary_cross_entropy(x, y,
                                    {value(w), reduction_from(reduction, average, reduce), {}});
      },
      in, target, weight, "size_average"_a = nb::none(), "reduce"_a = nb::none(), mean);
  m.def(
      "binary_cross_entropy_with_logits",
      [](T x, T y, MaybeTensor w, nb::object average, nb::object reduce,
         const std::string& reduction, MaybeTensor positive) {
        return binary_cross_entropy_with_logits(
            x, y, {value(w), reduction_from(reduction, average, reduce), value(positive)});
      },
      in, target, weight, "size_average"_a = nb::none(), "reduce"_a = nb::none(), mean,
      none_default("pos_weight"));
  m.def(
      "kl_div",
      [](T x, T y, nb::object average, nb::object reduce, const std::string& reduction,
         bool log_target) {
        return kl_div(x, y, reduction_from(reduction, average, reduce, true), log_target);
      },
      in, target, "size_average"_a = nb::none(), "reduce"_a = nb::none(), mean,
      "log_target"_a = false);
}

}  // namespace

void bind_nn(nb::module_& m) {
  bind_layers(m);
  bind_batch_norms(m);
  bind_pooling(m);
  bind_activations(m);
  bind_losses(m);
}

}  // namespace ballast::python

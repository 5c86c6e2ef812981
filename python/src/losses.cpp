// Losses of margins, distances and likelihoods, and the activation functions made of others.
#include "ballast/ops/activation.h"
#include "ballast/ops/loss_margin.h"
#include "bind.h"
#include "reduction.h"

namespace ballast::python {
namespace {

using T = const Tensor&;
using MaybeTensor = const Tensor*;

Tensor value(MaybeTensor t) { return t ? *t : Tensor(); }

// PyTorch's arguments of old, accepted as None.
inline auto old(const char* name) { return nb::arg(name) = nb::none(); }

void bind_margins(nb::module_& m) {
  const auto in = "input"_a;
  const auto target = "target"_a;
  const auto mean = ("reduction"_a = "mean");
  m.def(
      "cosine_embedding_loss",
      [](T a, T b, T y, double margin, nb::object average, nb::object reduce,
         const std::string& reduction) {
        return cosine_embedding_loss(a, b, y, margin, reduction_from(reduction, average, reduce));
      },
      "input1"_a, "input2"_a, target, "margin"_a = 0.0, old("size_average"), old("reduce"), mean);
  m.def(
      "margin_ranking_loss",
      [](T a, T b, T y, double margin, nb::object average, nb::object reduce,
         const std::string& reduction) {
        return margin_ranking_loss(a, b, y, margin, reduction_from(reduction, average, reduce));
      },
      "input1"_a, "input2"_a, target, "margin"_a = 0.0, old("size_average"), old("reduce"), mean);
  m.def(
      "hinge_embedding_loss",
      [](T x, T y, double margin, nb::object average, nb::object reduce,
         const std::string& reduction) {
        return hinge_embedding_loss(x, y, margin, reduction_from(reduction, average, reduce));
      },
      in, target, "margin"_a = 1.0, old("size_average"), old("reduce"), mean);
  m.def(
      "soft_margin_loss",
      [](T x, T y, nb::object average, nb::object reduce, const std::string& reduction) {
        return soft_margin_loss(x, y, reduction_from(reduction, average, reduce));
      },
      in, target, old("size_average"), old("reduce"), mean);
  m.def(
      "multilabel_margin_loss",
      [](T x, T y, nb::object average, nb::object reduce, const std::string& reduction) {
        return multilabel_margin_loss(x, y, reduction_from(reduction, average, reduce));
      },
      in, target, old("size_average"), old("reduce"), mean);
  m.def(
      "multilabel_soft_margin_loss",
      [](T x, T y, MaybeTensor w, nb::object average, nb::object reduce,
         const std::string& reduction) {
        return multilabel_soft_margin_loss(x, y, value(w),
                                           reduction_from(reduction, average, reduce));
      },
      in, target, none_default("weight"), old("size_average"), old("reduce"), mean);
  m.def(
      "multi_margin_loss",
      [](T x, T y, int64_t p, double margin, MaybeTensor w, nb::object average, nb::object reduce,
         const std::string& reduction) {
        return multi_margin_loss(x, y, p, margin, value(w),
                                 reduction_from(reduction, average, reduce));
      },
      in, target, "p"_a = 1, "margin"_a = 1.0, none_default("weight"), old("size_average"),
      old("reduce"), mean);
  m.def(
      "triplet_margin_loss",
      [](T a, T p, T n, double margin, double power, double eps, bool swap, nb::object average,
         nb::object reduce, const std::string& reduction) {
        return triplet_margin_loss(a, p, n, margin, power, eps, swap,
                                   reduction_from(reduction, average, reduce));
      },
      "anchor"_a, "positive"_a, "negative"_a, "margin"_a = 1.0, "p"_a = 2.0, "eps"_a = 1e-6,
      "swap"_a = false, old("size_average"), old("reduce"), mean);
}

void bind_likelihoods(nb::module_& m) {
  const auto in = "input"_a;
  const auto target = "target"_a;
  const auto mean = ("reduction"_a = "mean");
  m.def(
      "_gaussian_nll_loss",
      [](T x, T y, T var, bool full, double eps, const std::string& reduction) {
        return gaussian_nll_loss(x, y, var, full, eps,
                                 reduction_from(reduction, nb::none(), nb::none()));
      },
      in, target, "var"_a, "full"_a = false, "eps"_a = 1e-6, mean);
  m.def(
      "poisson_nll_loss",
      [](T x, T y, bool log_input, bool full, nb::object average, double eps, nb::object reduce,
         const std::string& reduction) {
        return poisson_nll_loss(x, y, log_input, full, eps,
                                reduction_from(reduction, average, reduce));
      },
      in, target, "log_input"_a = true, "full"_a = false, old("size_average"), "eps"_a = 1e-8,
      old("reduce"), mean);
  m.def("cosine_similarity", &cosine_similarity, "x1"_a, "x2"_a, "dim"_a = 1, "eps"_a = 1e-8);
  m.def("pairwise_distance", &pairwise_distance, "x1"_a, "x2"_a, "p"_a = 2.0, "eps"_a = 1e-6,
        "keepdim"_a = false);
  m.def(
      "_vector_norm",
      [](T x, double p, const std::optional<Dims>& dims, bool keepdim) {
        return vector_norm(x, p, dims ? dims->values : std::vector<int64_t>{}, keepdim);
      },
      nb::arg(), nb::arg(), nb::arg().none(), nb::arg());
}

}  // namespace

void bind_margin_losses(nb::module_& m) {
  bind_margins(m);
  bind_likelihoods(m);
}

void bind_composed_activations(nb::module_& m) {
  const auto in = "input"_a;
  def_with_inplace(m, "celu", celu, "alpha"_a = 1.0);
  def_with_inplace(m, "selu", selu);
  def_with_inplace(m, "mish", mish);
  def_with_inplace(m, "threshold", threshold, "threshold"_a, "value"_a);
  def_with_inplace(
      m, "rrelu",
      +[](T x, double lower, double upper, bool training) {
        return rrelu(x, lower, upper, training);
      },
      "lower"_a = 1.0 / 8, "upper"_a = 1.0 / 3, "training"_a = false);
  m.def("softsign", &softsign, in);
  m.def("softshrink", &softshrink, in, "lambd"_a = 0.5);
  m.def("hardshrink", &hardshrink, in, "lambd"_a = 0.5);
  m.def("tanhshrink", &tanhshrink, in);
  m.def("logsigmoid", &logsigmoid, in);
  m.def("prelu", &prelu, in, "weight"_a);
  m.def("glu", &glu, in, "dim"_a = -1);
}

}  // namespace ballast::python

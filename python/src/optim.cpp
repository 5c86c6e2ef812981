// Optimizers. Python keeps PyTorch's param_groups and has one of these for each group.
#include "ballast/train/optim.h"

#include "bind.h"

namespace ballast::python {
namespace {

template <class O>
nb::class_<O> bind_optimizer(nb::module_& m, const char* name) {
  return nb::class_<O>(m, name)
      .def("zero_grad", [](O& o) { o.zero_grad(); })
      .def("step",
           [](O& o) {
             nb::gil_scoped_release release;
             o.step();
           })
      .def("state_dict", [](const O& o) { return o.state_dict(); })
      .def("load_state_dict", [](O& o, const StateDict& state) { o.load_state_dict(state); });
}

template <class O, class Options>
void bind_adam(nb::module_& m, const char* name) {
  const auto set = [](auto& a, double lr, std::pair<double, double> betas, double eps,
                      double weight_decay, bool amsgrad, bool maximize) {
    a.lr = lr;
    a.betas = {betas.first, betas.second};
    a.eps = eps;
    a.weight_decay = weight_decay;
    a.amsgrad = amsgrad;
    a.maximize = maximize;
  };
  bind_optimizer<O>(m, name)
      .def("__init__",
           [set](O* self, const std::vector<Tensor>& params, double lr,
                 std::pair<double, double> betas, double eps, double weight_decay, bool amsgrad,
                 bool maximize) {
             Options options;
             set(options, lr, betas, eps, weight_decay, amsgrad, maximize);
             new (self) O(params, options);
           })
      .def("set", [set](O& o, double lr, std::pair<double, double> betas, double eps,
                        double weight_decay, bool amsgrad, bool maximize) {
        set(o.options(), lr, betas, eps, weight_decay, amsgrad, maximize);
      });
}

}  // namespace

void bind_optim(nb::module_& m) {
  bind_optimizer<optim::SGD>(m, "_SGD")
      .def("__init__",
           [](optim::SGD* self, const std::vector<Tensor>& params, double lr, double momentum,
              double dampening, double weight_decay, bool nesterov, bool maximize) {
             new (self)
                 optim::SGD(params, {lr, momentum, dampening, weight_decay, nesterov, maximize});
           })
      .def("set", [](optim::SGD& o, double lr, double momentum, double dampening,
                     double weight_decay, bool nesterov, bool maximize) {
        o.options() = {lr, momentum, dampening, weight_decay, nesterov, maximize};
      });
  bind_adam<optim::Adam, optim::AdamOptions>(m, "_Adam");
  bind_adam<optim::AdamW, optim::AdamWOptions>(m, "_AdamW");
}

}  // namespace ballast::python

// What autograd offers: gradients, hooks, and functions whose derivative is written in Python.
#include "ballast/base/bytes.h"
#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"
#include "ballast/ops/create.h"
#include "ballast/ops/shape_ops.h"
#include "bind.h"

namespace ballast::python {
namespace {

/// A Python function that sees a gradient and may replace it.
class PythonHook final : public GradHook {
 public:
  explicit PythonHook(nb::object f) : f_(std::move(f)) {}
  ~PythonHook() override {
    if (!Py_IsInitialized()) {
      static_cast<void>(f_.release());
      return;
    }
    nb::gil_scoped_acquire acquire;
    f_ = nb::object();
  }
  void run(Tensor& grad) override {
    nb::gil_scoped_acquire acquire;
    const nb::object result = f_(grad);
    if (result.is_none()) return;
    const Tensor replaced = nb::cast<Tensor>(result);
    check(replaced.shape() == grad.shape(), "hook has changed the size of value: {} to {}",
          grad.shape(), replaced.shape());
    grad = replaced;
  }

 private:
  nb::object f_;
};

/// One call of a function with a derivative of its own: the values it gave, and the Python function
/// that takes their gradients to those of its inputs.
struct CustomCall {
  nb::object backward;
  std::vector<Tensor> grads;  // of the outputs, as they arrive

  ~CustomCall() {
    nb::gil_scoped_acquire acquire;
    backward = nb::object();
  }
};

struct CallAttributes {
  CustomCall* call;  // lives as long as the node's memory
  int64_t output;
};

/// Where the gradients of all outputs have arrived: asks Python for those of the inputs.
class CustomOp final : public Op {
 public:
  CustomOp() : Op("custom_function") {}
  void reference(const Call&) const override {}
  uint32_t gradient_reads() const override { return 1; }
  Gradients gradient(const Backward& b) const override {
    CustomCall& call = *b.attributes<CallAttributes>().call;
    const std::vector<Tensor> arrived =
        std::exchange(call.grads, std::vector<Tensor>(call.grads.size()));
    nb::gil_scoped_acquire acquire;
    nb::list grads;
    for (const Tensor& g : arrived) grads.append(none_if_undefined(g));
    Gradients out;
    for (nb::handle g : call.backward(grads))
      out.push_back(g.is_none() ? Tensor() : nb::cast<Tensor>(g));
    return out;
  }
};

/// One output: the value, whose gradient is handed to the call.
class CustomOutputOp final : public Op {
 public:
  CustomOutputOp() : Op("custom_function_output") {}
  void reference(const Call& c) const override {
    std::memcpy(c.out.data, c.in[0].data, bytes_of(c.out.shape, c.out.dtype));
  }
  Traits traits() const override { return {.kind = Traits::Kind::kView}; }
  uint32_t gradient_reads() const override { return 2; }
  Gradients gradient(const Backward& b) const override {
    const auto& a = b.attributes<CallAttributes>();
    Tensor& slot = a.call->grads[a.output];
    slot = slot.defined() ? slot + b.grad() : b.grad();
    return {Tensor(), zeros(b.input_shape(1))};
  }
};

/// Makes `values` outputs of a function of `inputs` whose gradients `backward` computes.
std::vector<Tensor> record_function(const std::vector<Tensor>& inputs,
                                    const std::vector<Tensor>& values, nb::object backward) {
  static const CustomOp custom;
  static const CustomOutputOp output;
  auto* call = new CustomCall{std::move(backward), std::vector<Tensor>(values.size())};
  static std::byte nothing[64];
  Ref<Node> hub = make_ref<Node>();
  hub->op = &custom;
  hub->shape = Shape{0};
  hub->requires_grad = true;
  hub->buffer = Buffer::wrap(nothing, 0, [call] { delete call; });
  hub->attributes = Attributes(CallAttributes{call, 0});
  for (const Tensor& in : inputs) hub->inputs.push_back(in.impl()->node());
  std::vector<Tensor> out;
  for (size_t i = 0; i < values.size(); ++i) {
    const Tensor value = values[i].detach();
    Ref<Node> n = make_ref<Node>();
    n->op = &output;
    n->shape = value.shape();
    n->dtype = value.dtype();
    n->layout = value.node().layout;
    n->requires_grad = true;
    n->attributes = Attributes(CallAttributes{call, static_cast<int64_t>(i)});
    n->inputs.push_back(value.impl()->node());
    n->inputs.push_back(hub);
    n->depth = value.node().depth + 1;
    out.emplace_back(std::move(n));
  }
  return out;
}

size_t add_hook(std::vector<Ref<GradHook>>& hooks, nb::object f) {
  hooks.push_back(Ref<GradHook>(new PythonHook(std::move(f))));
  return reinterpret_cast<size_t>(hooks.back().get());
}

void bind_hooks(nb::class_<Tensor>& c) {
  c.def("_add_hook", [](const Tensor& t, nb::object f) {
    check(t.requires_grad(), "cannot register a hook on a tensor that doesn't require gradient");
    return add_hook(t.impl()->slot().hooks, std::move(f));
  });
  c.def("_add_accumulated_hook", [](const Tensor& t, nb::object f) {
    check(t.requires_grad() && t.is_leaf(),
          "post accumulate grad hooks cannot be registered on non-leaf tensors");
    return add_hook(t.impl()->slot().accumulated, std::move(f));
  });
  // Hooks stay with the value they were given for: whoever removes one holds on to its slot.
  nb::class_<Ref<GradSlot>>(c, "_Slot").def("remove", [](Ref<GradSlot>& slot, size_t id) {
    for (auto* hooks : {&slot->hooks, &slot->accumulated})
      std::erase_if(
          *hooks, [id](const Ref<GradHook>& h) { return reinterpret_cast<size_t>(h.get()) == id; });
  });
  c.def("_slot", [](const Tensor& t) { return Ref<GradSlot>(&t.impl()->slot()); });
  c.def("_retain_grad", [](const Tensor& t) { t.impl()->slot().owner = t.impl(); });
  c.def_prop_ro("retains_grad", [](const Tensor& t) {
    return !t.is_leaf() && t.node().slot && t.node().slot->owner == t.impl();
  });
}

std::vector<Tensor> leaves_from(nb::handle inputs) {
  if (is_tensor(inputs)) return {nb::cast<Tensor>(inputs)};
  auto leaves = nb::cast<std::vector<Tensor>>(inputs);
  check(!leaves.empty(), "`inputs` argument to `backward()` cannot be empty.");
  return leaves;
}

/// Adds the derivatives of `t` to the gradients of `leaves`, and of no others.
void backward_to(const Tensor& t, std::vector<Tensor> leaves, const Tensor& weight,
                 bool retain_graph, bool create_graph) {
  nb::gil_scoped_release release;
  const std::vector<Tensor> found = grad(t, leaves, weight, retain_graph, create_graph, true);
  NoGrad off(!create_graph);
  for (size_t i = 0; i < leaves.size(); ++i)
    if (found[i].defined()) accumulate_grad(*leaves[i].impl(), found[i]);
}

}  // namespace

void bind_autograd(nb::module_& m, nb::class_<Tensor>& c) {
  m.def("is_grad_enabled", &grad_enabled);
  m.def("_set_grad_enabled", &set_grad_enabled);
  m.def("_grad", [](const Tensor& output, const std::vector<Tensor>& inputs,
                    std::optional<Tensor> weight, bool retain_graph, bool create_graph,
                    bool allow_unused) {
    std::vector<Tensor> g;
    {
      nb::gil_scoped_release release;
      g = grad(output, inputs, tensor_or_none(weight), retain_graph, create_graph, allow_unused);
    }
    nb::list out;
    for (const Tensor& t : g) out.append(none_if_undefined(t));
    return nb::tuple(out);
  });
  m.def("_record_function", &record_function);
  // A walk calls hooks, which need the interpreter's lock.
  graph_mutex().wait_by([](std::recursive_mutex& mutex) {
    if (!PyGILState_Check()) return mutex.lock();
    nb::gil_scoped_release release;
    mutex.lock();
  });
  m.def("_eval", [](const std::vector<Tensor>& tensors) {
    nb::gil_scoped_release release;
    eval(tensors);
  });
  c.def(
      "backward",
      [](const Tensor& t, std::optional<Tensor> gradient, std::optional<bool> retain_graph,
         bool create_graph, nb::object inputs) {
        if (!inputs.is_none()) {
          backward_to(t, leaves_from(inputs), tensor_or_none(gradient),
                      retain_graph.value_or(create_graph), create_graph);
          return;
        }
        nb::gil_scoped_release release;
        backward(t, tensor_or_none(gradient), retain_graph.value_or(create_graph), create_graph);
      },
      "gradient"_a = nb::none(), "retain_graph"_a = nb::none(), "create_graph"_a = false,
      "inputs"_a = nb::none());
  bind_hooks(c);
}

}  // namespace ballast::python

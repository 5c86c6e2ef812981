#include "ballast/io/onnx_trace.h"

#include <cstring>

#include "ballast/graph/pending.h"
#include "ballast/io/state.h"
#include "ballast/ops/recurrent.h"
#include "ballast/ops/support.h"

namespace ballast::io {
namespace {

/// `rows` rows of the example, over and over; with `other`, other values where they are floats.
Tensor input_like(const Tensor& example, int64_t rows, bool other) {
  const Array from = to_array(example);
  Shape shape = from.shape;
  if (rows > 0 && shape.rank() > 0) {
    check<ValueError>(shape[0] > 0, "onnx: an input of shape {} has no rows", shape);
    shape[0] = rows;
  }
  Array to = Array::empty(from.dtype, shape);
  dispatch_stored(from.dtype, [&](auto zero) {
    using T = decltype(zero);
    const auto in = from.as<T>();
    const auto out = to.as<T>();
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = in[i % in.size()];
      if constexpr (is_floating(dtype_of<T>))
        if (other) out[i] = T(T(0.5) * out[i] + T(0.25));
    }
  });
  return to_tensor(to);
}

/// Lists the nodes that depend on the inputs, in order. (Graphs can be deep: no recursion.)
void list_nodes(Trace& t) {
  std::unordered_map<const Node*, bool> depends;  // of what has been finished
  for (const Tensor& x : t.inputs) {
    check<ValueError>(depends.emplace(&x.node(), true).second, "onnx: one tensor is two inputs");
    t.position.emplace(&x.node(), t.nodes.size());
    t.nodes.push_back(&x.node());
  }
  std::vector<std::pair<Node*, int>> path;
  for (const Tensor& y : t.outputs) {
    path.emplace_back(&y.node(), 0);
    while (!path.empty()) {
      auto& [node, next] = path.back();
      if (!depends.contains(node) && !node->evaluated() && next < node->inputs.size()) {
        path.emplace_back(node->inputs[next++].get(), 0);
        continue;
      }
      Node* const done = node;
      path.pop_back();
      if (depends.contains(done)) continue;
      bool any = false;
      if (!done->evaluated())
        for (const Ref<Node>& in : done->inputs) any |= depends[in.get()];
      depends[done] = any;
      if (!any) continue;
      t.position.emplace(done, t.nodes.size());
      t.nodes.push_back(done);
      for (const Ref<Node>& in : done->inputs) ++t.uses[in.get()];
    }
    ++t.uses[&y.node()];
  }
}

Trace record(const OnnxFunction& f, std::span<const Tensor> examples,
             const std::vector<bool>& dynamic, int64_t rows, bool other) {
  Trace t;
  for (size_t i = 0; i < examples.size(); ++i)
    t.inputs.push_back(input_like(examples[i], dynamic[i] ? rows : 0, other));
  const NoGrad off;
  const Pending::Pause pause;
  t.outputs = f(t.inputs);
  list_nodes(t);
  return t;
}

/// Throws unless a constant is the same in both recordings, but for dimensions of the batch's size
/// along which it does not change. Returns these.
uint32_t check_constant(const Node& a, const Node& b) {
  const auto array = [](const Node& n) {
    return to_array(Tensor(Ref<Node>(const_cast<Node*>(&n))));
  };
  const Array x = array(a), y = array(b);
  uint32_t repeated = 0;
  bool same = x.dtype == y.dtype && x.shape.rank() == y.shape.rank();
  auto strides = ops::strides_of(x.shape);
  for (int d = 0; same && d < x.shape.rank(); ++d) {
    if (x.shape[d] == y.shape[d]) continue;
    same = x.shape[d] == Trace::kRows && y.shape[d] == Trace::kRows + 1;
    repeated |= 1u << d;
    strides[d] = 0;
  }
  for (const Array& side : {x, y}) {
    if (!same || side.numel() == 0) break;
    const size_t size = size_of(x.dtype);
    const std::byte* element = side.data->data();
    ops::for_each_offset(side.shape, strides, [&](int64_t offset) {
      same = same && std::memcmp(element, x.data->data() + offset * size, size) == 0;
      element += size;
    });
  }
  check<ValueError>(same,
                    "onnx: the computation holds a constant of shape {} that changes with the "
                    "input's values or batch size; is a value looked at on the way?",
                    x.shape);
  return repeated;
}

/// Whether two nodes do the same to the same.
void check_same(Trace& a, const Trace& b, size_t i) {
  const Node &x = *a.nodes[i], &y = *b.nodes[i];
  check<NotImplementedError>(x.op != &recurrent_op(),
                             "onnx: RNN, LSTM and GRU have no form here; export what stands before "
                             "and after them");
  bool same = x.op == y.op && x.dtype == y.dtype && x.shape.rank() == y.shape.rank() &&
              x.attributes == y.attributes && x.inputs.size() == y.inputs.size();
  for (int k = 0; same && k < x.inputs.size(); ++k) {
    const Node &in_x = *x.inputs[k], &in_y = *y.inputs[k];
    same = a.depends(in_x) == b.depends(in_y);
    if (!same) break;
    if (a.depends(in_x))
      same = a.position.at(&in_x) == b.position.at(&in_y);
    else if (const uint32_t repeated = check_constant(in_x, in_y))
      a.repeated[&in_x] = repeated;
  }
  check<ValueError>(same,
                    "onnx: the computation depends on the input's values or batch size (at "
                    "operation '{}')",
                    x.op ? x.op->name() : "input");
}

}  // namespace

Trace trace(const OnnxFunction& f, std::span<const Tensor> examples,
            const std::vector<bool>& dynamic) {
  // Sizes of one are special to broadcasting, so the batches have two rows and three.
  Trace a = record(f, examples, dynamic, Trace::kRows, false);
  const Trace b = record(f, examples, dynamic, Trace::kRows + 1, true);
  check<ValueError>(a.nodes.size() == b.nodes.size() && a.outputs.size() == b.outputs.size(),
                    "onnx: the computation depends on the input's values or batch size");
  for (size_t i = 0; i < a.nodes.size(); ++i) {
    if (i >= a.inputs.size()) check_same(a, b, i);
    uint32_t varies = 0;
    for (int d = 0; d < a.nodes[i]->shape.rank(); ++d)
      if (a.nodes[i]->shape[d] != b.nodes[i]->shape[d]) varies |= 1u << d;
    a.varies.push_back(varies);
  }
  for (size_t i = 0; i < a.outputs.size(); ++i)
    if (!a.depends(a.outputs[i].node())) {
      const Node &x = a.outputs[i].node(), &y = b.outputs[i].node();
      if (const uint32_t repeated = check_constant(x, y)) a.repeated[&x] = repeated;
    }
  return a;
}

}  // namespace ballast::io

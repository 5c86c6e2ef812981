#include "ballast/io/onnx.h"

#include <algorithm>
#include <utility>

#include "ballast/base/file.h"
#include "ballast/graph/pending.h"
#include "ballast/io/onnx_export.h"
#include "ballast/io/state.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/shape_ops.h"

namespace ballast::io {
namespace {

std::vector<std::string> names_of(const char* kind, const std::vector<std::string>& given,
                                  size_t count) {
  check<ValueError>(given.size() <= count, "onnx: {} names for {} {}s", given.size(), count, kind);
  std::vector<std::string> names = given;
  while (names.size() < count)
    names.push_back(count == 1 ? kind : fmt::format("{}{}", kind, names.size()));
  return names;
}

bool is_op(const Node& n, std::string_view name) { return n.op && n.op->name() == name; }

}  // namespace

OnnxExporter::OnnxExporter(const Trace& t, const OnnxOptions& options, const StateDict& names)
    : trace(t), options_(options) {
  for (const auto& [name, tensor] : names) names_.emplace(&tensor.node(), name);
}

OnnxExporter::Value OnnxExporter::in(const Node& n, int i) {
  const Node& input = *n.inputs[i];
  if (!values_.contains(&input)) values_[&input] = constant(n.inputs[i]);
  return values_.at(&input);
}

OnnxExporter::Value OnnxExporter::constant(const Ref<Node>& n) {
  const Array a = to_array(Tensor(n));
  const auto name = names_.find(n.get());
  const auto repeated = trace.repeated.find(n.get());
  if (repeated == trace.repeated.end())
    return graph.constant(a, name == names_.end() ? "" : name->second);
  // One row, for every row of the batch.
  Tensor row = Tensor(n);
  std::vector<OnnxGraph::Value> sizes;
  for (int d = 0; d < a.shape.rank(); ++d) {
    const bool by_batch = repeated->second >> d & 1;
    if (by_batch) row = slice(row, d, 0, 1);
    sizes.push_back(by_batch ? batch() : graph.integers({a.shape[d]}));
  }
  const Value shape = graph.node("Concat", sizes, {{"axis", int64_t{0}}});
  return graph.node("Expand", {graph.constant(to_array(row)), shape});
}

OnnxExporter::Value OnnxExporter::batch() {
  if (batch_.empty()) {
    size_t i = 0;
    while (!trace.varies_at(trace.inputs[i].node(), 0)) ++i;
    batch_ = graph.node("Slice", {graph.node("Shape", {values_.at(&trace.inputs[i].node())}),
                                  graph.integers({0}), graph.integers({1})});
  }
  return batch_;
}

OnnxExporter::Value OnnxExporter::shape_value(const Node& n, std::vector<int64_t> sizes,
                                              bool reshape) {
  const auto open = std::ranges::count(sizes, -1);
  if (open == 0 || (open == 1 && reshape)) return graph.integers(sizes);
  OnnxGraph::Inputs parts;
  bool left = reshape;  // for one other size
  for (int d = 0; d < n.shape.rank(); ++d) {
    const bool by_batch = sizes[d] < 0 && n.shape[d] == Trace::kRows;
    check<NotImplementedError>(sizes[d] >= 0 || by_batch || std::exchange(left, false),
                               "onnx: the shape {} depends on the batch size in a way that cannot "
                               "be exported; export it with a fixed batch size",
                               n.shape);
    parts.push_back(by_batch ? batch() : graph.integers({sizes[d]}));
  }
  return graph.node("Concat", std::move(parts), {{"axis", int64_t{0}}});
}

OnnxExporter::Value OnnxExporter::reduce(const char* operation, const Value& x,
                                         const std::vector<int64_t>& dims, bool keepdims) {
  if (options_.opset_version < 18)
    return graph.node(operation, {x}, {{"axes", dims}, {"keepdims", int64_t{keepdims}}});
  return graph.node(operation, {x, graph.integers(dims)}, {{"keepdims", int64_t{keepdims}}});
}

Array OnnxExporter::array(const Node& n, int i) const { return to_array(Tensor(n.inputs[i])); }

std::string OnnxExporter::name_of_constant(const Node& n, int i) const {
  const auto at = names_.find(n.inputs[i].get());
  return at == names_.end() ? "" : at->second;
}

std::vector<int64_t> OnnxExporter::sizes(const Node& n) const {
  std::vector<int64_t> out;
  for (int d = 0; d < n.shape.rank(); ++d)
    out.push_back(trace.depends(n) && trace.varies_at(n, d) ? -1 : n.shape[d]);
  return out;
}

const Array* OnnxExporter::folded(const Node& n) const {
  const auto at = folded_.find(&n);
  return at == folded_.end() ? nullptr : &at->second;
}

/// An affine map per channel goes into a product before it that nobody else reads; a reshape
/// between the two is in the way only if it moves the channels.
void OnnxExporter::find_folds() {
  for (const Node* n : trace.nodes) {
    if (!is_op(*n, "channel_affine") || !is_constant(*n, 1) || is_constant(*n, 0)) continue;
    const Node* to = n->inputs[0].get();
    const auto single = [&] { return trace.uses.at(to) == 1 && !to->evaluated(); };
    while (single() && is_op(*to, "reshape") && to->inputs[0]->shape.rank() >= 2 &&
           to->inputs[0]->shape[0] == to->shape[0] && to->inputs[0]->shape[1] == to->shape[1])
      to = to->inputs[0].get();
    const bool product =
        to->op == &conv2d_op() || to->op == &conv2d_input_grad_op() || to->op == &matmul_op();
    if (!single() || !product || folded_.contains(to) || !is_constant(*to, 1)) continue;
    if (to->inputs.size() > 2 && !is_constant(*to, 2)) continue;
    folded_.emplace(to, array(*n, 1));
    folded_away_.emplace(n, true);
  }
}

/// Sizes, and names for those that depend on the batch's: the batch's own or, for other sizes, a
/// name of their own.
std::vector<OnnxGraph::Size> OnnxExporter::named_sizes(const Node& n, size_t i, bool output) const {
  const auto& names = output ? options_.output_batch : options_.input_batch;
  std::string batch = i < names.size() ? names[i] : "";
  for (const std::string& name : options_.input_batch)
    if (batch.empty()) batch = name;
  if (batch.empty()) batch = "batch";
  const auto repeated = trace.repeated.find(&n);
  std::vector<OnnxGraph::Size> named;
  for (int d = 0; d < n.shape.rank(); ++d) {
    const bool varies = trace.depends(n)
                            ? trace.varies_at(n, d)
                            : repeated != trace.repeated.end() && (repeated->second >> d & 1);
    const bool whole = n.shape[d] == Trace::kRows;
    if (!varies)
      named.emplace_back(n.shape[d]);
    else
      named.emplace_back(whole ? batch : fmt::format("{}_output{}_dim{}", batch, i, d));
  }
  return named;
}

void OnnxExporter::declare(bool outputs) {
  const std::vector<Tensor>& tensors = outputs ? trace.outputs : trace.inputs;
  const auto names = outputs ? names_of("output", options_.output_names, tensors.size())
                             : names_of("input", options_.input_names, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Node& n = tensors[i].node();
    if (outputs) {
      graph.output(names[i], n.dtype, named_sizes(n, i, true));
    } else {
      graph.input(names[i], n.dtype, named_sizes(n, i, false));
      values_[&n] = names[i];
    }
  }
}

std::string OnnxExporter::run() {
  declare(false);
  declare(true);
  if (options_.fold) find_folds();
  for (size_t i = trace.inputs.size(); i < trace.nodes.size(); ++i) {
    const Node& n = *trace.nodes[i];
    values_[&n] = export_node(*this, n);
  }
  const auto names = names_of("output", options_.output_names, trace.outputs.size());
  for (size_t i = 0; i < trace.outputs.size(); ++i) {
    const Tensor& y = trace.outputs[i];
    const bool known = values_.contains(&y.node());
    graph.name_output(known ? values_.at(&y.node()) : constant(Ref<Node>(&y.node())), names[i]);
  }
  return graph.bytes(options_.opset_version, options_.open_constants);
}

std::string onnx_bytes(const OnnxFunction& f, std::span<const Tensor> inputs,
                       const OnnxOptions& options, const StateDict& names) {
  check<ValueError>(options.opset_version >= 13 && options.opset_version <= 20,
                    "onnx: opset_version {} is not supported (13 to 20 are)",
                    options.opset_version);
  const Pending::Pause pause;  // the recording stays one while constants are evaluated
  const size_t named = options.input_batch.size();
  check<ValueError>(named == 0 || named == inputs.size(), "onnx: {} names of batches for {} inputs",
                    named, inputs.size());
  std::vector<bool> dynamic(inputs.size(), options.dynamic_batch);
  for (size_t i = 0; i < named; ++i) dynamic[i] = !options.input_batch[i].empty();
  const Trace t = trace(f, inputs, dynamic);
  return OnnxExporter(t, options, names).run();
}

void export_onnx(nn::Module& module, const Tensor& input, const std::string& path,
                 const OnnxOptions& options) {
  // Parents come first, so children keep modes of their own.
  struct Modes {
    std::vector<std::pair<nn::ModulePtr, bool>> before;
    nn::Module& module;
    bool training;
    ~Modes() {
      module.train(training);
      for (const auto& [m, mode] : before) m->train(mode);
    }
  } modes{{}, module, module.training()};
  for (const auto& [name, m] : module.named_modules())
    if (!name.empty()) modes.before.emplace_back(m, m->training());
  module.eval();
  const std::string bytes =
      onnx_bytes([&](std::span<const Tensor> x) { return std::vector<Tensor>{module(x[0])}; },
                 std::span(&input, 1), options, module.state_dict());
  write_atomically(path, bytes_of(bytes));
}

}  // namespace ballast::io

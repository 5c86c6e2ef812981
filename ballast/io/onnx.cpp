#include "ballast/io/onnx.h"

#include "ballast/base/file.h"
#include "ballast/graph/pending.h"
#include "ballast/io/onnx_export.h"
#include "ballast/io/state.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/matmul.h"

namespace ballast::io {
namespace {

std::vector<std::string> names_of(const char* kind, const std::vector<std::string>& given,
                                  size_t count) {
  check<ValueError>(given.empty() || given.size() == count, "onnx: {} names for {} {}s",
                    given.size(), count, kind);
  if (!given.empty()) return given;
  if (count == 1) return {kind};
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back(fmt::format("{}{}", kind, i));
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
  const auto [at, added] = values_.try_emplace(&input);
  if (added) at->second = graph.constant(array(n, i), name_of_constant(n, i));
  return at->second;
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
    const bool product = to->op == &conv2d_op() || to->op == &matmul_op();
    if (!single() || !product || folded_.contains(to) || !is_constant(*to, 1)) continue;
    if (to->inputs.size() > 2 && !is_constant(*to, 2)) continue;
    folded_.emplace(to, array(*n, 1));
    folded_away_.emplace(n, true);
  }
}

void OnnxExporter::declare(bool outputs) {
  const std::vector<Tensor>& tensors = outputs ? trace.outputs : trace.inputs;
  const auto names = outputs ? names_of("output", options_.output_names, tensors.size())
                             : names_of("input", options_.input_names, tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Node& n = tensors[i].node();
    if (outputs) {
      graph.output(names[i], n.dtype, sizes(n));
    } else {
      graph.input(names[i], n.dtype, sizes(n));
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
    graph.name_output(known ? values_.at(&y.node()) : graph.constant(to_array(y)), names[i]);
  }
  return graph.bytes(options_.opset_version);
}

std::string onnx_bytes(const OnnxFunction& f, std::span<const Tensor> inputs,
                       const OnnxOptions& options, const StateDict& names) {
  check<ValueError>(options.opset_version >= 13 && options.opset_version <= 17,
                    "onnx: opset_version {} is not supported (13 to 17 are)",
                    options.opset_version);
  const Pending::Pause pause;  // the recording stays one while constants are evaluated
  const Trace t = trace(f, inputs, options.dynamic_batch);
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

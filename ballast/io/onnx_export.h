// From recorded operations to ONNX's. Not part of the public interface.
#pragma once

#include <optional>
#include <unordered_map>

#include "ballast/io/onnx_graph.h"
#include "ballast/io/onnx_trace.h"

namespace ballast::io {

class OnnxExporter {
 public:
  OnnxExporter(const Trace& trace, const OnnxOptions& options, const StateDict& names);
  std::string run();

  // For the operations.
  using Value = OnnxGraph::Value;
  OnnxGraph graph;
  const Trace& trace;
  /// The value of input `i` of a node.
  Value in(const Node& n, int i);
  bool is_constant(const Node& n, int i) const { return !trace.depends(*n.inputs[i]); }
  /// The elements of a constant input.
  Array array(const Node& n, int i) const;
  /// The sizes of a value, -1 for those that depend on the batch's.
  std::vector<int64_t> sizes(const Node& n) const;
  /// `sizes` of a node as a value. One -1 may stay, which a reshape makes up for (`reshape`); in
  /// place of others, the batch's size is put in. Throws NotImplementedError where one is another.
  Value shape_value(const Node& n, std::vector<int64_t> sizes, bool reshape = true);
  /// A reduction that had its dimensions as an attribute before operators of version 18.
  Value reduce(const char* operation, const Value& x, const std::vector<int64_t>& dims,
               bool keepdims);
  /// The value of a node that has been exported already.
  const Value& value(const Node& n) const { return values_.at(&n); }
  /// The affine map per channel (rows mean, scale, shift) folded into this node; none mostly.
  const Array* folded(const Node& n) const;
  bool is_folded_away(const Node& n) const { return folded_away_.contains(&n); }
  /// The name that a constant has in the state dict; else "".
  std::string name_of_constant(const Node& n, int i) const;

 private:
  void find_folds();
  void declare(bool outputs);
  std::vector<OnnxGraph::Size> named_sizes(const Node& n, size_t i, bool output) const;
  /// The value of a constant.
  Value constant(const Ref<Node>& n);
  /// The batch's size, as a list of one number.
  Value batch();

  const OnnxOptions& options_;
  Value batch_;
  std::unordered_map<const Node*, std::string> names_;
  std::unordered_map<const Node*, Value> values_;  // of nodes, and of constants once used
  std::unordered_map<const Node*, Array> folded_;
  std::unordered_map<const Node*, bool> folded_away_;
};

/// Exports one node. Throws NotImplementedError for an operation that ONNX lacks.
OnnxGraph::Value export_node(OnnxExporter& e, const Node& n);

}  // namespace ballast::io

#include "ballast/io/onnx_graph.h"

#include <algorithm>
#include <ranges>

#include "ballast/base/version.h"
#include "ballast/io/proto.h"

namespace ballast::io {
namespace {

// Numbers of fields and types: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
enum AttributeType { kFloat = 1, kInt = 2, kInts = 7 };

ProtoMessage message_of(const char* name, const OnnxGraph::Attribute& a) {
  ProtoMessage m;
  m.text(1, name);
  if (const auto* i = std::get_if<int64_t>(&a)) {
    m.integer(3, *i).integer(20, kInt);
  } else if (const auto* f = std::get_if<double>(&a)) {
    m.real(2, static_cast<float>(*f)).integer(20, kFloat);
  } else {
    for (int64_t v : std::get<std::vector<int64_t>>(a)) m.integer(8, v);
    m.integer(20, kInts);
  }
  return m;
}

ProtoMessage message_of(const std::string& name, const Array& a) {
  ProtoMessage m;
  for (int64_t d : a.shape) m.integer(1, d);
  m.integer(2, OnnxGraph::type_of(a.dtype)).text(8, name);
  const char* data = a.bytes() > 0 ? reinterpret_cast<const char*>(a.data->data()) : "";
  return m.text(9, {data, a.bytes()});
}

ProtoMessage message_of(const std::string& name, DType dtype,
                        const std::vector<OnnxGraph::Size>& sizes) {
  ProtoMessage shape;
  for (const OnnxGraph::Size& size : sizes) {
    const auto* symbol = std::get_if<std::string>(&size);
    shape.message(1, symbol ? ProtoMessage().text(2, *symbol)
                            : ProtoMessage().integer(1, std::get<int64_t>(size)));
  }
  ProtoMessage tensor;
  tensor.integer(1, OnnxGraph::type_of(dtype)).message(2, shape);
  ProtoMessage m;
  return m.text(1, name).message(2, ProtoMessage().message(1, tensor));
}

}  // namespace

int64_t OnnxGraph::type_of(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return 9;
    case DType::kUint8:
      return 2;
    case DType::kInt64:
      return 7;
    case DType::kFloat32:
      return 1;
    case DType::kFloat64:
      return 11;
    case DType::kInt8:
      return 3;
    case DType::kUint16:
      return 4;
    case DType::kInt16:
      return 5;
    case DType::kInt32:
      return 6;
    case DType::kFloat16:
      return 10;
    case DType::kBFloat16:
      break;
  }
  return 16;
}

OnnxGraph::Value OnnxGraph::fresh(const std::string& wanted) {
  const int count = used_[wanted]++;
  return count == 0 ? wanted : fresh(fmt::format("{}_{}", wanted, count));
}

void OnnxGraph::input(const Value& name, DType dtype, const std::vector<Size>& sizes) {
  check<ValueError>(fresh(name) == name, "onnx: two inputs or outputs are called '{}'", name);
  inputs_.push_back({name, dtype, sizes});
}

void OnnxGraph::output(const Value& name, DType dtype, const std::vector<Size>& sizes) {
  check<ValueError>(fresh(name) == name, "onnx: two inputs or outputs are called '{}'", name);
  outputs_.push_back({name, dtype, sizes});
}

OnnxGraph::Value OnnxGraph::constant(const Array& array, const std::string& name) {
  return constants_.emplace_back(fresh(name.empty() ? "constant" : name), array).first;
}

OnnxGraph::Value OnnxGraph::integers(const std::vector<int64_t>& values) {
  Value& name = integers_[values];
  if (name.empty())
    name = constant(Array::of<int64_t>({static_cast<int64_t>(values.size())}, values));
  return name;
}

OnnxGraph::Value OnnxGraph::number(double value, DType dtype) {
  Value& name = numbers_[{value, dtype}];
  if (!name.empty()) return name;
  const Array a = Array::empty(dtype, {});
  convert_elements(&value, DType::kFloat64, a.data->data(), dtype, 1);
  return name = constant(a);
}

OnnxGraph::Value OnnxGraph::node(const char* operation, Inputs inputs, Attributes attributes,
                                 int at) {
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  std::vector<Value> unread;
  while (static_cast<int>(unread.size()) < at) unread.push_back(fresh("unread"));
  nodes_.push_back(
      {operation, std::move(inputs), fresh(operation), std::move(attributes), std::move(unread)});
  return nodes_.back().output;
}

void OnnxGraph::name_output(const Value& value, const Value& name) {
  const auto is_output = [&](const Declared& d) { return d.name == value; };
  const bool computed =
      std::ranges::any_of(nodes_, [&](const Node& n) { return n.output == value; });
  if (!computed || std::ranges::any_of(outputs_, is_output)) {
    nodes_.push_back({"Identity", {value}, name, {}, {}});
    return;
  }
  for (Node& n : nodes_) {
    if (n.output == value) n.output = name;
    std::ranges::replace(n.inputs, value, name);
  }
}

/// What outputs are computed from, by name.
std::set<OnnxGraph::Value> OnnxGraph::needed() const {
  std::set<Value> needed;
  for (const Declared& d : outputs_) needed.insert(d.name);
  for (auto n = nodes_.rbegin(); n != nodes_.rend(); ++n)
    if (needed.contains(n->output)) needed.insert(n->inputs.begin(), n->inputs.end());
  return needed;
}

std::string OnnxGraph::bytes(int64_t opset_version, bool open_constants) const {
  const std::set<Value> kept = needed();
  ProtoMessage graph;
  for (const Node& n : nodes_) {
    if (!kept.contains(n.output)) continue;
    ProtoMessage m;
    for (const Value& v : n.inputs) m.text(1, v);
    for (const Value& v : n.unread) m.text(2, v);
    m.text(2, n.output).text(3, n.output).text(4, n.operation);
    for (const auto& [name, value] : n.attributes) m.message(5, message_of(name, value));
    graph.message(1, m);
  }
  graph.text(2, "ballast");
  for (const auto& [name, array] : constants_)
    if (kept.contains(name)) graph.message(5, message_of(name, array));
  for (const Declared& d : inputs_) graph.message(11, message_of(d.name, d.dtype, d.sizes));
  if (open_constants)
    for (const auto& [name, array] : constants_)
      if (kept.contains(name))
        graph.message(11, message_of(name, array.dtype, {array.shape.begin(), array.shape.end()}));
  for (const Declared& d : outputs_) graph.message(12, message_of(d.name, d.dtype, d.sizes));

  ProtoMessage model;
  // The version of the format that came with the operators.
  model.integer(1, opset_version < 19 ? 8 : 9).text(2, "ballast").text(3, std::string(version()));
  model.message(7, graph);
  model.message(8, ProtoMessage().text(1, "").integer(2, opset_version));
  return model.bytes();
}

}  // namespace ballast::io

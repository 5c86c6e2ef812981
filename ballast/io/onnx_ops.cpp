// One function per operation, or per family: what it is in ONNX.
// Operators: https://onnx.ai/onnx/operators/
#include "ballast/io/onnx_ops.h"

#include <cmath>
#include <numbers>

#include "ballast/ops/reduce.h"
#include "ballast/ops/softmax.h"

namespace ballast::io {
namespace {

using Value = OnnxGraph::Value;

Ints dims_of(uint64_t mask) {
  Ints dims;
  for (int d = 0; d < 64; ++d)
    if (mask >> d & 1) dims.push_back(d);
  return dims;
}

Value simple(OnnxExporter& e, const Node& n, const char* operation,
             OnnxGraph::Attributes attributes = {}) {
  OnnxGraph::Inputs inputs;
  for (int i = 0; i < n.inputs.size(); ++i) inputs.push_back(e.in(n, i));
  return e.graph.node(operation, std::move(inputs), std::move(attributes));
}

// ---- reductions ----

Value sum_of(OnnxExporter& e, const Node& n) {
  Value x = e.in(n, 0);
  if (n.inputs[0]->dtype != n.dtype)
    x = e.graph.node("Cast", {x}, {{"to", OnnxGraph::type_of(n.dtype)}});
  const Ints dims = dims_of(n.attributes.as<SumAttributes>().mask);
  return e.graph.node("ReduceSum", {x, e.graph.integers(dims)}, {{"keepdims", int64_t{0}}});
}

/// A sum times one over the number of its terms is a mean.
Value mean_of(OnnxExporter& e, const Node& n) {
  const int scalar = e.is_constant(n, 0) ? 0 : 1;
  if (!e.is_constant(n, scalar) || n.inputs[scalar]->shape.numel() != 1) return "";
  const Node* sum = n.inputs[1 - scalar].get();
  const Node* const shaped = sum;
  if (sum->op && sum->op->name() == std::string_view("reshape")) sum = sum->inputs[0].get();
  if (sum->op != &sum_op() || sum->dtype != n.dtype || sum->evaluated()) return "";
  const Shape& from = sum->inputs[0]->shape;
  const Ints dims = dims_of(sum->attributes.as<SumAttributes>().mask);
  double count = 1;
  Shape kept = from;
  for (int64_t d : dims) {
    count *= static_cast<double>(from[static_cast<int>(d)]);
    kept[static_cast<int>(d)] = 1;
  }
  double factor = 0;
  const Array a = e.array(n, scalar);
  dispatch(a.dtype, [&](auto zero) { factor = static_cast<double>(a.as<decltype(zero)>()[0]); });
  const double unit = n.dtype == DType::kFloat32 ? 0x1p-23 : 0x1p-52;
  const bool reshaped = shaped != sum;
  if (std::fabs(factor * count - 1) > unit || n.shape != shaped->shape ||
      (reshaped && shaped->shape != kept))
    return "";
  const Value x = e.value(*sum->inputs[0]);
  if (reshaped && from.rank() == 4 && dims == Ints{2, 3})
    return e.graph.node("GlobalAveragePool", {x});
  return e.reduce("ReduceMean", x, dims, reshaped);
}

Value extreme(OnnxExporter& e, const Node& n, const char* operation) {
  return e.reduce(operation, e.in(n, 0), dims_of(n.attributes.as<SumAttributes>().mask), false);
}

// ---- functions ----

Value clamp(OnnxExporter& e, const Node& n) {
  const auto [low, high] = fields<double, 2>(n);
  const auto bound = [&](double v) {
    return std::isnan(v) || std::isinf(v) ? Value() : e.graph.number(v, n.dtype);
  };
  return e.graph.node("Clip", {e.in(n, 0), bound(low), bound(high)});
}

Value softplus(OnnxExporter& e, const Node& n) {
  const auto [beta, threshold] = fields<double, 2>(n);
  // Beyond the threshold the function is x; from 20 on that is no difference in float32.
  check<NotImplementedError>(threshold >= 20, "onnx: softplus with threshold {} is not in ONNX",
                             threshold);
  if (beta == 1) return e.graph.node("Softplus", {e.in(n, 0)});
  const Value b = e.graph.number(beta, n.dtype);
  const Value y = e.graph.node("Softplus", {e.graph.node("Mul", {e.in(n, 0), b})});
  return e.graph.node("Div", {y, b});
}

Value gelu(OnnxExporter& e, const Node& n) {
  const auto number = [&](double v) { return e.graph.number(v, n.dtype); };
  const Value x = e.in(n, 0);
  const Value erf = e.graph.node("Erf", {e.graph.node("Div", {x, number(std::numbers::sqrt2)})});
  const Value twice = e.graph.node("Mul", {x, e.graph.node("Add", {erf, number(1)})});
  return e.graph.node("Mul", {twice, number(0.5)});
}

// ---- divisions, order ----

Value floor_divide(OnnxExporter& e, const Node& n) {
  check<NotImplementedError>(is_floating(n.dtype),
                             "onnx: floor_divide of whole numbers cannot be exported; divide "
                             "floating-point numbers");
  return e.graph.node("Floor", {simple(e, n, "Div")});
}

Value remainder(OnnxExporter& e, const Node& n) {
  if (!is_floating(n.dtype)) return simple(e, n, "Mod");
  const Value times = e.graph.node("Mul", {floor_divide(e, n), e.in(n, 1)});
  return e.graph.node("Sub", {e.in(n, 0), times});
}

Value argsort(OnnxExporter& e, const Node& n) {
  const auto [dim, descending] = fields<int64_t, 2>(n);
  const int64_t size = e.sizes(n)[static_cast<size_t>(dim)];
  check<NotImplementedError>(size >= 0, "onnx: sorting along the batch cannot be exported");
  return e.graph.node("TopK", {e.in(n, 0), e.graph.integers({size})},
                      {{"axis", dim}, {"largest", descending}, {"sorted", int64_t{1}}}, 1);
}

Value cumsum(OnnxExporter& e, const Node& n) {
  const auto [dim, from_the_end] = fields<int64_t, 2>(n);
  return e.graph.node("CumSum",
                      {e.in(n, 0), e.graph.number(static_cast<double>(dim), DType::kInt64)},
                      {{"reverse", from_the_end}});
}

// ---- shapes ----

Value reshape(OnnxExporter& e, const Node& n) {
  Ints sizes = e.sizes(n);
  const Node& from = *n.inputs[0];
  if (sizes == e.sizes(from) && n.shape == from.shape) return e.in(n, 0);
  if (n.shape.rank() == 2 && from.shape.rank() > 2 && n.shape[0] == from.shape[0] &&
      std::count(sizes.begin() + 1, sizes.end(), -1) == 0)
    return e.graph.node("Flatten", {e.in(n, 0)}, {{"axis", int64_t{1}}});
  // ONNX takes a zero for "as before": such shapes come only with allowzero.
  const bool empty = std::count(sizes.begin(), sizes.end(), 0) > 0;
  return e.graph.node(
      "Reshape", {e.in(n, 0), e.shape_value(n, sizes)},
      empty ? OnnxGraph::Attributes{{"allowzero", int64_t{1}}} : OnnxGraph::Attributes{});
}

Value expand(OnnxExporter& e, const Node& n) {
  Ints sizes = e.sizes(n);
  const Node& from = *n.inputs[0];
  for (int d = 0; d < n.shape.rank(); ++d) {
    const int own = d - (n.shape.rank() - from.shape.rank());
    if (sizes[d] < 0 && own >= 0 && from.shape[own] == n.shape[d]) sizes[d] = 1;  // keeps its own
  }
  return e.graph.node("Expand", {e.in(n, 0), e.shape_value(n, sizes, false)});
}

Value permute(OnnxExporter& e, const Node& n) {
  const uint64_t from = fields<uint64_t, 1>(n)[0];
  Ints perm;
  for (int d = 0; d < n.shape.rank(); ++d) perm.push_back(static_cast<int64_t>(from >> 4 * d & 15));
  return e.graph.node("Transpose", {e.in(n, 0)}, {{"perm", perm}});
}

Value slice(OnnxExporter& e, const Node& n) {
  const auto [dim, start, step] = fields<int64_t, 3>(n);
  const int d = static_cast<int>(dim);
  check<NotImplementedError>(e.sizes(n)[d] >= 0 || step == 1,
                             "onnx: a slice with steps along the batch cannot be exported");
  const int64_t end = e.sizes(n)[d] >= 0 ? start + n.shape[d] * step : INT64_MAX;
  return e.graph.node("Slice", {e.in(n, 0), e.graph.integers({start}), e.graph.integers({end}),
                                e.graph.integers({dim}), e.graph.integers({step})});
}

Value flip(OnnxExporter& e, const Node& n) {
  const Ints dims = dims_of(fields<uint64_t, 1>(n)[0]);
  const Ints first(dims.size(), -1), end(dims.size(), INT64_MIN);
  return e.graph.node("Slice", {e.in(n, 0), e.graph.integers(first), e.graph.integers(end),
                                e.graph.integers(dims), e.graph.integers(first)});
}

Value cat(OnnxExporter& e, const Node& n) {
  OnnxGraph::Inputs inputs;
  for (int i = 0; i < n.inputs.size(); ++i) inputs.push_back(e.in(n, i));
  return e.graph.node("Concat", std::move(inputs), {{"axis", fields<int64_t, 1>(n)[0]}});
}

Value along(OnnxExporter& e, const Node& n, const char* operation) {
  OnnxGraph::Inputs inputs;
  for (int i = 0; i < n.inputs.size(); ++i) inputs.push_back(e.in(n, i));
  return e.graph.node(operation, std::move(inputs), {{"axis", fields<int64_t, 1>(n)[0]}});
}

// ---- the list ----

/// ONNX's node of that name with the same inputs.
struct Same {
  std::string_view op;
  const char* onnx;
};
constexpr Same kSame[] = {
    {"add", "Add"},         {"sub", "Sub"},       {"div", "Div"},
    {"maximum", "Max"},     {"minimum", "Min"},   {"neg", "Neg"},
    {"abs", "Abs"},         {"sqrt", "Sqrt"},     {"reciprocal", "Reciprocal"},
    {"exp", "Exp"},         {"log", "Log"},       {"tanh", "Tanh"},
    {"sigmoid", "Sigmoid"}, {"relu", "Relu"},     {"hardswish", "HardSwish"},
    {"eq", "Equal"},        {"lt", "Less"},       {"le", "LessOrEqual"},
    {"logical_and", "And"}, {"logical_or", "Or"}, {"where", "Where"},
    {"sin", "Sin"},         {"cos", "Cos"},       {"tan", "Tan"},
    {"asin", "Asin"},       {"acos", "Acos"},     {"atan", "Atan"},
    {"sinh", "Sinh"},       {"cosh", "Cosh"},     {"asinh", "Asinh"},
    {"acosh", "Acosh"},     {"atanh", "Atanh"},   {"erf", "Erf"},
    {"floor", "Floor"},     {"ceil", "Ceil"},     {"round", "Round"},
    {"sign", "Sign"},       {"length", "Sqrt"},   {"pow_tensor", "Pow"},
};

constexpr OnnxEntry kEntries[] = {
    {"sum", sum_of},
    {"clamp", clamp},
    {"softplus", softplus},
    {"gelu", gelu},
    {"floor_divide", floor_divide},
    {"remainder", remainder},
    {"fmod",
     [](OnnxExporter& e, const Node& n) {
       return simple(e, n, "Mod", {{"fmod", int64_t{1}}});
     }},
    {"argsort", argsort},
    {"cumsum", cumsum},
    {"log1p",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Log", {e.graph.node("Add", {e.in(n, 0), e.graph.number(1, n.dtype)})});
     }},
    {"expm1",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Sub", {simple(e, n, "Exp"), e.graph.number(1, n.dtype)});
     }},
    {"exp2",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Pow", {e.graph.number(2, n.dtype), e.in(n, 0)});
     }},
    {"log2",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Div",
                           {simple(e, n, "Log"), e.graph.number(std::numbers::ln2, n.dtype)});
     }},
    {"log10",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Div",
                           {simple(e, n, "Log"), e.graph.number(std::numbers::ln10, n.dtype)});
     }},
    {"log_sigmoid",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Neg", {e.graph.node("Softplus", {e.graph.node("Neg", {e.in(n, 0)})})});
     }},
    {"mish",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Mul", {e.in(n, 0), e.graph.node("Tanh", {simple(e, n, "Softplus")})});
     }},
    {"reshape", reshape},
    {"expand", expand},
    {"expand_pixels", expand},
    {"permute", permute},
    {"slice", slice},
    {"flip", flip},
    {"cat", cat},
    {"mul",
     [](OnnxExporter& e, const Node& n) {
       const Value mean = mean_of(e, n);
       return mean.empty() ? simple(e, n, "Mul") : mean;
     }},
    {"square",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Mul", {e.in(n, 0), e.in(n, 0)});
     }},
    {"rsqrt",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Reciprocal", {e.graph.node("Sqrt", {e.in(n, 0)})});
     }},
    {"ne",
     [](OnnxExporter& e, const Node& n) { return e.graph.node("Not", {simple(e, n, "Equal")}); }},
    {"amax", [](OnnxExporter& e, const Node& n) { return extreme(e, n, "ReduceMax"); }},
    {"amin", [](OnnxExporter& e, const Node& n) { return extreme(e, n, "ReduceMin"); }},
    {"argmax",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("ArgMax", {e.in(n, 0)},
                           {{"axis", fields<int64_t, 1>(n)[0]}, {"keepdims", int64_t{0}}});
     }},
    {"argmin",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("ArgMin", {e.in(n, 0)},
                           {{"axis", fields<int64_t, 1>(n)[0]}, {"keepdims", int64_t{0}}});
     }},
    {"logsumexp",
     [](OnnxExporter& e, const Node& n) {
       return e.reduce("ReduceLogSumExp", e.in(n, 0), {fields<int64_t, 1>(n)[0]}, true);
     }},
    {"softmax", [](OnnxExporter& e, const Node& n) { return along(e, n, "Softmax"); }},
    {"log_softmax", [](OnnxExporter& e, const Node& n) { return along(e, n, "LogSoftmax"); }},
    {"gather", [](OnnxExporter& e, const Node& n) { return along(e, n, "GatherElements"); }},
    {"index_select", [](OnnxExporter& e, const Node& n) { return along(e, n, "Gather"); }},
    {"cast",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Cast", {e.in(n, 0)}, {{"to", OnnxGraph::type_of(n.dtype)}});
     }},
    {"leaky_relu",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("LeakyRelu", {e.in(n, 0)}, {{"alpha", fields<double, 2>(n)[0]}});
     }},
    {"elu",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("Elu", {e.in(n, 0)}, {{"alpha", fields<double, 2>(n)[0]}});
     }},
    {"hardsigmoid",
     [](OnnxExporter& e, const Node& n) {
       return e.graph.node("HardSigmoid", {e.in(n, 0)}, {{"alpha", 1.0 / 6}, {"beta", 0.5}});
     }},
    {"pow",
     [](OnnxExporter& e, const Node& n) {
       const Value exponent = e.graph.number(fields<double, 2>(n)[0], n.dtype);
       return e.graph.node("Pow", {e.in(n, 0), exponent});
     }},
};

}  // namespace

Value export_node(OnnxExporter& e, const Node& n) {
  const std::string_view op = n.op->name();
  for (const Same& s : kSame)
    if (s.op == op) return simple(e, n, s.onnx);
  for (const auto& entries : {std::span<const OnnxEntry>(kEntries), onnx_layer_entries()})
    for (const OnnxEntry& entry : entries)
      if (entry.op == op) return entry.run(e, n);
  fail<NotImplementedError>("onnx: the operation '{}' cannot be exported", op);
}

}  // namespace ballast::io

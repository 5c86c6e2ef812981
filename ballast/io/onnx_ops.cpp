// One function per operation, or per family: what it is in ONNX.
// Operators: https://onnx.ai/onnx/operators/
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>

#include "ballast/io/onnx_export.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pool.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/softmax.h"

namespace ballast::io {
namespace {

using Value = OnnxGraph::Value;
using Ints = std::vector<int64_t>;

/// The attributes of an operation that keeps their type to itself: N numbers.
template <class T, size_t N>
std::array<T, N> fields(const Node& n) {
  std::array<T, N> out;
  const auto bytes = n.attributes.bytes();
  check<NotImplementedError>(bytes.size() == sizeof out, "onnx: '{}' has other attributes",
                             n.op->name());
  std::memcpy(out.data(), bytes.data(), sizeof out);
  return out;
}

Ints dims_of(uint64_t mask) {
  Ints dims;
  for (int d = 0; d < 64; ++d)
    if (mask >> d & 1) dims.push_back(d);
  return dims;
}

Value simple(OnnxExporter& e, const Node& n, const char* operation) {
  OnnxGraph::Inputs inputs;
  for (int i = 0; i < n.inputs.size(); ++i) inputs.push_back(e.in(n, i));
  return e.graph.node(operation, std::move(inputs));
}

// ---- products ----

/// Weights and bias of a product, with an affine map per output channel folded in where there is
/// one: s*(w*x + b - m) + t = (s*w)*x + (s*(b - m) + t). `per_channel`: how many weights of one
/// output channel lie together.
struct Weights {
  Value weight, bias;
};
Weights weights_of(OnnxExporter& e, const Node& n, int64_t per_channel) {
  const bool has_bias = n.inputs.size() > 2;
  const Array* k = e.folded(n);
  if (!k) return {e.in(n, 1), has_bias ? e.in(n, 2) : ""};
  const Array old = e.array(n, 1), old_bias = has_bias ? e.array(n, 2) : Array();
  const Array weight = Array::empty(old.dtype, old.shape);
  const int64_t channels = k->shape[1];
  const Array bias = Array::empty(old.dtype, {channels});
  dispatch_floating(old.dtype, "onnx", [&](auto zero) {
    using T = decltype(zero);
    const auto m = k->as<T>(), s = m.subspan(channels), t = s.subspan(channels);
    const auto w = old.as<T>();
    for (size_t i = 0; i < w.size(); ++i) {
      const int64_t c = static_cast<int64_t>(i) / per_channel % channels;
      weight.as<T>()[i] = static_cast<T>(static_cast<double>(w[i]) * s[c]);
    }
    for (int64_t c = 0; c < channels; ++c) {
      const double b = has_bias ? old_bias.as<T>()[c] : 0;
      bias.as<T>()[c] = static_cast<T>((b - m[c]) * s[c] + t[c]);
    }
  });
  const std::string name = e.name_of_constant(n, 1);
  const size_t dot = name.rfind("weight");
  return {e.graph.constant(weight, name),
          e.graph.constant(bias, dot == name.npos ? "" : name.substr(0, dot) + "bias")};
}

Value conv(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<Conv2dAttributes>();
  const Shape& w = n.inputs[1]->shape;
  const Weights k = weights_of(e, n, w.span_numel(1, 4));
  return e.graph.node("Conv", {e.in(n, 0), k.weight, k.bias},
                      {{"dilations", Ints{a.dilation[0], a.dilation[1]}},
                       {"group", a.groups},
                       {"kernel_shape", Ints{w[2], w[3]}},
                       {"pads", Ints{a.padding[0], a.padding[1], a.padding[0], a.padding[1]}},
                       {"strides", Ints{a.stride[0], a.stride[1]}}});
}

Value gemm(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<MatmulAttributes>();
  const Weights k = weights_of(e, n, a.transpose_b ? n.inputs[1]->shape[1] : 1);
  return e.graph.node("Gemm", {e.in(n, 0), k.weight, k.bias},
                      {{"transA", a.transpose_a}, {"transB", a.transpose_b}});
}

Value batched_product(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<MatmulAttributes>();
  const auto side = [&](int i, bool transposed) {
    return transposed ? e.graph.node("Transpose", {e.in(n, i)}, {{"perm", Ints{0, 2, 1}}})
                      : e.in(n, i);
  };
  return e.graph.node("MatMul", {side(0, a.transpose_a), side(1, a.transpose_b)});
}

/// (x - m)*s + t: what batch normalization is with variance 1.
Value affine(OnnxExporter& e, const Node& n) {
  if (e.is_folded_away(n)) return e.in(n, 0);
  check<NotImplementedError>(e.is_constant(n, 1),
                             "onnx: batch normalization by the batch's own statistics cannot be "
                             "exported (it has no running statistics, or is in training mode)");
  const Array k = e.array(n, 1);
  const int64_t channels = k.shape[1];
  Array rows[4];  // scale, shift, mean, variance
  for (Array& row : rows) row = Array::empty(k.dtype, {channels});
  dispatch_floating(k.dtype, "onnx", [&](auto zero) {
    using T = decltype(zero);
    for (int64_t c = 0; c < channels; ++c) {
      rows[0].as<T>()[c] = k.as<T>()[channels + c];
      rows[1].as<T>()[c] = k.as<T>()[2 * channels + c];
      rows[2].as<T>()[c] = k.as<T>()[c];
      rows[3].as<T>()[c] = 1;
    }
  });
  OnnxGraph::Inputs inputs{e.in(n, 0)};
  for (const char* name : {"scale", "shift", "mean", "variance"})
    inputs.push_back(e.graph.constant(rows[inputs.size() - 1], name));
  return e.graph.node("BatchNormalization", std::move(inputs), {{"epsilon", 0.0}});
}

// ---- windows ----

/// The padding that gives exactly the recorded number of windows. Padding at the end that no window
/// reaches is left out, which is no difference; padding that ceil_mode adds is put in.
Ints pads_of(const Node& n, const int64_t* kernel, const int64_t* stride, const int64_t* padding,
             const int64_t* dilation) {
  Ints pads{padding[0], padding[1], 0, 0};
  for (int d : {0, 1}) {
    const int64_t reach = (n.shape[2 + d] - 1) * stride[d] + dilation[d] * (kernel[d] - 1) + 1;
    pads[2 + d] = std::max<int64_t>(reach - n.inputs[0]->shape[2 + d] - padding[d], 0);
  }
  return pads;
}

Value max_pool(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<MaxPool2dAttributes>();
  return e.graph.node("MaxPool", {e.in(n, 0)},
                      {{"dilations", Ints{a.dilation[0], a.dilation[1]}},
                       {"kernel_shape", Ints{a.kernel[0], a.kernel[1]}},
                       {"pads", pads_of(n, a.kernel, a.stride, a.padding, a.dilation)},
                       {"strides", Ints{a.stride[0], a.stride[1]}}});
}

Value avg_pool(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<AvgPool2dAttributes>();
  const int64_t dilation[2] = {1, 1};
  const Ints pads = pads_of(n, a.kernel, a.stride, a.padding, dilation);
  const bool beyond = pads[2] > a.padding[0] || pads[3] > a.padding[1];
  check<NotImplementedError>(!beyond || !a.count_include_pad,
                             "onnx: avg_pool2d with ceil_mode=True and count_include_pad=True has "
                             "windows that ONNX counts otherwise");
  return e.graph.node("AveragePool", {e.in(n, 0)},
                      {{"count_include_pad", a.count_include_pad},
                       {"kernel_shape", Ints{a.kernel[0], a.kernel[1]}},
                       {"pads", pads},
                       {"strides", Ints{a.stride[0], a.stride[1]}}});
}

Value adaptive_pool(OnnxExporter& e, const Node& n) {
  Ints window;
  for (int d : {2, 3}) {
    const int64_t size = n.inputs[0]->shape[d], out = n.shape[d];
    check<NotImplementedError>(out > 0 && size % out == 0,
                               "onnx: adaptive_avg_pool2d from {} to {} elements has windows of "
                               "different sizes",
                               size, out);
    window.push_back(size / out);
  }
  return e.graph.node("AveragePool", {e.in(n, 0)}, {{"kernel_shape", window}, {"strides", window}});
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
  return e.graph.node("ReduceMean", {x}, {{"axes", dims}, {"keepdims", int64_t{reshaped}}});
}

Value extreme(OnnxExporter& e, const Node& n, const char* operation) {
  return e.graph.node(
      operation, {e.in(n, 0)},
      {{"axes", dims_of(n.attributes.as<SumAttributes>().mask)}, {"keepdims", int64_t{0}}});
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

// ---- shapes ----

Value reshape(OnnxExporter& e, const Node& n) {
  const Ints sizes = e.sizes(n);
  const Node& from = *n.inputs[0];
  if (sizes == e.sizes(from) && n.shape == from.shape) return e.in(n, 0);
  if (n.shape.rank() == 2 && from.shape.rank() > 2 && n.shape[0] == from.shape[0] &&
      std::count(sizes.begin() + 1, sizes.end(), -1) == 0)
    return e.graph.node("Flatten", {e.in(n, 0)}, {{"axis", int64_t{1}}});
  check<NotImplementedError>(std::count(sizes.begin(), sizes.end(), -1) <= 1,
                             "onnx: a reshape to {} depends on the batch size twice", n.shape);
  // ONNX takes a zero for "as before": such shapes come only with allowzero.
  const bool empty = std::count(sizes.begin(), sizes.end(), 0) > 0;
  return e.graph.node(
      "Reshape", {e.in(n, 0), e.graph.integers(sizes)},
      empty ? OnnxGraph::Attributes{{"allowzero", int64_t{1}}} : OnnxGraph::Attributes{});
}

Value expand(OnnxExporter& e, const Node& n) {
  Ints sizes = e.sizes(n);
  const Node& from = *n.inputs[0];
  for (int d = 0; d < n.shape.rank(); ++d) {
    if (sizes[d] >= 0) continue;
    const int own = d - (n.shape.rank() - from.shape.rank());
    check<NotImplementedError>(own >= 0 && from.shape[own] == n.shape[d],
                               "onnx: expand to {} repeats values over the batch", n.shape);
    sizes[d] = 1;  // keeps the input's
  }
  return e.graph.node("Expand", {e.in(n, 0), e.graph.integers(sizes)});
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

struct Entry {
  std::string_view op;
  Value (*run)(OnnxExporter&, const Node&);
};

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
};

const Entry kEntries[] = {
    {"conv2d", conv},
    {"matmul", gemm},
    {"bmm", batched_product},
    {"channel_affine", affine},
    {"max_pool2d", max_pool},
    {"avg_pool2d", avg_pool},
    {"adaptive_avg_pool2d", adaptive_pool},
    {"sum", sum_of},
    {"clamp", clamp},
    {"softplus", softplus},
    {"gelu", gelu},
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
       return e.graph.node("ReduceLogSumExp", {e.in(n, 0)},
                           {{"axes", Ints{fields<int64_t, 1>(n)[0]}}, {"keepdims", int64_t{1}}});
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
  for (const Entry& entry : kEntries)
    if (entry.op == op) return entry.run(e, n);
  fail<NotImplementedError>("onnx: the operation '{}' cannot be exported", op);
}

}  // namespace ballast::io

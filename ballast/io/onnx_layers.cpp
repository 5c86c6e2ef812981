// Products, normalization, pooling and resizing in ONNX.
#include <algorithm>

#include "ballast/io/onnx_ops.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pool.h"

namespace ballast::io {
namespace {

using Value = OnnxGraph::Value;

// ---- products ----

/// Weights and bias of a product, with an affine map per output channel folded in where there is
/// one: s*(w*x + b - m) + t = (s*w)*x + (s*(b - m) + t). `channel_of(i)`: the output channel that
/// weight i belongs to.
struct Weights {
  Value weight, bias;
};
template <class F>
Weights weights_of(OnnxExporter& e, const Node& n, const F& channel_of) {
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
      const double scale = s[channel_of(static_cast<int64_t>(i))];
      weight.as<T>()[i] = static_cast<T>(static_cast<double>(w[i]) * scale);
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
  const int64_t per_channel = w.span_numel(1, 4);
  const Weights k = weights_of(e, n, [&](int64_t i) { return i / per_channel; });
  return e.graph.node("Conv", {e.in(n, 0), k.weight, k.bias},
                      {{"dilations", Ints{a.dilation[0], a.dilation[1]}},
                       {"group", a.groups},
                       {"kernel_shape", Ints{w[2], w[3]}},
                       {"pads", Ints{a.padding[0], a.padding[1], a.padding[0], a.padding[1]}},
                       {"strides", Ints{a.stride[0], a.stride[1]}}});
}

/// The derivative of a convolution with respect to its input: a transposed convolution.
Value conv_transpose(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<Conv2dAttributes>();
  const Shape &w = n.inputs[1]->shape, &in = n.inputs[0]->shape;
  const int64_t per_channel = w[2] * w[3], per_group = w[0] / a.groups;
  const Weights k = weights_of(e, n, [&](int64_t i) {
    return i / w.span_numel(1, 4) / per_group * w[1] + i / per_channel % w[1];
  });
  Ints more;  // rows that no window needs to end at
  for (int d : {0, 1})
    more.push_back(n.shape[2 + d] - ((in[2 + d] - 1) * a.stride[d] - 2 * a.padding[d] +
                                     a.dilation[d] * (w[2 + d] - 1) + 1));
  return e.graph.node("ConvTranspose", {e.in(n, 0), k.weight, k.bias},
                      {{"dilations", Ints{a.dilation[0], a.dilation[1]}},
                       {"group", a.groups},
                       {"kernel_shape", Ints{w[2], w[3]}},
                       {"output_padding", more},
                       {"pads", Ints{a.padding[0], a.padding[1], a.padding[0], a.padding[1]}},
                       {"strides", Ints{a.stride[0], a.stride[1]}}});
}

Value gemm(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<MatmulAttributes>();
  const int64_t channels = n.shape[1], per_channel = a.transpose_b ? n.inputs[1]->shape[1] : 1;
  const Weights k = weights_of(e, n, [&](int64_t i) { return i / per_channel % channels; });
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

// ---- normalization ----

Value row_of(OnnxExporter& e, const Value& rows, int64_t i) {
  return e.graph.node("Slice", {rows, e.graph.integers({i}), e.graph.integers({i + 1}),
                                e.graph.integers({0}), e.graph.integers({1})});
}

/// x (N, C, ...) -> rows mean, variance and deviation (3, C).
Value moments(OnnxExporter& e, const Node& n) {
  Value x = e.in(n, 0);
  if (n.inputs[0]->dtype != n.dtype)
    x = e.graph.node("Cast", {x}, {{"to", OnnxGraph::type_of(n.dtype)}});
  Ints others{0};
  for (int d = 2; d < n.inputs[0]->shape.rank(); ++d) others.push_back(d);
  const Value mean = e.reduce("ReduceMean", x, others, true);
  const Value off = e.graph.node("Sub", {x, mean});
  const Value var = e.reduce("ReduceMean", e.graph.node("Mul", {off, off}), others, true);
  OnnxGraph::Inputs rows;
  for (const Value& v : {mean, var, e.graph.node("Sqrt", {var})})
    rows.push_back(e.graph.node("Reshape", {v, e.graph.integers({1, -1})}));
  return e.graph.node("Concat", std::move(rows), {{"axis", int64_t{0}}});
}

/// Rows mean, variance and deviation, weight and bias -> rows m, s, t of (x - m)*s + t.
Value coefficients(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<EpsAttributes>();
  const Value rows = e.in(n, 0), mean = row_of(e, rows, 0);
  const Value var = e.graph.node("Add", {row_of(e, rows, 1), e.graph.number(a.eps, n.dtype)});
  Value scale = e.graph.node("Reciprocal", {e.graph.node("Sqrt", {var})});
  const auto as_row = [&](int i) {
    return e.graph.node("Reshape", {e.in(n, i), e.graph.integers({1, -1})});
  };
  if (a.weight) scale = e.graph.node("Mul", {scale, as_row(1)});
  const Value shift =
      a.bias ? as_row(a.weight ? 2 : 1) : e.graph.node("Mul", {scale, e.graph.number(0, n.dtype)});
  return e.graph.node("Concat", {mean, scale, shift}, {{"axis", int64_t{0}}});
}

/// (x - m)*s + t by rows that are computed, too.
Value computed_affine(OnnxExporter& e, const Node& n) {
  const Value rows = e.in(n, 1);
  Ints shape(n.shape.rank(), 1);
  shape[1] = -1;
  const auto row = [&](int64_t i) {
    return e.graph.node("Reshape", {row_of(e, rows, i), e.graph.integers(shape)});
  };
  const Value centred = e.graph.node("Sub", {e.in(n, 0), row(0)});
  return e.graph.node("Add", {e.graph.node("Mul", {centred, row(1)}), row(2)});
}

/// (x - m)*s + t: what batch normalization is with variance 1.
Value affine(OnnxExporter& e, const Node& n) {
  if (e.is_folded_away(n)) return e.in(n, 0);
  if (!e.is_constant(n, 1)) return computed_affine(e, n);
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

/// x with dimension `dim` multiplied by a matrix (size, new size).
Value product_along(OnnxExporter& e, const Value& x, int rank, int dim, const Array& matrix) {
  const Value m = e.graph.constant(matrix, "windows");
  if (dim == rank - 1) return e.graph.node("MatMul", {x, m});
  Ints perm;
  for (int d = 0; d < rank; ++d) perm.push_back(d == dim ? rank - 1 : d == rank - 1 ? dim : d);
  const Value last = e.graph.node("Transpose", {x}, {{"perm", perm}});
  return e.graph.node("Transpose", {e.graph.node("MatMul", {last, m})}, {{"perm", perm}});
}

/// A matrix of type `t` with `f(m)` added in double.
template <class F>
Array matrix_of(DType t, int64_t rows, int64_t columns, const F& f) {
  const Array wide = Array::zeros(DType::kFloat64, {rows, columns}),
              m = Array::empty(t, wide.shape);
  f(wide.as<double>());
  convert_elements(wide.data->data(), DType::kFloat64, m.data->data(), t, m.numel());
  return m;
}

/// Means over windows that ONNX counts otherwise, or of different sizes: one product along each
/// dimension.
Value any_avg_pool(OnnxExporter& e, const Node& n) {
  Value y = e.in(n, 0);
  for (int d : {0, 1}) {
    const int64_t in = n.inputs[0]->shape[2 + d], out = n.shape[2 + d];
    const Array m = matrix_of(n.dtype, in, out, [&](std::span<double> to) {
      for (int64_t i = 0; i < out; ++i) {
        const PoolWindow w = pool_window(*n.op, n.attributes, d, i, in, out);
        for (int64_t k = w.begin; k < w.end; k += w.step)
          to[k * out + i] = 1 / static_cast<double>(w.count);
      }
    });
    y = product_along(e, y, 4, 2 + d, m);
  }
  return y;
}

/// Weighted sums of positions along one dimension.
Value resample(OnnxExporter& e, const Node& n) {
  const int dim = static_cast<int>(fields<int64_t, 1>(n)[0]);
  const Array from = e.array(n, 1), weights = e.array(n, 2);
  const auto at = from.as<int64_t>();
  const auto by = weights.as<double>();
  const int64_t in = n.inputs[0]->shape[dim], out = n.shape[dim];
  if (from.shape[0] == 1 && std::ranges::all_of(by, [](double w) { return w == 1; }))
    return e.graph.node("Gather", {e.in(n, 0), e.graph.integers({at.begin(), at.end()})},
                        {{"axis", int64_t{dim}}});
  const Array m = matrix_of(n.dtype, in, out, [&](std::span<double> to) {
    for (size_t t = 0; t < at.size(); ++t)
      if (by[t] != 0) to[at[t] * out + static_cast<int64_t>(t) % out] += by[t];
  });
  return product_along(e, e.in(n, 0), n.shape.rank(), dim, m);
}

Value avg_pool(OnnxExporter& e, const Node& n) {
  const auto& a = n.attributes.as<AvgPool2dAttributes>();
  const int64_t dilation[2] = {1, 1};
  const Ints pads = pads_of(n, a.kernel, a.stride, a.padding, dilation);
  const bool beyond = pads[2] > a.padding[0] || pads[3] > a.padding[1];
  if (beyond && a.count_include_pad) return any_avg_pool(e, n);
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
    if (out == 0 || size % out != 0) return any_avg_pool(e, n);
    window.push_back(size / out);
  }
  return e.graph.node("AveragePool", {e.in(n, 0)}, {{"kernel_shape", window}, {"strides", window}});
}

/// Slices added up at positions that are known.
Value index_add(OnnxExporter& e, const Node& n) {
  check<NotImplementedError>(e.is_constant(n, 1) && is_floating(n.dtype),
                             "onnx: additions at positions that depend on the input cannot be "
                             "exported");
  const int dim = static_cast<int>(fields<int64_t, 1>(n)[0]);
  const Array index = e.array(n, 1);
  const int64_t in = index.numel(), out = n.shape[dim];
  const Array m = matrix_of(n.dtype, in, out, [&](std::span<double> to) {
    for (int64_t k = 0; k < in; ++k) to[k * out + index.as<int64_t>()[k]] = 1;
  });
  return product_along(e, e.in(n, 0), n.shape.rank(), dim, m);
}

/// (planes, D, H, W) -> positions of the windows' maxima in their planes.
Value max_indices(OnnxExporter& e, const Node& n) {
  const auto a = fields<int64_t, 13>(n);  // kernel, stride, padding, dilation, adaptive
  const Shape& in = n.inputs[0]->shape;
  Ints kernel, stride, begin, end, dilation;
  for (int d = 0; d < 3; ++d) {
    const int64_t size = in[d + 1], out = n.shape[d + 1];
    check<NotImplementedError>(!a[12] || (out > 0 && size % out == 0),
                               "onnx: adaptive_max_pool from {} to {} elements has windows of "
                               "different sizes",
                               size, out);
    kernel.push_back(a[12] ? size / out : a[d]);
    stride.push_back(a[12] ? size / out : a[3 + d]);
    begin.push_back(a[12] ? 0 : a[6 + d]);
    dilation.push_back(a[12] ? 1 : a[9 + d]);
    const int64_t reach = (out - 1) * stride[d] + dilation[d] * (kernel[d] - 1) + 1;
    end.push_back(std::max<int64_t>(reach - size - begin[d], 0));
  }
  begin.insert(begin.end(), end.begin(), end.end());
  const Value one = e.graph.integers({1});
  const Value x = e.graph.node("Unsqueeze", {e.in(n, 0), one});
  const Value all = e.graph.node(
      "MaxPool", {x},
      {{"dilations", dilation}, {"kernel_shape", kernel}, {"pads", begin}, {"strides", stride}}, 1);
  const auto plane = static_cast<double>(in.span_numel(1, 4));
  return e.graph.node("Mod",
                      {e.graph.node("Squeeze", {all, one}), e.graph.number(plane, DType::kInt64)});
}

constexpr OnnxEntry kLayerEntries[] = {
    {"conv2d", conv},
    {"conv2d_input_grad", conv_transpose},
    {"matmul", gemm},
    {"bmm", batched_product},
    {"channel_moments", moments},
    {"exact_moments", moments},
    {"norm_coefficients", coefficients},
    {"channel_affine", affine},
    {"max_pool2d", max_pool},
    {"avg_pool2d", avg_pool},
    {"adaptive_avg_pool2d", adaptive_pool},
    {"resample", resample},
    {"index_add", index_add},
    {"max_indices", max_indices},
};

}  // namespace

std::span<const OnnxEntry> onnx_layer_entries() { return kLayerEntries; }

}  // namespace ballast::io

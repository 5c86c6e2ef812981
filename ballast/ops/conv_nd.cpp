#include "ballast/ops/conv_nd.h"

#include <array>

#include "ballast/ops/conv.h"
#include "ballast/ops/index.h"
#include "ballast/ops/pad.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

using Sizes = std::array<int64_t, 3>;

/// `given`, spread over `rank` dimensions; the last dimensions of three.
Sizes sizes(const std::vector<int64_t>& given, int rank, int64_t missing, const char* what) {
  check(given.size() == 1 || static_cast<int>(given.size()) == rank,
        "expected {} to be a single integer value or a list of {} values to match the convolution "
        "dimensions, but got {} = {} values",
        what, rank, what, given.size());
  Sizes out{missing, missing, missing};
  for (int d = 0; d < rank; ++d) {
    out[3 - rank + d] = given.size() == 1 ? given[0] : given[d];
    ops::check_window_option(what, out[3 - rank + d]);
  }
  return out;
}

/// Positions that windows of `kernel` elements see: window o's element k is at
/// o*stride + k*dilation; the element's number varies slowest.
Tensor window_positions(int64_t kernel, int64_t windows, int64_t stride, int64_t dilation) {
  Tensor positions(make_leaf(Shape{(Checked(kernel) * windows).value()}, DType::kInt64));
  auto* at = reinterpret_cast<int64_t*>(positions.node().data());
  for (int64_t k = 0; k < kernel; ++k) {
    poll_interrupt();
    for (int64_t o = 0; o < windows; ++o) *at++ = o * stride + k * dilation;
  }
  return positions;
}

int64_t window_count(int64_t n, int64_t kernel, int64_t stride, int64_t dilation) {
  return (n - dilation * (kernel - 1) - 1) / stride + 1;
}

Tensor unbatched(const Tensor& y) {
  std::vector<int64_t> shape(y.shape().begin() + 1, y.shape().end());
  return reshape(y, shape);
}

void check_rank(const char* who, const Tensor& x, int rank) {
  check(x.dim() == rank + 1 || x.dim() == rank + 2,
        "Expected {}D (unbatched) or {}D (batched) input to {}, but got input of size: {}",
        rank + 1, rank + 2, who, x.shape());
}

}  // namespace

Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const ConvOptions& options) {
  check_rank("conv1d", x, 1);
  check(weight.dim() == 3, "conv1d: expected a weight (O, C/groups, k), got shape {}",
        weight.shape());
  const auto last = [](const std::vector<int64_t>& v, int64_t first, const char* what) {
    return std::array<int64_t, 2>{first, sizes(v, 1, first, what)[2]};
  };
  const Tensor y = conv2d(unsqueeze(x, -2), unsqueeze(weight, -2), bias,
                          {last(options.stride, 1, "stride"), last(options.padding, 0, "padding"),
                           last(options.dilation, 1, "dilation"), options.groups});
  return squeeze(y, -2);
}

Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias,
              const ConvOptions& options) {
  if (is_half(x.dtype()))
    return cast(conv3d(ops::widened(x), ops::widened(weight), ops::widened(bias), options),
                x.dtype());
  check_rank("conv3d", x, 3);
  if (x.dim() == 4) return unbatched(conv3d(unsqueeze(x, 0), weight, bias, options));
  check(weight.dim() == 5, "conv3d: expected a weight (O, C/groups, kD, kH, kW), got shape {}",
        weight.shape());
  const Sizes stride = sizes(options.stride, 3, 1, "stride");
  const Sizes padding = sizes(options.padding, 3, 0, "padding");
  const Sizes dilation = sizes(options.dilation, 3, 1, "dilation");
  check(stride[0] > 0, "non-positive stride is not supported");
  check(padding[0] >= 0, "negative padding is not supported");
  check(dilation[0] > 0, "dilation should be greater than zero");
  check(options.groups > 0, "non-positive groups is not supported");
  const int64_t n = x.size(0), c = x.size(1), kernel = weight.size(2);
  const int64_t depth = (Checked(x.size(2)) + 2 * padding[0]).value();
  const int64_t span = (Checked(dilation[0]) * (kernel - 1) + 1).value();
  check(c == weight.size(1) * options.groups,
        "Given groups={}, weight of size {}, expected input{} to have {} channels, but got {} "
        "channels instead",
        options.groups, weight.shape(), x.shape(), weight.size(1) * options.groups, c);
  check(kernel > 0 && span <= depth,
        "Calculated padded input size per channel: ({} x {} x {}). Kernel size: ({} x {} x {}). "
        "Kernel size can't be greater than actual input size",
        depth, x.size(3) + 2 * padding[1], x.size(4) + 2 * padding[2], span,
        dilation[1] * (weight.size(3) - 1) + 1, dilation[2] * (weight.size(4) - 1) + 1);
  // The slices that a window sees become channels of one image.
  const int64_t windows = window_count(depth, kernel, stride[0], dilation[0]);
  const Tensor padded = pad(x, {0, 0, 0, 0, padding[0], padding[0]});
  const Tensor seen =
      index_select(padded, 2, window_positions(kernel, windows, stride[0], dilation[0]));
  const Tensor split = reshape(seen, Shape{n, c, kernel, windows, x.size(3), x.size(4)});
  const Tensor images = reshape(permute(split, {0, 3, 1, 2, 4, 5}),
                                Shape{n * windows, c * kernel, x.size(3), x.size(4)});
  const Shape& w = weight.shape();
  const Tensor flat = conv2d(images, reshape(weight, Shape{w[0], w[1] * w[2], w[3], w[4]}), bias,
                             {{stride[1], stride[2]},
                              {padding[1], padding[2]},
                              {dilation[1], dilation[2]},
                              options.groups});
  return permute(reshape(flat, Shape{n, windows, w[0], flat.size(2), flat.size(3)}),
                 {0, 2, 1, 3, 4});
}

namespace {

struct Transposed {
  Sizes stride, padding, output_padding, dilation;
  int64_t groups;

  int64_t out(int d, int64_t n, int64_t kernel) const {
    return ((Checked(n) - 1) * stride[d] - 2 * padding[d] + Checked(dilation[d]) * (kernel - 1) +
            output_padding[d] + 1)
        .value();
  }
};

/// x (N, C, H, W), weight (C, O/groups, kH, kW).
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Transposed& o) {
  const Shape out{x.size(0), weight.size(1) * o.groups, o.out(1, x.size(2), weight.size(2)),
                  o.out(2, x.size(3), weight.size(3))};
  if (o.output_padding[1] >= o.stride[1] || o.output_padding[2] >= o.stride[2]) {
    // More rows than a convolution back to x would leave unread: cut them out of the whole result.
    Transposed whole = o;
    whole.padding = whole.output_padding = {0, 0, 0};
    const Tensor y = conv_transpose2d(x, weight, whole);
    const int64_t rows = o.padding[1] + out[2], columns = o.padding[2] + out[3];
    return pad(y, {-o.padding[2], columns - y.size(3), -o.padding[1], rows - y.size(2)});
  }
  return record(conv2d_input_grad_op(), out, x.dtype(), {x, weight},
                Conv2dAttributes{{o.stride[1], o.stride[2]},
                                 {o.padding[1], o.padding[2]},
                                 {o.dilation[1], o.dilation[2]},
                                 o.groups,
                                 direct_conv()});
}

/// x (N, C, D, H, W), weight (C, O/groups, kD, kH, kW): every slice of x makes kD slices, as
/// channels of one image, which are added up where they belong.
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Transposed& o) {
  const Shape &s = x.shape(), &w = weight.shape();
  const int64_t n = s[0], channels = w[1] * o.groups, kernel = w[2], slices = s[2];
  const Tensor images = reshape(permute(x, {0, 2, 1, 3, 4}), Shape{n * slices, s[1], s[3], s[4]});
  const Tensor flat =
      conv_transpose2d(images, reshape(weight, Shape{w[0], w[1] * kernel, w[3], w[4]}), o);
  const int64_t rows = flat.size(2), columns = flat.size(3);
  const Tensor split = reshape(flat, Shape{n, slices, channels, kernel, rows, columns});
  const Tensor parts = reshape(permute(split, {0, 2, 3, 1, 4, 5}),
                               Shape{n, channels, kernel * slices, rows, columns});
  const int64_t depth = o.out(0, slices, kernel), whole = depth + 2 * o.padding[0];
  const Tensor sums =
      index_sum(parts, 2, window_positions(kernel, slices, o.stride[0], o.dilation[0]),
                std::max(whole, (slices - 1) * o.stride[0] + o.dilation[0] * (kernel - 1) + 1));
  return slice(sums, 2, o.padding[0], o.padding[0] + depth);
}

void check_transposed(int rank, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const Transposed& o) {
  check<NotImplementedError>(is_floating(x.dtype()) || x.dtype() == DType::kInt64,
                             "\"conv_transpose{}d\" not implemented for '{}'", rank,
                             ops::scalar_type_name(x.dtype()));
  check(weight.dtype() == x.dtype(), "expected scalar type {} but found {}",
        ops::scalar_type_name(x.dtype()), ops::scalar_type_name(weight.dtype()));
  check(o.groups > 0, "non-positive groups is not supported");
  check(weight.dim() == rank + 2,
        "Expected {}-dimensional weight for {}-dimensional input, but got weight of size {}",
        rank + 2, rank + 2, weight.shape());
  check(x.size(1) == weight.size(0),
        "Given transposed=1, weight of size {}, expected input{} to have {} channels, but got {} "
        "channels instead",
        weight.shape(), x.shape(), weight.size(0), x.size(1));
  check(weight.size(0) % o.groups == 0,
        "Given groups={}, expected weight to be divisible by {} at dimension 0, but got weight of "
        "size {} instead",
        o.groups, o.groups, weight.shape());
  const int64_t channels = weight.size(1) * o.groups;
  check(!bias.defined() || bias.dtype() == x.dtype(),
        "Input type ({}) and bias type ({}) should be the same", name_of(x.dtype()),
        name_of(bias.defined() ? bias.dtype() : x.dtype()));
  check(
      !bias.defined() || bias.shape() == Shape{channels},
      "Given transposed=1, weight of size {}, expected bias to be 1-dimensional with {} elements, "
      "but got bias of size {} instead",
      weight.shape(), channels, bias.defined() ? bias.shape() : Shape{});
  for (int d = 3 - rank; d < 3; ++d) {
    check(o.stride[d] > 0, "non-positive stride is not supported");
    check(o.padding[d] >= 0, "negative padding is not supported");
    check(o.output_padding[d] >= 0, "negative output_padding is not supported");
    check(o.dilation[d] > 0, "dilation should be greater than zero");
    check(o.output_padding[d] < std::max(o.stride[d], o.dilation[d]),
          "output padding must be smaller than either stride or dilation, but got output_padding "
          "{}, stride {}, dilation {}",
          o.output_padding[d], o.stride[d], o.dilation[d]);
    const int at = 2 + d - (3 - rank);
    check(o.out(d, x.shape()[at], weight.shape()[at]) > 0,
          "Given input size per channel: {}. Calculated output size per channel: {} at dimension "
          "{}. Output size is too small",
          x.shape(), o.out(d, x.shape()[at], weight.shape()[at]), at);
  }
}

}  // namespace

Tensor conv_transpose(int rank, const Tensor& x, const Tensor& weight, const Tensor& bias,
                      const ConvTransposeOptions& options) {
  if (is_half(x.dtype()))
    return cast(
        conv_transpose(rank, ops::widened(x), ops::widened(weight), ops::widened(bias), options),
        x.dtype());
  const char* names[] = {"", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"};
  check_rank(names[rank], x, rank);
  if (x.dim() == rank + 1)
    return unbatched(conv_transpose(rank, unsqueeze(x, 0), weight, bias, options));
  const Transposed o{sizes(options.stride, rank, 1, "stride"),
                     sizes(options.padding, rank, 0, "padding"),
                     sizes(options.output_padding, rank, 0, "output_padding"),
                     sizes(options.dilation, rank, 1, "dilation"), options.groups};
  check_transposed(rank, x, weight, bias, o);
  Tensor y;
  if (rank == 1)
    y = squeeze(conv_transpose2d(unsqueeze(x, -2), unsqueeze(weight, -2), o), -2);
  else
    y = rank == 2 ? conv_transpose2d(x, weight, o) : conv_transpose3d(x, weight, o);
  if (!bias.defined()) return y;
  std::vector<int64_t> shape(rank + 2, 1);
  shape[1] = bias.numel();
  return y + reshape(bias, shape);
}

namespace {

/// The last two dimensions' sizes of options for windows.
struct Windows {
  Sizes kernel, dilation, padding, stride;

  Windows(const std::vector<int64_t>& k, const UnfoldOptions& o)
      : kernel(sizes(k, 2, 1, "kernel_size")),
        dilation(sizes(o.dilation, 2, 1, "dilation")),
        padding(sizes(o.padding, 2, 0, "padding")),
        stride(sizes(o.stride, 2, 1, "stride")) {
    for (int d : {1, 2}) {
      check(kernel[d] > 0, "kernel size should be greater than zero, but got {}", kernel[d]);
      check(stride[d] > 0, "stride should be greater than zero, but got {}", stride[d]);
      check(dilation[d] > 0, "dilation should be greater than zero, but got {}", dilation[d]);
      check(padding[d] >= 0, "padding should be non-negative, but got {}", padding[d]);
    }
  }

  int64_t count(int d, int64_t n) const {
    return window_count(n + 2 * padding[d], kernel[d], stride[d], dilation[d]);
  }
  Tensor positions(int d, int64_t n) const {
    return window_positions(kernel[d], count(d, n), stride[d], dilation[d]);
  }
};

}  // namespace

Tensor unfold(const Tensor& x, const std::vector<int64_t>& kernel, const UnfoldOptions& options) {
  check<IndexError>(x.dim() > 1, "unfold: expected an image (N, C, H, W), got shape {}", x.shape());
  check(x.dim() == 3 || x.dim() == 4,
        "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
        "dimensions for input, but got: {}",
        x.shape());
  if (x.dim() == 3) return squeeze(unfold(unsqueeze(x, 0), kernel, options), 0);
  const Windows w(kernel, options);
  const Shape& s = x.shape();
  const int64_t rows = w.count(1, s[2]), columns = w.count(2, s[3]);
  check(rows > 0 && columns > 0,
        "Given input with spatial size ({}, {}), calculated shape of the array of sliding blocks "
        "as ({}, {}), but its components must be at least one.",
        s[2], s[3], rows, columns);
  const Tensor padded = pad(x, {w.padding[2], w.padding[2], w.padding[1], w.padding[1]});
  const Tensor seen =
      index_select(index_select(padded, 2, w.positions(1, s[2])), 3, w.positions(2, s[3]));
  const Tensor split = reshape(seen, Shape{s[0], s[1], w.kernel[1], rows, w.kernel[2], columns});
  return reshape(permute(split, {0, 1, 2, 4, 3, 5}),
                 Shape{s[0], s[1] * w.kernel[1] * w.kernel[2], rows * columns});
}

Tensor fold(const Tensor& columns, const std::vector<int64_t>& output,
            const std::vector<int64_t>& kernel, const UnfoldOptions& options) {
  if (is_half(columns.dtype()))
    return cast(fold(ops::widened(columns), output, kernel, options), columns.dtype());
  check(columns.dim() == 2 || columns.dim() == 3,
        "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero "
        "dimensions for input, but got: {}",
        columns.shape());
  if (columns.dim() == 2) return squeeze(fold(unsqueeze(columns, 0), output, kernel, options), 0);
  const Windows w(kernel, options);
  const Sizes out = sizes(output, 2, 1, "output_size");
  const int64_t area = w.kernel[1] * w.kernel[2], n = columns.size(0);
  check(columns.size(1) % area == 0,
        "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but "
        "got input.size(1)={} and kernel_size=({}, {}).",
        columns.size(1), w.kernel[1], w.kernel[2]);
  const int64_t channels = columns.size(1) / area;
  const int64_t down = w.count(1, out[1]), across = w.count(2, out[2]);
  check(down > 0 && across > 0 && columns.size(2) == down * across,
        "Given output_size=({}, {}), kernel_size=({}, {}), expected size of input's dimension 2 to "
        "match the calculated number of sliding blocks {} * {} = {}, but got input.size(2)={}.",
        out[1], out[2], w.kernel[1], w.kernel[2], down, across, down * across, columns.size(2));
  const Tensor split = reshape(columns, Shape{n, channels, w.kernel[1], w.kernel[2], down, across});
  const Tensor grid = reshape(permute(split, {0, 1, 2, 4, 3, 5}),
                              Shape{n, channels, w.kernel[1] * down, w.kernel[2] * across});
  const Tensor padded =
      index_sum(index_sum(grid, 3, w.positions(2, out[2]), out[2] + 2 * w.padding[2]), 2,
                w.positions(1, out[1]), out[1] + 2 * w.padding[1]);
  return slice(slice(padded, 2, w.padding[1], w.padding[1] + out[1]), 3, w.padding[2],
               w.padding[2] + out[2]);
}

}  // namespace ballast

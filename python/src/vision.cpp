// torchvision's compiled operators, as torch.ops.torchvision calls them.
#include "ballast/ops/boxes.h"
#include "ballast/ops/create.h"
#include "ballast/ops/deform_conv.h"
#include "ballast/ops/roi.h"
#include "results.h"

namespace ballast::python {
namespace {

using T = const Tensor&;

/// The channel of the input that each element of a position-sensitive pool is made of, int32.
Tensor channel_mapping(T y) {
  std::vector<int32_t> channels;
  for (int64_t k = 0; k < y.size(0); ++k)
    for (int64_t c = 0; c < y.numel() / y.size(0); ++c) channels.push_back(static_cast<int32_t>(c));
  return Tensor::from(channels, y.shape());
}

void bind_regions(nb::module_& m) {
  const auto boxes = ("rois"_a);
  const auto scale = ("spatial_scale"_a);
  const auto h = ("pooled_height"_a), w = ("pooled_width"_a), ratio = ("sampling_ratio"_a);
  const auto n = ("batch_size"_a), c = ("channels"_a), rows = ("height"_a), columns = ("width"_a);
  m.def(
      "roi_align",
      [](T x, T rois, double spatial_scale, int64_t ph, int64_t pw, int64_t points, bool aligned) {
        return roi_align(x, rois, {ph, pw}, {spatial_scale, points, aligned});
      },
      "input"_a, boxes, scale, h, w, ratio, "aligned"_a);
  m.def(
      "_roi_align_backward",
      [](T grad, T rois, double spatial_scale, int64_t, int64_t, int64_t batch, int64_t channels,
         int64_t height, int64_t width, int64_t points, bool aligned) {
        return roi_align_backward(grad, rois, {batch, channels, height, width},
                                  {spatial_scale, points, aligned});
      },
      "grad"_a, boxes, scale, h, w, n, c, rows, columns, ratio, "aligned"_a);
  m.def(
      "ps_roi_align",
      [](T x, T rois, double spatial_scale, int64_t ph, int64_t pw, int64_t points) {
        const Tensor y = ps_roi_align(x, rois, {ph, pw}, spatial_scale, points);
        return nb::make_tuple(y, channel_mapping(y));
      },
      "input"_a, boxes, scale, h, w, ratio);
  m.def(
      "_ps_roi_align_backward",
      [](T grad, T rois, T, double spatial_scale, int64_t, int64_t, int64_t points, int64_t batch,
         int64_t channels, int64_t height, int64_t width) {
        return ps_roi_align_backward(grad, rois, {batch, channels, height, width}, spatial_scale,
                                     points);
      },
      "grad"_a, boxes, "channel_mapping"_a, scale, h, w, ratio, n, c, rows, columns);
  m.def(
      "ps_roi_pool",
      [](T x, T rois, double spatial_scale, int64_t ph, int64_t pw) {
        const Tensor y = ps_roi_pool(x, rois, {ph, pw}, spatial_scale);
        return nb::make_tuple(y, channel_mapping(y));
      },
      "input"_a, boxes, scale, h, w);
  m.def(
      "_ps_roi_pool_backward",
      [](T grad, T rois, T, double spatial_scale, int64_t, int64_t, int64_t batch, int64_t channels,
         int64_t height, int64_t width) {
        return ps_roi_pool_backward(grad, rois, {batch, channels, height, width}, spatial_scale);
      },
      "grad"_a, boxes, "channel_mapping"_a, scale, h, w, n, c, rows, columns);
  m.def(
      "roi_pool",
      [](T x, T rois, double spatial_scale, int64_t ph, int64_t pw) {
        const RoiPool y = roi_pool(x, rois, {ph, pw}, spatial_scale);
        return nb::make_tuple(y.values, y.argmax);
      },
      "input"_a, boxes, scale, h, w);
  m.def(
      "_roi_pool_backward",
      [](T grad, T rois, T argmax, double, int64_t, int64_t, int64_t batch, int64_t channels,
         int64_t height, int64_t width) {
        return roi_pool_backward(grad, rois, argmax, {batch, channels, height, width});
      },
      "grad"_a, boxes, "argmax"_a, scale, h, w, n, c, rows, columns);
}

/// torchvision says how many groups there are; the shapes say it, too.
void check_groups(T x, T weight, T offset, int64_t groups, int64_t offset_groups) {
  check(x.dim() == 4 && weight.dim() == 4 && offset.dim() == 4,
        "deform_conv2d: expected an input, offsets and a weight of 4 dimensions, got shapes {}, {} "
        "and {}",
        x.shape(), offset.shape(), weight.shape());
  check(weight.size(1) * groups == x.size(1),
        "deform_conv2d: a weight of shape {} does not fit {} channels in {} groups", weight.shape(),
        x.size(1), groups);
  const int64_t expected = offset_groups * 2 * weight.size(2) * weight.size(3);
  check(offset.size(1) == expected, "offset.shape[1] is not valid: got: {} expected: {}",
        offset.size(1), expected);
}

void bind_deform_conv(nb::module_& m) {
  m.def(
      "deform_conv2d",
      [](T x, T weight, T offset, T mask, T bias, int64_t sh, int64_t sw, int64_t ph, int64_t pw,
         int64_t dh, int64_t dw, int64_t groups, int64_t offset_groups, bool use_mask) {
        check_groups(x, weight, offset, groups, offset_groups);
        return deform_conv2d(x, offset, weight, bias, {{sh, sw}, {ph, pw}, {dh, dw}},
                             use_mask ? mask : Tensor());
      },
      "input"_a, "weight"_a, "offset"_a, "mask"_a, "bias"_a, "stride_h"_a, "stride_w"_a, "pad_h"_a,
      "pad_w"_a, "dilation_h"_a, "dilation_w"_a, "groups"_a, "offset_groups"_a, "use_mask"_a);
  m.def(
      "_deform_conv2d_backward",
      [](T grad, T x, T weight, T offset, T mask, T, int64_t sh, int64_t sw, int64_t ph, int64_t pw,
         int64_t dh, int64_t dw, int64_t groups, int64_t offset_groups, bool use_mask) {
        check_groups(x, weight, offset, groups, offset_groups);
        const auto g = deform_conv2d_backward(
            grad, x, offset, weight, {{sh, sw}, {ph, pw}, {dh, dw}}, use_mask ? mask : Tensor());
        const Tensor of_mask = use_mask ? g.mask : zeros(mask.shape(), mask.dtype());
        return nb::make_tuple(g.x, g.weight, g.offset, of_mask, g.bias);
      },
      "grad"_a, "input"_a, "weight"_a, "offset"_a, "mask"_a, "bias"_a, "stride_h"_a, "stride_w"_a,
      "pad_h"_a, "pad_w"_a, "dilation_h"_a, "dilation_w"_a, "groups"_a, "offset_groups"_a,
      "use_mask"_a);
}

}  // namespace

void bind_vision(nb::module_& m) {
  nb::module_ v = m.def_submodule("_vision", "The operators of torch.ops.torchvision.");
  v.def("nms", &nms, "dets"_a, "scores"_a, "iou_threshold"_a);
  v.def("box_iou_rotated", &box_iou_rotated, "boxes1"_a, "boxes2"_a);
  for (const char* name : {"qnms", "qroi_align"})
    v.def(name, [name](const nb::args&, const nb::kwargs&) {
      fail<NotImplementedError>(
          "torchvision::{} is not in Ballast, because it has no quantized tensors; dequantize "
          "first",
          name);
    });
  v.def("_cuda_version", [] { return -1; });
  bind_regions(v);
  bind_deform_conv(v);
}

}  // namespace ballast::python

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "ballast/grad/grad.h"
#include "ballast/ops/boxes.h"
#include "ballast/ops/create.h"
#include "ballast/ops/deform_conv.h"
#include "ballast/ops/math.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/roi.h"
#include "ballast/ops/shape_ops.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"
#include "tests/support/layer_golden.h"

namespace ballast {
namespace {

using ballast::testing::error_of;
using nlohmann::json;
using test::expect_case;
using test::gradient_error;
using test::kGradientTolerance;
using test::pair_of;
using test::uniform;
using Inputs = std::vector<Tensor>;

const json& cases(const char* name) { return test::layer_cases(name, "vision.json"); }

Tensor golden_boxes() {
  std::vector<double> values;
  for (const json& row : cases("boxes"))
    for (const json& v : row) values.push_back(v.get<double>());
  const auto rows = static_cast<int64_t>(values.size()) / 5;
  return Tensor::from(values, Shape{rows, 5});
}

// ---- regions ----

/// A pool of regions with the options of a golden case; its second result, where it has one.
Tensor pool(const std::string& name, const json& o, const Tensor& x, const Tensor& rois,
            Tensor* second = nullptr) {
  const auto size = pair_of(o, "size", {1, 1});
  const double scale = o.at("scale");
  if (name == "roi_align") return roi_align(x, rois, size, {scale, o.at("ratio"), o.at("aligned")});
  if (name == "ps_roi_align") return ps_roi_align(x, rois, size, scale, o.at("ratio"));
  if (name == "ps_roi_pool") return ps_roi_pool(x, rois, size, scale);
  const RoiPool y = roi_pool(x, rois, size, scale);
  if (second) *second = y.argmax;
  return y.values;
}

TEST(Regions, ComputeWhatTorchvisionComputes) {
  for (const char* name : {"roi_align", "ps_roi_align", "ps_roi_pool", "roi_pool"}) {
    SCOPED_TRACE(name);
    for (const json& golden : cases(name)) {
      Tensor second;
      expect_case(golden, [&](const Inputs& x) {
        return pool(name, golden.at("options"), x[0], golden_boxes(), &second);
      });
      if (!second.defined()) continue;
      EXPECT_EQ(second.dtype(), DType::kInt32);
      EXPECT_EQ(second.values<int32_t>(), golden.at("second").get<std::vector<int32_t>>());
    }
  }
}

TEST(Regions, AreTheSameInFloat32) {
  for (const char* name : {"roi_align", "ps_roi_align", "ps_roi_pool", "roi_pool"})
    for (const json& golden : cases(name)) {
      const Shape shape(golden.at("shapes").at(0).get<std::vector<int64_t>>());
      const Tensor x = uniform(shape, 1).to(DType::kFloat32);
      const Tensor y = pool(name, golden.at("options"), x, golden_boxes().to(DType::kFloat32));
      ASSERT_EQ(y.dtype(), DType::kFloat32);
      const auto values = y.values<float>();
      for (size_t i = 0; i < values.size(); ++i) {
        if (golden.at("values").at(i).is_null()) continue;
        // Positions of up to 30 pixels, rounded to float32.
        EXPECT_NEAR(values[i], golden.at("values").at(i).get<double>(), 3e-5) << name;
      }
    }
}

TEST(Regions, GradientsAreDerivativesAndHaveSome) {
  const Tensor rois = golden_boxes(), x = uniform({2, 4, 6, 5}, 1);
  const json o = {{"size", {2, 2}}, {"scale", 1.0}, {"ratio", 2}, {"aligned", true}};
  for (const char* name : {"roi_align", "ps_roi_align", "ps_roi_pool", "roi_pool"})
    EXPECT_LT(gradient_error([&](const Inputs& in) { return pool(name, o, in[0], rois); },
                             {uniform(x.shape(), 1)}),
              kGradientTolerance)
        << name;
  const Tensor positions = roi_pool(x, rois, {2, 2}).argmax;
  const std::function<Tensor(const Tensor&)> backward[] = {
      [&](const Tensor& g) {
        return roi_align_backward(g, rois, x.shape(), {1, 2, true});
      },
      [&](const Tensor& g) { return roi_pool_backward(g, rois, positions, x.shape()); }};
  for (const auto& f : backward)
    EXPECT_LT(
        gradient_error([&](const Inputs& in) { return f(in[0]); }, {uniform({8, 4, 2, 2}, 2)}),
        kGradientTolerance);
  const auto by_position = [&](const Inputs& in) {
    return ps_roi_align_backward(in[0], rois, x.shape()) +
           ps_roi_pool_backward(in[0], rois, x.shape());
  };
  EXPECT_LT(gradient_error(by_position, {uniform({8, 1, 2, 2}, 2)}), kGradientTolerance);
}

TEST(Regions, BackwardIsTheGradient) {
  const Tensor rois = golden_boxes(), x = uniform({2, 8, 7, 9}, 1).set_requires_grad();
  const auto expect_same = [&](const Tensor& y, const std::function<Tensor(const Tensor&)>& back) {
    const Tensor g = uniform(y.shape(), 2);
    const Tensor want = grad(sum(y * g), {x})[0];
    EXPECT_EQ(back(g).values<double>(), want.values<double>());
  };
  const RoiAlignOptions o{.spatial_scale = 0.7, .sampling_ratio = 2, .aligned = true};
  expect_same(roi_align(x, rois, {2, 3}, o),
              [&](const Tensor& g) { return roi_align_backward(g, rois, x.shape(), o); });
  expect_same(ps_roi_align(x, rois, {2, 2}, 0.7),
              [&](const Tensor& g) { return ps_roi_align_backward(g, rois, x.shape(), 0.7); });
  expect_same(ps_roi_pool(x, rois, {2, 2}, 0.7),
              [&](const Tensor& g) { return ps_roi_pool_backward(g, rois, x.shape(), 0.7); });
  const RoiPool y = roi_pool(x, rois, {2, 3}, 0.7);
  expect_same(y.values,
              [&](const Tensor& g) { return roi_pool_backward(g, rois, y.argmax, x.shape()); });
}

TEST(Regions, StrangeBoxesAreNoDanger) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = ones({1, 4, 5, 5}, DType::kFloat64);
  for (const auto& [a, b] : {std::pair{nan, nan},
                             {-kInf, kInf},
                             {kInf, -kInf},
                             {0.0, kInf},
                             {-1e300, 1e300},
                             {1e18, 2e18}}) {
    const Tensor rois = Tensor::from(std::vector<double>{0, a, a, b, b}, Shape{1, 5});
    roi_align(x, rois, {2, 2}).values<double>();
    ps_roi_align(x, rois, {2, 2}).values<double>();
    ps_roi_pool(x, rois, {2, 2}).values<double>();
    for (double v : roi_pool(x, rois, {2, 2}).values.values<double>())
      EXPECT_TRUE(v == 0 || v == 1);
  }
}

TEST(Regions, AreNoneForNoBoxes) {
  const Tensor x = uniform({2, 4, 5, 5}, 1).set_requires_grad(),
               none = zeros({0, 5}, DType::kFloat64);
  EXPECT_EQ(roi_align(x, none, {2, 2}).shape(), Shape({0, 4, 2, 2}));
  EXPECT_EQ(roi_pool(x, none, {2, 2}).argmax.shape(), Shape({0, 4, 2, 2}));
  sum(ps_roi_align(x, none, {2, 2})).backward();
  EXPECT_EQ(x.grad().values<double>(), std::vector<double>(200, 0.0));
}

TEST(Regions, MaximaAreNotANumberWhereAPixelIsNone) {
  const Tensor x = Tensor::from(
      std::vector<double>{1, std::numeric_limits<double>::quiet_NaN(), 3, 4}, {1, 1, 2, 2});
  const RoiPool y =
      roi_pool(x, Tensor::from(std::vector<double>{0, 0, 0, 1, 1}, Shape{1, 5}), {1, 1});
  EXPECT_TRUE(std::isnan(y.values.item()));
  EXPECT_EQ(y.argmax.item<int32_t>(), 1);
}

TEST(Regions, WrongCallsAreRefused) {
  const Tensor x = ones({1, 4, 5, 5}), boxes = ones({2, 5});
  EXPECT_EQ(error_of<Error>([&] {
              roi_align(x, ones({2, 4}), {2, 2});
            }),
            "rois must have shape as Tensor[K, 5]");
  EXPECT_THROW(roi_align(x, boxes.to(DType::kFloat64), {2, 2}), Error);
  EXPECT_THROW(roi_align(ones({4, 5, 5}), boxes, {2, 2}), Error);
  EXPECT_THROW(roi_align(x, boxes, {-1, 2}), Error);
  EXPECT_EQ(error_of<IndexError>([&] {
              roi_align(x, boxes, {2, 2});
            }),
            "a box is of image 1, but there are 1");
  EXPECT_THROW(roi_pool(x, boxes, {2, 2}), IndexError);
  EXPECT_THROW(roi_align(x, boxes * 1.0, {2, 2}).values<float>(), IndexError);
  EXPECT_EQ(error_of<Error>([&] {
              ps_roi_align(x, zeros({1, 5}), {3, 2});
            }),
            "input channels must be a multiple of pooling height * pooling width");
  EXPECT_THROW(roi_align_backward(ones({1, 4, 2, 2}), zeros({2, 5}), x.shape()), Error);
  const Tensor outside = full({1, 4, 1, 1}, 25, DType::kInt32);
  EXPECT_THROW(
      roi_pool_backward(ones({1, 4, 1, 1}), zeros({1, 5}), outside, x.shape()).values<float>(),
      IndexError);
}

// ---- deformable convolution ----

DeformConvOptions deform_options(const json& o) {
  return {pair_of(o, "stride", {1, 1}), pair_of(o, "padding", {0, 0}),
          pair_of(o, "dilation", {1, 1})};
}

TEST(DeformConv, ComputesWhatTorchvisionComputes) {
  for (const json& golden : cases("deform_conv2d"))
    expect_case(golden, [&](const Inputs& in) {
      return deform_conv2d(in[0], in[1] * 3.0, in[2], in[3], deform_options(golden.at("options")),
                           in.size() > 4 ? in[4] : Tensor());
    });
}

TEST(DeformConv, GradientsAreDerivatives) {
  for (const bool masked : {false, true}) {
    Inputs in{uniform({2, 4, 4, 5}, 1), uniform({2, 16, 4, 4}, 2), uniform({2, 2, 2, 2}, 3),
              uniform({2}, 4)};
    if (masked) in.push_back(uniform({2, 8, 4, 4}, 5));
    EXPECT_LT(gradient_error(
                  [&](const Inputs& t) {
                    return deform_conv2d(t[0], t[1], t[2], t[3],
                                         {.stride = {1, 2}, .padding = {1, 2}, .dilation = {2, 1}},
                                         masked ? t[4] : Tensor());
                  },
                  in),
              kGradientTolerance);
  }
}

TEST(DeformConv, BackwardIsTheGradient) {
  const Inputs in{uniform({2, 4, 4, 5}, 1), uniform({2, 16, 3, 4}, 2), uniform({2, 2, 2, 2}, 3),
                  uniform({2}, 4), uniform({2, 8, 3, 4}, 5)};
  for (const Tensor& t : in) Tensor(t).set_requires_grad();
  const Tensor y = deform_conv2d(in[0], in[1], in[2], in[3], {}, in[4]);
  const Tensor g = uniform(y.shape(), 6);
  const auto want = grad(sum(y * g), in);
  const auto got = deform_conv2d_backward(g, in[0], in[1], in[2], {}, in[4]);
  const Tensor all[] = {got.x, got.offset, got.weight, got.bias, got.mask};
  for (size_t i = 0; i < in.size(); ++i) {
    const auto a = all[i].values<double>(), b = want[i].values<double>();
    ASSERT_EQ(a.size(), b.size());
    for (size_t k = 0; k < a.size(); ++k) EXPECT_NEAR(a[k], b[k], 1e-12) << i;
  }
}

TEST(DeformConv, StrangeOffsetsReadNothing) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (double v : {nan, 1e300, -1e300, -1.0, 4.0}) {
    const Tensor x = ones({1, 1, 4, 4}, DType::kFloat64).set_requires_grad();
    const Tensor offset = full({1, 2, 4, 4}, v, DType::kFloat64).set_requires_grad();
    const Tensor y = deform_conv2d(x, offset, ones({1, 1, 1, 1}, DType::kFloat64));
    y.sum().backward();
    for (double g : x.grad().values<double>()) EXPECT_TRUE(g == 0 || v == -1);
    if (v != -1) {
      EXPECT_EQ(y.sum().item(), 0);
    }
  }
}

TEST(DeformConv, WrongCallsAreRefused) {
  const Tensor x = ones({1, 2, 4, 4}), w = ones({2, 2, 3, 3}), offset = ones({1, 18, 2, 2});
  EXPECT_EQ(deform_conv2d(x, offset, w).shape(), Shape({1, 2, 2, 2}));
  EXPECT_EQ(error_of<Error>([&] {
              deform_conv2d(x, ones({1, 18, 2, 3}), w);
            }),
            "offset output dims: (2, 3) - computed output dims: (2, 2)");
  EXPECT_EQ(error_of<Error>([&] {
              deform_conv2d(x, ones({2, 18, 2, 2}), w);
            }),
            "invalid batch size of offset");
  EXPECT_THROW(deform_conv2d(x, ones({1, 17, 2, 2}), w), Error);
  EXPECT_THROW(deform_conv2d(x, offset, ones({2, 3, 3, 3})), Error);
  EXPECT_THROW(deform_conv2d(x, offset, w, ones({3})), Error);
  EXPECT_THROW(deform_conv2d(x, offset, w, {}, {.stride = {0, 1}}), Error);
  EXPECT_THROW(deform_conv2d(x, offset, w, {}, {.padding = {-1, 0}}), Error);
  EXPECT_THROW(deform_conv2d(x, offset, w, {}, {.dilation = {1, 0}}), Error);
  EXPECT_THROW(deform_conv2d(x, offset, w, {}, {}, ones({1, 8, 2, 2})), Error);
  EXPECT_THROW(deform_conv2d(x, offset.to(DType::kFloat64), w), Error);
}

// ---- boxes ----

Tensor corners(int64_t n) {
  const Tensor at = uniform({n, 2}, 1) * 4.0;
  return cat({at, at + uniform({n, 2}, 2) * 2.0 + 3.0}, 1);
}

TEST(Boxes, TheBestAreKeptAsInTorchvision) {
  for (const json& golden : cases("nms")) {
    const int64_t n = golden.at("n");
    const Tensor kept = nms(corners(n), floor(uniform({n}, 3) * 8.0), golden.at("threshold"));
    EXPECT_EQ(kept.values<int64_t>(), golden.at("kept").get<std::vector<int64_t>>())
        << golden.dump();
  }
}

TEST(Boxes, NoneOfNoneAreKept) {
  EXPECT_EQ(nms(zeros({0, 4}), zeros({0}), 0.5).shape(), Shape({0}));
  EXPECT_THROW(nms(zeros({2, 5}), zeros({2}), 0.5), Error);
  EXPECT_THROW(nms(zeros({4}), zeros({1}), 0.5), Error);
  EXPECT_THROW(nms(zeros({2, 4}), zeros({3}), 0.5), Error);
  EXPECT_THROW(nms(zeros({2, 4}), zeros({2}, DType::kFloat64), 0.5), Error);
  EXPECT_THROW(nms(zeros({2, 4}, DType::kInt64), zeros({2}, DType::kInt64), 0.5),
               NotImplementedError);
}

TEST(Boxes, TurnedOnesOverlapAsInTorchvision) {
  const auto boxes = [](int64_t n, uint64_t seed) {
    return cat(
        {uniform({n, 2}, seed), uniform({n, 2}, seed + 1) + 1.5, uniform({n, 1}, seed + 2) * 180.0},
        1);
  };
  const Tensor b = boxes(5, 4), a = cat({slice(boxes(6, 1), 0, 0, 5), slice(b, 0, 4, 5)});
  const auto got = box_iou_rotated(a, b).values<double>();
  const auto want = cases("rotated").get<std::vector<double>>();
  ASSERT_EQ(got.size(), want.size());
  // torchvision computes corners in float32.
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-5) << i;
  EXPECT_EQ(box_iou_rotated(zeros({1, 5}), ones({2, 5})).values<float>(), std::vector<float>(2));
  EXPECT_THROW(box_iou_rotated(a, ones({2, 4}, DType::kFloat64)), Error);
}

}  // namespace
}  // namespace ballast

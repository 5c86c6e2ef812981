#include "ballast/ops/boxes.h"

#include <cmath>
#include <numbers>
#include <utility>

#include "ballast/base/interrupt.h"
#include "ballast/graph/eval.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

template <class T>
struct Box {
  T x1, y1, x2, y2;
  T area() const { return (x2 - x1) * (y2 - y1); }
};

/// The intersection of two boxes, divided by their union, in the boxes' own type: whether it is
/// above a threshold may hang on the last digit.
template <class T>
T overlap(const Box<T>& a, const Box<T>& b) {
  const T w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1);
  const T h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  const T both = std::max(T{0}, w) * std::max(T{0}, h);
  return both / (a.area() + b.area() - both);
}

template <class T>
std::vector<int64_t> kept_of(const Tensor& boxes, const Tensor& order, double threshold) {
  std::vector<Box<T>> left;
  std::vector<int64_t> number, kept;
  const auto corners = boxes.data<T>();
  for (int64_t i : order.data<int64_t>()) {
    const T* c = corners.data() + 4 * i;
    left.push_back({c[0], c[1], c[2], c[3]});
    number.push_back(i);
  }
  size_t count = left.size();
  for (size_t best = 0; best < count; ++best) {
    poll_interrupt();
    kept.push_back(number[best]);
    size_t stay = best + 1;
    for (size_t j = best + 1; j < count; ++j) {
      if (static_cast<double>(overlap(left[best], left[j])) > threshold) continue;
      left[stay] = left[j];
      number[stay++] = number[j];
    }
    count = stay;
  }
  return kept;
}

}  // namespace

Tensor nms(const Tensor& boxes, const Tensor& scores, double iou_threshold) {
  check(boxes.dim() == 2, "boxes should be a 2d tensor, got {}D", boxes.dim());
  check(boxes.size(1) == 4, "boxes should have 4 elements in dimension 1, got {}", boxes.size(1));
  check(scores.dim() == 1, "scores should be a 1d tensor, got {}D", scores.dim());
  check(boxes.size(0) == scores.size(0),
        "boxes and scores should have same number of elements in dimension 0, got {} and {}",
        boxes.size(0), scores.size(0));
  check(boxes.dtype() == scores.dtype(), "dets should have the same type as scores");
  check<NotImplementedError>(is_floating(boxes.dtype()) && !is_half(boxes.dtype()),
                             "\"nms_kernel\" not implemented for '{}'",
                             ops::scalar_type_name(boxes.dtype()));
  const Tensor corners = boxes.detach(), order = argsort(scores.detach(), 0, true);
  eval({corners, order});
  std::vector<int64_t> kept;
  dispatch_floating(boxes.dtype(), "nms", [&](auto zero) {
    kept = kept_of<decltype(zero)>(corners, order, iou_threshold);
  });
  return Tensor::from(kept, Shape{static_cast<int64_t>(kept.size())});
}

// ---- turned boxes ----

namespace {

struct Point {
  double x, y;
};
double cross(const Point& a, const Point& b, const Point& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

/// The corners of a box, relative to `origin`; counter-clockwise for positive sizes.
template <class T>
std::vector<Point> corners_of(const T* box, const Point& origin) {
  const double turn = static_cast<double>(box[4]) * std::numbers::pi / 180;
  const double c = std::cos(turn), s = std::sin(turn), w = box[2] / 2.0, h = box[3] / 2.0;
  std::vector<Point> out;
  for (const auto& [i, j] : {std::pair{-1, -1}, {1, -1}, {1, 1}, {-1, 1}})
    out.push_back(
        {box[0] - origin.x + i * c * w + j * s * h, box[1] - origin.y - i * s * w + j * c * h});
  return out;
}

/// The part of a convex polygon to the left of the line from a to b.
std::vector<Point> left_of(const std::vector<Point>& polygon, const Point& a, const Point& b) {
  std::vector<Point> out;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Point &p = polygon[i], &q = polygon[(i + 1) % polygon.size()];
    const double from = cross(a, b, p), to = cross(a, b, q);
    if (from >= 0) out.push_back(p);
    if ((from < 0) != (to < 0)) {
      const double t = from / (from - to);
      out.push_back({p.x + t * (q.x - p.x), p.y + t * (q.y - p.y)});
    }
  }
  return out;
}

double area_of(const std::vector<Point>& polygon) {
  double twice = 0;
  for (size_t i = 1; i + 1 < polygon.size(); ++i)
    twice += cross(polygon[0], polygon[i], polygon[i + 1]);
  return std::max(twice / 2, 0.0);
}

template <class T>
double rotated_overlap(const T* a, const T* b) {
  const double area_a = static_cast<double>(a[2]) * a[3], area_b = static_cast<double>(b[2]) * b[3];
  if (area_a < 1e-14 || area_b < 1e-14) return 0;
  // Small numbers: relative to a point between both.
  const Point middle{(static_cast<double>(a[0]) + b[0]) / 2,
                     (static_cast<double>(a[1]) + b[1]) / 2};
  std::vector<Point> both = corners_of(a, middle);
  const std::vector<Point> edges = corners_of(b, middle);
  for (size_t i = 0; i < edges.size() && !both.empty(); ++i)
    both = left_of(both, edges[i], edges[(i + 1) % edges.size()]);
  const double shared = area_of(both);
  return shared / (area_a + area_b - shared);
}

class RotatedOverlapOp final : public Op {
 public:
  RotatedOverlapOp() : Op("box_iou_rotated") {}
  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const int64_t n = c.out.shape[0], m = c.out.shape[1];
      for (int64_t i = 0; i < n; ++i) {
        poll_interrupt();
        for (int64_t j = 0; j < m; ++j)
          c.output<T>()[i * m + j] =
              static_cast<T>(rotated_overlap(c.input<T>(0) + 5 * i, c.input<T>(1) + 5 * j));
      }
    });
  }
};

}  // namespace

Tensor box_iou_rotated(const Tensor& a, const Tensor& b) {
  static const RotatedOverlapOp op;
  for (const Tensor& t : {a, b})
    check(t.dim() == 2 && t.size(1) == 5 && is_floating(t.dtype()),
          "box_iou_rotated: expected boxes (n, 5) of a floating-point type, got shape {} of {}",
          t.shape(), name_of(t.dtype()));
  check(a.dtype() == b.dtype(), "boxes1 and boxes2 must have the same dtype");
  return record(op, Shape{a.size(0), b.size(0)}, a.dtype(), {a.detach(), b.detach()});
}

}  // namespace ballast

#include "ballast/ops/interpolate.h"

#include <fmt/format.h>

#include <cmath>

#include "ballast/ops/pool.h"
#include "ballast/ops/resample.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

struct Mode {
  const char* name;
  int rank;  // of images it is for; 0: any
  ResizeMode method;
};
constexpr Mode kModes[] = {
    {"nearest", 0, ResizeMode::kNearest},  {"nearest-exact", 0, ResizeMode::kNearestExact},
    {"area", 0, ResizeMode::kNearest},     {"linear", 1, ResizeMode::kLinear},
    {"bilinear", 2, ResizeMode::kLinear},  {"bicubic", 2, ResizeMode::kCubic},
    {"trilinear", 3, ResizeMode::kLinear},
};

const Mode& checked_mode(const Tensor& x, const InterpolateOptions& o) {
  const int rank = x.dim() - 2;
  const Mode* found = nullptr;
  for (const Mode& m : kModes)
    if (o.mode == m.name && rank >= 1 && rank <= 3 && (m.rank == 0 || m.rank == rank)) found = &m;
  check<NotImplementedError>(
      found,
      "Input Error: Only 3D, 4D and 5D input Tensors supported (got {}D) for the modes: nearest | "
      "linear | bilinear | bicubic | trilinear | area | nearest-exact (got {})",
      x.dim(), o.mode);
  check<ValueError>(found->rank > 0 || !o.align_corners,
                    "align_corners option can only be set with the interpolating modes: linear | "
                    "bilinear | bicubic | trilinear");
  check<ValueError>(!o.antialias || o.mode == "bilinear" || o.mode == "bicubic",
                    "Anti-alias option is restricted to bilinear and bicubic modes and requires a "
                    "4-D tensor as input");
  return *found;
}

/// `given`, a number for each of x's dimensions after the second.
template <class T>
std::vector<T> spread(const Tensor& x, const std::vector<T>& given, const char* what) {
  const size_t rank = static_cast<size_t>(x.dim() - 2);
  if (given.size() == 1) return std::vector<T>(rank, given[0]);
  check<ValueError>(
      given.size() == rank,
      "Input and output must have the same number of spatial dimensions, but got input with "
      "spatial dimensions of [{}] and {} of [{}].",
      fmt::join(x.shape().begin() + 2, x.shape().end(), ", "), what, fmt::join(given, ", "));
  return given;
}

}  // namespace

Tensor interpolate(const Tensor& x, const InterpolateOptions& o) {
  if (is_half(x.dtype())) return cast(interpolate(ops::widened(x), o), x.dtype());
  const Mode& mode = checked_mode(x, o);
  check<ValueError>(o.size.empty() || o.scale_factor.empty(),
                    "only one of size or scale_factor should be defined");
  check<ValueError>(!o.size.empty() || !o.scale_factor.empty(),
                    "either size or scale_factor should be defined");
  check<ValueError>(o.size.empty() || !o.recompute_scale_factor,
                    "recompute_scale_factor is not meaningful with an explicit size.");
  std::vector<int64_t> size = o.size;
  std::vector<double> scale;
  if (size.empty()) {
    scale = spread(x, o.scale_factor, "scale_factor");
    for (size_t d = 0; d < scale.size(); ++d) {
      const double n =
          std::floor(static_cast<double>(x.size(static_cast<int64_t>(d) + 2)) * scale[d]);
      check<ValueError>(n > -1e15 && n < 1e15, "scale_factor {} is too large", scale[d]);
      size.push_back(static_cast<int64_t>(n));
    }
    if (o.recompute_scale_factor) scale.clear();
  } else {
    size = spread(x, size, "output size");
  }
  if (o.mode == "area") {
    if (size.size() == 1) return adaptive_avg_pool1d(x, size[0]);
    if (size.size() == 2) return adaptive_avg_pool2d(x, {size[0], size[1]});
    return adaptive_avg_pool(3, x, size);
  }
  return resize(x, size,
                {mode.method, o.align_corners.value_or(false), o.antialias, std::move(scale)});
}

}  // namespace ballast

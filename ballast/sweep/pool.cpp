// Pooling and repeating over pixels, channels last: a pixel's channels are one vector loop.
#include "ballast/ops/pool.h"

#include <algorithm>
#include <limits>

#include "ballast/base/threads.h"
#include "ballast/kernels/columns.h"
#include "ballast/kernels/pointwise.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

class MaxPoolSweep final : public Sweep {
 public:
  MaxPoolSweep(const Shape& x, const Shape& y, const MaxPool2dAttributes& a, int g, int in, int out)
      : a_(a),
        images_(x[0]),
        channels_(x[1]),
        size_{x[2], x[3]},
        windows_{y[2], y[3]},
        g_(g),
        in_(in),
        out_(out) {}

  const char* kernel() const override { return "pool"; }
  void run(Pointers p, const std::byte*) const override {
    const double cost = static_cast<double>(images_ * windows_[0] * windows_[1] * channels_) *
                        static_cast<double>(a_.kernel[0] * a_.kernel[1]);
    const int64_t x_size = size_[0] * size_[1] * channels_,
                  y_size = windows_[0] * windows_[1] * channels_;
    const auto* x = reinterpret_cast<const float*>(p[in_]);
    auto* out = reinterpret_cast<float*>(p[out_]);
    if (g_ < 0) {
      parallel_for(images_ * windows_[0], cost, [&](int64_t i) {
        float* y = out + i * windows_[1] * channels_;
        for (int64_t j = 0; j < windows_[1]; ++j, y += channels_)
          maximum(x + i / windows_[0] * x_size, i % windows_[0], j, y);
      });
      return;
    }
    // Windows overlap: an image is one piece.
    const auto* g = reinterpret_cast<const float*>(p[g_]);
    parallel_for(images_, 3 * cost,
                 [&](int64_t n) { spread(x + n * x_size, g + n * y_size, out + n * x_size); });
  }

 private:
  /// Calls f(offset of the pixel) for the window's pixels inside the image.
  template <class F>
  void for_pixels(int64_t i, int64_t j, F&& f) const {
    for (int64_t k = 0; k < a_.kernel[0]; ++k) {
      const int64_t r = i * a_.stride[0] - a_.padding[0] + k * a_.dilation[0];
      if (r < 0 || r >= size_[0]) continue;
      for (int64_t l = 0; l < a_.kernel[1]; ++l) {
        const int64_t c = j * a_.stride[1] - a_.padding[1] + l * a_.dilation[1];
        if (c >= 0 && c < size_[1]) f((r * size_[1] + c) * channels_);
      }
    }
  }

  void maximum(const float* x, int64_t i, int64_t j, float* y) const {
    std::fill_n(y, channels_, -std::numeric_limits<float>::infinity());
    for_pixels(i, j, [&](int64_t at) {
      kernels::pointwise({.code = Pointwise::kMaximum,
                          .a = {y},
                          .b = {x + at},
                          .out = y,
                          .rows = 1,
                          .columns = channels_});
    });
  }

  void spread(const float* x, const float* g, float* dx) const {
    auto* y = reinterpret_cast<float*>(scratch(2 * channels_ * sizeof(float)));
    float* rest = y + channels_;
    std::fill_n(dx, size_[0] * size_[1] * channels_, 0.0f);
    for (int64_t i = 0; i < windows_[0]; ++i)
      for (int64_t j = 0; j < windows_[1]; ++j, g += channels_) {
        maximum(x, i, j, y);
        std::copy_n(g, channels_, rest);
        for_pixels(
            i, j, [&](int64_t at) { kernels::max_pool_take(x + at, y, rest, dx + at, channels_); });
      }
  }

  MaxPool2dAttributes a_;
  int64_t images_, channels_, size_[2], windows_[2];
  int g_, in_, out_;
};

class ExpandPixelsSweep final : public Sweep {
 public:
  ExpandPixelsSweep(const Shape& s, int in, int out)
      : images_(s[0]), channels_(s[1]), pixels_(s.span_numel(2, s.rank())), in_(in), out_(out) {}

  const char* kernel() const override { return "pool"; }
  void run(Pointers p, const std::byte*) const override {
    const auto* x = reinterpret_cast<const float*>(p[in_]);
    auto* y = reinterpret_cast<float*>(p[out_]);
    parallel_for(images_, static_cast<double>(images_ * pixels_ * channels_), [&](int64_t n) {
      for (int64_t i = 0; i < pixels_; ++i)
        std::copy_n(x + n * channels_, channels_, y + (n * pixels_ + i) * channels_);
    });
  }

 private:
  int64_t images_, channels_, pixels_;
  int in_, out_;
};

}  // namespace

std::unique_ptr<Sweep> build_pool(const plan::Plan& plan, const plan::Group& group) {
  if (has_ends(plan, group)) return nullptr;
  const int value = group.values[0];
  const plan::Value& v = plan.values[value];
  if (v.dtype != DType::kFloat32 || v.shape.numel() == 0) return nullptr;
  auto shape = [&](int i) -> const Shape& { return plan.values[v.in[i]].shape; };
  if (v.op == &expand_pixels_op())
    return std::make_unique<ExpandPixelsSweep>(v.shape, v.in[0], value);
  if (v.op == &max_pool2d_op())
    return std::make_unique<MaxPoolSweep>(shape(0), v.shape, v.attributes.as<MaxPool2dAttributes>(),
                                          -1, v.in[0], value);
  if (v.op == &max_pool2d_grad_op())
    return std::make_unique<MaxPoolSweep>(v.shape, shape(0), v.attributes.as<MaxPool2dAttributes>(),
                                          v.in[0], v.in[1], value);
  return nullptr;
}

}  // namespace ballast::sweep

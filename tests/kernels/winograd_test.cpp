#include "ballast/kernels/winograd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ballast/base/random.h"
#include "ballast/kernels/product.h"
#include "tests/support/targets.h"

namespace ballast {
namespace {

using kernels::Transformed;

std::vector<float> uniform(int64_t n) {
  std::vector<float> v(n);
  static Generator random;
  for (float& x : v) x = static_cast<float>(random.random32() % 8192) / 4096 - 1;
  return v;
}

/// Of values in [-1, 1]: 3x3 products a channel (or m*m a tile), each amplified by at most the
/// product of the transforms' absolute row sums (for m = 4 752, in the weight gradient 1090; for m
/// = 2 at most 64), and about 20 roundings on the way.
double error(int m, int64_t summed) {
  return 0x1p-24 * 20 * (m == 4 ? 1090 : 64) * static_cast<double>(summed);
}

/// One row of tiles: `width` x `height` pixels of `in` channels, one pixel of padding, rows from
/// `top`, tiles from column `left`.
struct Case {
  int m;
  int64_t width, in, out, tiles, left;
  bool cut;  // the first and last rows lie outside of the image
};

class Tiles {
 public:
  explicit Tiles(const Case& c)
      : c_(c),
        k_(c.m + 2),
        wide_(kernels::panel_columns()),
        x_(uniform(k_ * c.width * (c.in + 1) + 1)),
        w_(uniform(c.out * c.in * 9)),
        bias_(uniform(c.out)) {
    for (int i = 0; i < k_; ++i)
      x_rows_.push_back(
          c.cut && (i == 0 || i == k_ - 1) ? nullptr : x_.data() + 1 + i * c.width * (c.in + 1));
  }

  double pixel(int64_t i, int64_t j, int64_t c) const {
    return x_rows_[i] && j >= 0 && j < c_.width ? x_rows_[i][j * (c_.in + 1) + c] : 0.0;
  }
  double tap(int64_t o, int64_t c, int64_t q) const { return w_[(o * c_.in + c) * 9 + q]; }

  /// Input, weights, output; the products by plain loops.
  void forward_is_the_convolution(bool flip) const {
    const auto [v, v_panel] = transformed(c_.in, true);
    kernels::winograd_input(c_.m, read(), {at(v), stride(c_.in), v_panel, wide_});
    const int64_t panel = c_.in * wide_, panels = (c_.out + wide_ - 1) / wide_;
    std::vector<float> u(k_ * k_ * panels * panel, 9.0f);
    kernels::winograd_weights(c_.m, {w_.data(), 9, c_.in * 9, flip}, c_.in, c_.out, u.data(),
                              panels * panel, panel);
    const auto [p, p_tile] = transformed(c_.out, true);
    for (int q = 0; q < k_ * k_; ++q)
      for (int64_t t = 0; t < c_.tiles; ++t)
        for (int64_t o = 0; o < c_.out; ++o) {
          double sum = 0;
          for (int64_t c = 0; c < c_.in; ++c)
            sum += static_cast<double>(v[q * stride(c_.in) + t * v_panel + c]) *
                   u[(q * panels + o / wide_) * panel + c * wide_ + o % wide_];
          at(p)[q * stride(c_.out) + t * p_tile + o] = static_cast<float>(sum);
        }
    // One more pixel on every side than may be written.
    const int64_t columns = c_.m * c_.tiles - 1, pitch = c_.out + 1;
    std::vector<float> y(c_.m * columns * pitch, 7.0f);
    std::vector<float*> rows;
    for (int i = 0; i < c_.m; ++i)
      rows.push_back(c_.cut && i == c_.m - 1 ? nullptr : y.data() + i * columns * pitch);
    kernels::winograd_output(c_.m, {at(p), stride(c_.out), p_tile, wide_}, bias_.data(),
                             {rows.data(), pitch, columns, 0, c_.tiles, c_.out});
    for (int64_t i = 0; i < c_.m; ++i)
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t o = 0; o < pitch; ++o) {
          const double got = y[(i * columns + j) * pitch + o];
          if (o == c_.out || !rows[i])
            ASSERT_EQ(got, 7.0) << i << ' ' << j << ' ' << o;
          else
            ASSERT_NEAR(got, bias_[o] + convolved(i, j, o, flip), error(c_.m, c_.in))
                << i << ' ' << j << ' ' << o;
        }
  }

  /// dw[o][c][tap] of one row of tiles, from two slabs of which the second is all zeros but one.
  void weight_gradient_is_the_correlation() const {
    const auto [v, v_tile] = transformed(c_.in, true);
    kernels::winograd_input(c_.m, read(), {at(v), stride(c_.in), v_tile, wide_});
    const int64_t width = c_.m * c_.tiles - 1, pitch = c_.out + 1;
    const auto dy = uniform(c_.m * width * pitch);
    std::vector<const float*> rows;
    for (int i = 0; i < c_.m; ++i) rows.push_back(dy.data() + i * width * pitch);
    const auto [d, d_panel] = transformed(c_.out, false);
    kernels::winograd_output_grad(c_.m, {rows.data(), pitch, width, 0, c_.tiles, c_.out},
                                  {at(d), stride(c_.out), wide_, d_panel});
    for (int64_t c = 0; c < c_.in; ++c) {
      std::vector<float> sums(2 * k_ * k_ * c_.out);
      for (int q = 0; q < k_ * k_; ++q)
        for (int64_t o = 0; o < c_.out; ++o) {
          double sum = 0;
          for (int64_t t = 0; t < c_.tiles; ++t)
            sum += static_cast<double>(v[q * stride(c_.in) + t * v_tile + c]) *
                   d[q * stride(c_.out) + o / wide_ * d_panel + t * wide_ + o % wide_];
          sums[q * c_.out + o] = static_cast<float>(sum) - 1;
          sums[(k_ * k_ + q) * c_.out + o] = 1;
        }
      std::vector<float> dw(c_.out * 10, 7.0f);
      kernels::winograd_weight_grad(c_.m, sums.data(), 2, k_ * k_ * c_.out, c_.out, c_.out,
                                    dw.data(), 10);
      for (int64_t o = 0; o < c_.out; ++o) {
        ASSERT_EQ(dw[o * 10 + 9], 7.0f);
        for (int q = 0; q < 9; ++q) {
          double sum = 0;
          for (int64_t i = 0; i < c_.m; ++i)
            for (int64_t j = 0; j < width; ++j)
              sum += pixel(i + q / 3, c_.left + j + q % 3, c) *
                     static_cast<double>(rows[i][j * pitch + o]);
          // The two slabs' ones cost a rounding of one in every coordinate.
          ASSERT_NEAR(dw[o * 10 + q], sum, error(c_.m, c_.tiles + 1)) << o << ' ' << c << ' ' << q;
        }
      }
    }
  }

 private:
  kernels::TilesRead read() const {
    return {x_rows_.data(), c_.in + 1, c_.width, c_.left, c_.tiles, c_.in};
  }

  double convolved(int64_t i, int64_t j, int64_t o, bool flip) const {
    double sum = 0;
    for (int64_t c = 0; c < c_.in; ++c)
      for (int q = 0; q < 9; ++q)
        sum += pixel(i + q / 3, c_.left + j + q % 3, c) * tap(o, c, flip ? 8 - q : q);
    return sum;
  }

  int64_t whole(int64_t channels) const { return (channels + wide_ - 1) / wide_ * wide_; }
  int64_t stride(int64_t channels) const { return whole(channels) * c_.tiles + 3; }
  /// Room for the transformed tiles, and the distance of tiles, or else of panels.
  std::pair<std::vector<float>, int64_t> transformed(int64_t channels, bool by_tile) const {
    return {std::vector<float>(k_ * k_ * stride(channels)),
            by_tile ? whole(channels) : wide_ * c_.tiles};
  }
  static float* at(const std::vector<float>& v) { return const_cast<float*>(v.data()); }

  Case c_;
  int64_t k_, wide_;
  std::vector<float> x_, w_, bias_;
  std::vector<const float*> x_rows_;
};

void for_each_case(const std::function<void(const Tiles&)>& f) {
  test::for_each_target([&] {
    for (int m : {2, 4})
      for (bool cut : {false, true})
        for (int64_t channels = 1; channels <= 35; channels += channels < 18 ? 1 : 17) {
          SCOPED_TRACE(channels);
          f(Tiles({m, 11, channels, 36 - channels, 3, -1, cut}));
          f(Tiles({m, 1, channels, 5, 1, -1, cut}));
        }
  });
}

TEST(WinogradKernels, ForwardIsTheConvolutionOnEveryTarget) {
  for_each_case([](const Tiles& t) { t.forward_is_the_convolution(false); });
}

TEST(WinogradKernels, FlippedWeightsAreReadBackwards) {
  for_each_case([](const Tiles& t) { t.forward_is_the_convolution(true); });
}

TEST(WinogradKernels, WeightGradientIsTheCorrelationOnEveryTarget) {
  for_each_case([](const Tiles& t) { t.weight_gradient_is_the_correlation(); });
}

}  // namespace
}  // namespace ballast

// How far Winograd convolutions, and direct ones, are from the exact result: for each layer shape,
// the root of the mean square and the largest error over some thousand elements, relative to the
// root of the mean square of the exact result (sums in double). Prints a table in Markdown.
#include <fmt/core.h>

#include <cmath>
#include <span>
#include <vector>

#include "ballast/base/random.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "ballast/plan/plan.h"

namespace {

using namespace ballast;

struct Layer {
  int64_t images, size, channels;
};

/// x, w, dy normal (weights scaled by the square root of the products in a sum, as initialized).
class Exact {
 public:
  Exact(const Layer& l, const Tensor& x, const Tensor& w, const Tensor& dy)
      : l_(l), x_(x.values<float>()), w_(w.values<float>()), dy_(dy.values<float>()) {}

  double forward(int64_t n, int64_t o, int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t c = 0; c < l_.channels; ++c)
      for (int64_t q = 0; q < 9; ++q)
        sum += at(x_, n, c, i + q / 3 - 1, j + q % 3 - 1) * w_[(o * l_.channels + c) * 9 + q];
    return sum;
  }
  double input_grad(int64_t n, int64_t c, int64_t i, int64_t j) const {
    double sum = 0;
    for (int64_t o = 0; o < l_.channels; ++o)
      for (int64_t q = 0; q < 9; ++q)
        sum += at(dy_, n, o, i + 1 - q / 3, j + 1 - q % 3) * w_[(o * l_.channels + c) * 9 + q];
    return sum;
  }
  double weight_grad(int64_t o, int64_t c, int64_t k, int64_t l) const {
    double sum = 0;
    for (int64_t n = 0; n < l_.images; ++n)
      for (int64_t i = 0; i < l_.size; ++i)
        for (int64_t j = 0; j < l_.size; ++j)
          sum += at(dy_, n, o, i, j) * at(x_, n, c, i + k - 1, j + l - 1);
    return sum;
  }

 private:
  double at(const std::vector<float>& v, int64_t n, int64_t c, int64_t i, int64_t j) const {
    if (i < 0 || j < 0 || i >= l_.size || j >= l_.size) return 0;
    return v[((n * l_.channels + c) * l_.size + i) * l_.size + j];
  }

  Layer l_;
  std::vector<float> x_, w_, dy_;
};

struct Error {
  double square = 0, largest = 0, exact = 0;
  void add(double got, double wanted) {
    square += (got - wanted) * (got - wanted);
    largest = std::max(largest, std::abs(got - wanted));
    exact += wanted * wanted;
  }
  std::string str(int64_t n) const {
    const double scale = std::sqrt(exact / static_cast<double>(n));
    return fmt::format("{:.1e} ({:.1e})", std::sqrt(square / static_cast<double>(n)) / scale,
                       largest / scale);
  }
};

void report(const Layer& l) {
  const NoGrad off;
  const Shape image{l.images, l.channels, l.size, l.size}, weight{l.channels, l.channels, 3, 3};
  const Tensor x = randn(image), dy = randn(image);
  const Tensor w = randn(weight) * (1 / std::sqrt(9.0 * static_cast<double>(l.channels)));
  const Exact exact(l, x, w, dy);
  const Conv2dAttributes at{{1, 1}, {1, 1}, {1, 1}, 1};
  fmt::print("| {}x{}x{}x{} |", l.images, l.size, l.size, l.channels);
  for (int d = 0; d < 3; ++d)
    for (bool winograd : {true, false}) {
      plan::options().winograd = winograd;
      const Tensor made =
          d == 0   ? record(conv2d_op(), image, DType::kFloat32, {x, w}, at)
          : d == 1 ? record(conv2d_input_grad_op(), image, DType::kFloat32, {dy, w}, at)
                   : record(conv2d_weight_grad_op(), weight, DType::kFloat32, {dy, x}, at);
      const std::vector<float> values = made.values<float>();
      Generator random(1);
      Error e;
      const int64_t samples = d == 2 ? 300 : 3000;
      for (int64_t s = 0; s < samples; ++s) {
        const int64_t k = static_cast<int64_t>(random.random32() % values.size());
        const Shape& shape = made.shape();
        const int64_t j = k % shape[3], i = k / shape[3] % shape[2],
                      c = k / (shape[3] * shape[2]) % shape[1],
                      n = k / (shape[3] * shape[2] * shape[1]);
        e.add(values[k], d == 0   ? exact.forward(n, c, i, j)
                         : d == 1 ? exact.input_grad(n, c, i, j)
                                  : exact.weight_grad(n, c, i, j));
      }
      fmt::print(" {} |", e.str(samples));
    }
  fmt::print("\n");
}

}  // namespace

int main() {
  fmt::print(
      "| layer | y | y, direct | dx | dx, direct | dw | dw, direct "
      "|\n|---|---|---|---|---|---|---|\n");
  for (const Layer& l :
       {Layer{16, 56, 64}, Layer{16, 28, 128}, Layer{16, 14, 256}, Layer{16, 7, 512},
        Layer{128, 32, 16}, Layer{128, 16, 32}, Layer{128, 8, 64}})
    report(l);
}

#include "tests/support/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "ballast/grad/grad.h"
#include "ballast/graph/eval.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"

namespace ballast::test {

Tensor uniform(const Shape& shape, uint64_t seed) {
  std::vector<double> v(shape.numel());
  uint64_t s = seed * 0x9E3779B97F4A7C15u + 1;
  for (double& x : v) {  // splitmix64
    uint64_t z = s += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    x = static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
  }
  return Tensor::from(v, shape);
}

double gradient_error(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                      std::vector<Tensor> inputs) {
  auto scalar = [&](const std::vector<Tensor>& in) {
    const Tensor y = f(in);
    return y.dim() == 0 ? y : sum(y * uniform(y.shape(), 99));
  };
  for (Tensor& t : inputs) t.set_requires_grad();
  scalar(inputs).backward();
  double worst = 0;
  for (Tensor& t : inputs) {
    const int64_t n = t.numel();
    const auto g = t.grad().defined() ? t.grad().values<double>() : std::vector<double>(n);
    const auto x = t.values<double>();
    double scale = 1, error = 0;
    for (double v : g) scale = std::max(scale, std::abs(v));
    for (int64_t i = 0; i < n; ++i) {
      constexpr double h = 1e-5;
      double f_at[2];
      for (int side : {0, 1}) {
        NoGrad off;
        t.mutable_data<double>()[i] = x[i] + (side ? h : -h);
        f_at[side] = scalar(inputs).item();
      }
      t.mutable_data<double>()[i] = x[i];
      error = std::max(error, std::abs((f_at[1] - f_at[0]) / (2 * h) - g[i]));
    }
    worst = std::max(worst, std::isnan(error) ? INFINITY : error / scale);
  }
  return worst;
}

double fast_error(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f,
                  const std::vector<Tensor>& inputs) {
  std::vector<Tensor> narrow, wide;
  for (const Tensor& t : inputs) {
    narrow.push_back(is_floating(t.dtype()) ? cast(t, DType::kFloat32).detach() : t);
    wide.push_back(is_floating(t.dtype()) ? cast(narrow.back(), DType::kFloat64).detach() : t);
  }
  eval(narrow);  // the network reads them from memory
  for (auto* list : {&narrow, &wide})
    for (Tensor& t : *list)
      if (is_floating(t.dtype())) t.set_requires_grad();
  const auto fast = f(narrow), exact = f(wide);
  eval(fast);  // together
  double worst = 0;
  for (size_t i = 0; i < fast.size(); ++i) {
    const auto a = cast(fast[i], DType::kFloat64).values<double>(), b = exact[i].values<double>();
    double scale = 1e-30, error = 0;
    for (size_t j = 0; j < a.size(); ++j) {
      scale = std::max(scale, std::abs(b[j]));
      error = std::max(error, std::isnan(a[j]) ? INFINITY : std::abs(a[j] - b[j]));
    }
    worst = std::max(worst, error / scale);
  }
  return worst;
}

std::vector<Tensor> with_gradient(const Tensor& x, const Tensor& y) {
  return {y, grad(sum(square(y)), {x}, {}, true)[0]};
}

}  // namespace ballast::test

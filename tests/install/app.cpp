// Uses the installed library through every kind of thing it depends on: formatting, threads, vector
// kernels, archives.
#include <cstdio>
#include <string>
#include <vector>

#include "ballast/base/version.h"
#include "ballast/data/digits.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"

int main() {
  using namespace ballast;
  Tensor x = Tensor::from<float>(std::vector<float>(64 * 64, 0.5f), {64, 64});
  x.set_requires_grad();
  sum(matmul(x, x) * 2.0).backward();
  const float gradient = x.grad().values<float>()[0];
  const auto digits = data::digits_arrays();
  std::printf("Ballast %s: gradient %g, %lld digits\n", std::string(version()).c_str(), gradient,
              static_cast<long long>(digits.size()));
  return gradient == 128 && digits.size() == 1797 ? 0 : 1;
}

#include "ballast/ops/distance.h"

#include "ballast/ops/index.h"
#include "ballast/ops/loss_margin.h"
#include "ballast/ops/pointwise.h"

namespace ballast {

Tensor pdist(const Tensor& x, double p) {
  check(x.dim() == 2, "pdist only supports 2D tensors, got: {}D", x.dim());
  check(is_floating(x.dtype()), "pdist only supports floating-point dtypes");
  check(p >= 0, "pdist only supports non-negative p values");
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < x.size(0); ++i)
    for (int64_t j = i + 1; j < x.size(0); ++j) {
      first.push_back(i);
      second.push_back(j);
    }
  const Shape pairs{static_cast<int64_t>(first.size())};
  const auto rows = [&](const std::vector<int64_t>& at) {
    return index_select(x, 0, Tensor::from(at, pairs));
  };
  return vector_norm(rows(first) - rows(second), p, {1});
}

}  // namespace ballast

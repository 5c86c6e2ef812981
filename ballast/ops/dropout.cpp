#include "ballast/ops/dropout.h"

#include "ballast/base/random.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/support.h"

namespace ballast {

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  check<ValueError>(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got {}",
                    p);
  if (!training || p == 0 || x.numel() == 0) return x;
  check(is_floating(x.dtype()), "result type Float can't be cast to the desired output type {}",
        ops::scalar_type_name(x.dtype()));
  if (p == 1) return x * 0.0;
  const Tensor mask(make_leaf(x.shape(), x.dtype()));
  dispatch_floating(x.dtype(), "dropout", [&](auto zero) {
    using T = decltype(zero);
    T* values = reinterpret_cast<T*>(mask.node().data());
    dropout_mask(std::span<T>(values, static_cast<size_t>(x.numel())), p, generator);
  });
  return x * mask;
}

}  // namespace ballast

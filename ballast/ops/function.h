// Functions of one number given by formulas for their values and derivatives. Not part of the
// public interface.
#pragma once

#include "ballast/base/interrupt.h"
#include "ballast/graph/tensor.h"

namespace ballast::ops {

/// Parameters of a function; what they mean is the function's business.
struct FunctionParameters {
  double a = 0, b = 0;
};

/// The K-th derivative of `F` at every element of its last input, times its first input for K > 0.
/// Arithmetic is in double.
template <class F, int K>
class FunctionOp final : public Op {
 public:
  FunctionOp() : Op(F::kNames[K]) {}
  bool elementwise() const override { return true; }

  void reference(const Call& c) const override {
    dispatch_floating(c.out.dtype, name(), [&](auto zero) {
      using T = decltype(zero);
      const FunctionParameters p = c.attributes.as<FunctionParameters>();
      const T *g = c.input<T>(0), *x = c.input<T>(K > 0 ? 1 : 0);
      T* out = c.output<T>();
      in_slices(c.out.shape.numel(), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const double y = F::template derivative<K>(static_cast<double>(x[i]), p);
          out[i] = static_cast<T>(K > 0 ? y * g[i] : y);
        }
      });
    });
  }

  Gradients gradient(const Backward& b) const override {
    if constexpr (K == 0) {
      return {at<1>(b, b.grad(), b.input(0))};
    } else {
      Gradients g{Tensor(), Tensor()};
      if (b.needs(0)) g[0] = at<K>(b, b.grad(), b.input(1));
      if (b.needs(1)) {
        if constexpr (K == 2)
          fail<NotImplementedError>("{}: third derivatives are not implemented", name());
        else
          g[1] = at<2>(b, b.grad() * b.input(0), b.input(1));
      }
      return g;
    }
  }
  uint32_t gradient_reads() const override { return K > 0 ? 3 : 1; }
  Traits traits() const override {
    if constexpr (requires { F::kCodes[K]; }) {
      if (F::kCodes[K] != Pointwise::kNone)
        return {.kind = Traits::Kind::kPointwise, .code = F::kCodes[K]};
    }
    return {};
  }

  static const FunctionOp& get() {
    static const FunctionOp op;
    return op;
  }

 private:
  template <int N>
  static Tensor at(const Backward& b, const Tensor& g, const Tensor& x) {
    return record(FunctionOp<F, N>::get(), x.shape(), x.dtype(), {g, x},
                  b.attributes<FunctionParameters>());
  }
};

/// `F` at every element: a struct with `kNames`, those of the function and its two derivatives, and
/// `derivative<K>(x, parameters)` for K = 0 (the function itself), 1 and 2. Throws for integer
/// types.
template <class F>
Tensor apply(const Tensor& x, FunctionParameters p = {}) {
  check(is_floating(x.dtype()), "{}: expected a floating-point tensor, got {}", F::kNames[0],
        name_of(x.dtype()));
  return record(FunctionOp<F, 0>::get(), x.shape(), x.dtype(), {x}, p);
}

}  // namespace ballast::ops

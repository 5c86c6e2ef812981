#include "ballast/ops/pointwise.h"

#include <algorithm>
#include <cmath>

#include "ballast/ops/shape_ops.h"
#include "ballast/ops/support.h"

namespace ballast {
namespace {

using ops::sum_to;

/// An operation that computes every element by `F::apply(a)` or `F::apply(a, b)`, in the output's
/// type.
template <class F, int Inputs>
class PointwiseOp final : public Op {
 public:
  PointwiseOp() : Op(F::kName) {}

  void reference(const Call& call) const override {
    dispatch(call.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      T* out = call.output<T>();
      const T* a = call.input<T>(0);
      if constexpr (Inputs == 1) {
        in_slices(call.out.shape.numel(), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) out[i] = F::apply(a[i]);
        });
      } else {
        const T* b = call.input<T>(1);
        in_slices(call.out.shape.numel(), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) out[i] = F::apply(a[i], b[i]);
        });
      }
    });
  }

  Gradients gradient(const Backward& b) const override {
    Gradients g = F::gradient(b);
    if constexpr (Inputs == 2)
      for (int i = 0; i < 2; ++i)
        if (g[i].defined()) g[i] = sum_to(g[i], b.input_shape(i));
    return g;
  }

  Traits traits() const override { return {Traits::Kind::kPointwise, F::kCode}; }
  uint32_t gradient_reads() const override { return F::kReads; }
  uint32_t reads_for(uint32_t needed) const override {
    if constexpr (requires { F::reads(needed); })
      return F::reads(needed);
    else
      return F::kReads;
  }

  static const PointwiseOp& get() {
    static const PointwiseOp op;
    return op;
  }
};

// What a gradient rule reads.
constexpr uint32_t kNothing = 0, kA = 1, kAB = 3, kOut = Op::kReadsOutput;

struct Add {
  static constexpr const char* kName = "add";
  static constexpr Pointwise kCode = Pointwise::kAdd;
  static constexpr uint32_t kReads = kNothing;
  template <class T>
  static T apply(T a, T b) {
    return wrapping_add(a, b);
  }
  static Gradients gradient(const Backward& b) { return {b.grad(), b.grad()}; }
};

struct Sub {
  static constexpr const char* kName = "sub";
  static constexpr Pointwise kCode = Pointwise::kSub;
  static constexpr uint32_t kReads = kNothing;
  template <class T>
  static T apply(T a, T b) {
    return wrapping_sub(a, b);
  }
  static Gradients gradient(const Backward& b) { return {b.grad(), neg(b.grad())}; }
};

struct Mul {
  static constexpr const char* kName = "mul";
  static constexpr Pointwise kCode = Pointwise::kMul;
  static constexpr uint32_t kReads = kAB;
  template <class T>
  static T apply(T a, T b) {
    return wrapping_mul(a, b);
  }
  static uint32_t reads(uint32_t needed) { return (needed & 1) << 1 | needed >> 1; }
  static Gradients gradient(const Backward& b) {
    Gradients g{Tensor(), Tensor()};
    if (b.needs(0)) g[0] = b.grad() * b.input(1);
    if (b.needs(1)) g[1] = b.grad() * b.input(0);
    return g;
  }
};

struct Div {
  static constexpr const char* kName = "div";
  static constexpr Pointwise kCode = Pointwise::kDiv;
  static constexpr uint32_t kReads = kAB;
  template <class T>
  static T apply(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) return a / b;
    return a;  // div() converts integers first
  }
  static uint32_t reads(uint32_t needed) { return needed & 2 ? kAB : kAB & ~kA; }
  static Gradients gradient(const Backward& b) {
    Gradients g{Tensor(), Tensor()};
    const Tensor by = b.input(1);
    if (b.needs(0)) g[0] = b.grad() / by;
    if (b.needs(1)) g[1] = neg(b.grad() * (b.input(0) / by) / by);
    return g;
  }
};

template <bool Larger>
struct Extreme {
  static constexpr const char* kName = Larger ? "maximum" : "minimum";
  static constexpr Pointwise kCode = Larger ? Pointwise::kMaximum : Pointwise::kMinimum;
  static constexpr uint32_t kReads = kAB;
  template <class T>
  static T apply(T a, T b) {
    if (std::isnan(a)) return a;
    if (std::isnan(b)) return b;
    return Larger ? std::max(a, b) : std::min(a, b);
  }
  // The step function as (relu(d)/d) would be 0/0 at a tie; steps are made of two comparisons
  // instead.
  static Gradients gradient(const Backward& b);
};
using Maximum = Extreme<true>;
using Minimum = Extreme<false>;

struct Neg {
  static constexpr const char* kName = "neg";
  static constexpr Pointwise kCode = Pointwise::kNeg;
  static constexpr uint32_t kReads = kNothing;
  template <class T>
  static T apply(T a) {
    if constexpr (std::is_integral_v<T>) return wrapping_sub(T{0}, a);
    return static_cast<T>(-a);
  }
  static Gradients gradient(const Backward& b) { return {neg(b.grad())}; }
};

/// g unless x <= 0, then 0: the gradient of relu, and the step function. NaN lets it through.
struct ReluGrad {
  static constexpr const char* kName = "relu_grad";
  static constexpr Pointwise kCode = Pointwise::kReluGrad;
  static constexpr uint32_t kReads = 2;
  template <class T>
  static T apply(T g, T x) {
    return x <= 0 ? T{0} : g;
  }
  static Gradients gradient(const Backward& b);
};

Tensor relu_grad(const Tensor& g, const Tensor& x) {
  return record(PointwiseOp<ReluGrad, 2>::get(), broadcast(g.shape(), x.shape()), x.dtype(),
                {g, x});
}

Gradients ReluGrad::gradient(const Backward& b) {
  return {relu_grad(b.grad(), b.input(1)), Tensor()};
}

template <bool Larger>
Gradients Extreme<Larger>::gradient(const Backward& b) {
  const Tensor x = b.input(0), y = b.input(1), g = b.grad();
  const Tensor ahead = Larger ? x - y : y - x;
  const Tensor wins = relu_grad(g, ahead), loses = relu_grad(g, neg(ahead));
  const Tensor tie = (g - wins - loses) * 0.5;
  return {wins + tie, loses + tie};
}

struct Abs {
  static constexpr const char* kName = "abs";
  static constexpr Pointwise kCode = Pointwise::kAbs;
  static constexpr uint32_t kReads = kA;
  template <class T>
  static T apply(T a) {
    return std::is_same_v<T, bool> || !(a < T{0}) ? a : Neg::apply(a);
  }
  static Gradients gradient(const Backward& b) {
    const Tensor x = b.input(0);
    return {relu_grad(b.grad(), x) - relu_grad(b.grad(), neg(x))};
  }
};

struct Square {
  static constexpr const char* kName = "square";
  static constexpr Pointwise kCode = Pointwise::kSquare;
  static constexpr uint32_t kReads = kA;
  template <class T>
  static T apply(T a) {
    return wrapping_mul(a, a);
  }
  static Gradients gradient(const Backward& b) { return {b.grad() * (b.input(0) * 2.0)}; }
};

struct Sqrt {
  static constexpr const char* kName = "sqrt";
  static constexpr Pointwise kCode = Pointwise::kSqrt;
  static constexpr uint32_t kReads = kOut;
  template <class T>
  static T apply(T a) {
    return static_cast<T>(std::sqrt(a));
  }
  static Gradients gradient(const Backward& b) { return {b.grad() / (b.output() * 2.0)}; }
};

struct Rsqrt {
  static constexpr const char* kName = "rsqrt";
  static constexpr Pointwise kCode = Pointwise::kRsqrt;
  static constexpr uint32_t kReads = kOut;
  template <class T>
  static T apply(T a) {
    return static_cast<T>(1 / std::sqrt(a));
  }
  static Gradients gradient(const Backward& b) {
    const Tensor y = b.output();
    return {b.grad() * (square(y) * y * -0.5)};
  }
};

struct Reciprocal {
  static constexpr const char* kName = "reciprocal";
  static constexpr Pointwise kCode = Pointwise::kReciprocal;
  static constexpr uint32_t kReads = kOut;
  template <class T>
  static T apply(T a) {
    if constexpr (std::is_floating_point_v<T>) return 1 / a;
    return a;  // reciprocal() converts integers first
  }
  static Gradients gradient(const Backward& b) { return {neg(b.grad() * square(b.output()))}; }
};

struct Exp {
  static constexpr const char* kName = "exp";
  static constexpr Pointwise kCode = Pointwise::kExp;
  static constexpr uint32_t kReads = kOut;
  template <class T>
  static T apply(T a) {
    return static_cast<T>(std::exp(a));
  }
  static Gradients gradient(const Backward& b) { return {b.grad() * b.output()}; }
};

struct Log {
  static constexpr const char* kName = "log";
  static constexpr Pointwise kCode = Pointwise::kLog;
  static constexpr uint32_t kReads = kA;
  template <class T>
  static T apply(T a) {
    return static_cast<T>(std::log(a));
  }
  static Gradients gradient(const Backward& b) { return {b.grad() / b.input(0)}; }
};

struct Tanh {
  static constexpr const char* kName = "tanh";
  static constexpr Pointwise kCode = Pointwise::kTanh;
  static constexpr uint32_t kReads = kOut;
  template <class T>
  static T apply(T a) {
    return static_cast<T>(std::tanh(a));
  }
  static Gradients gradient(const Backward& b) { return {b.grad() * (1.0 - square(b.output()))}; }
};

struct Sigmoid {
  static constexpr const char* kName = "sigmoid";
  static constexpr Pointwise kCode = Pointwise::kSigmoid;
  static constexpr uint32_t kReads = kOut;
  template <class T>
  static T apply(T a) {
    return static_cast<T>(1 / (1 + std::exp(-a)));
  }
  static Gradients gradient(const Backward& b) {
    const Tensor y = b.output();
    return {b.grad() * (y * (1.0 - y))};
  }
};

struct Relu {
  static constexpr const char* kName = "relu";
  static constexpr Pointwise kCode = Pointwise::kRelu;
  static constexpr uint32_t kReads = kOut;
  template <class T>
  static T apply(T a) {
    return std::is_same_v<T, bool> || !(a < T{0}) ? a : T{0};
  }
  static Gradients gradient(const Backward& b) { return {relu_grad(b.grad(), b.output())}; }
};

template <class F>
Tensor binary(const Tensor& a, const Tensor& b, bool floating = false) {
  DType t = ops::result_type(a, b);
  if (floating && !is_floating(t)) t = DType::kFloat32;
  // PyTorch rounds a number that is added to a half tensor, and not one that scales it.
  constexpr bool kScales = std::is_same_v<F, Mul> || std::is_same_v<F, Div>;
  const auto in = [&](const Tensor& x) { return kScales ? ops::operand(x, t) : x.to(t); };
  return record(PointwiseOp<F, 2>::get(), broadcast(a.shape(), b.shape()), t, {in(a), in(b)});
}

template <class F>
Tensor unary(const Tensor& x, bool floating = false) {
  const DType t = floating && !is_floating(x.dtype()) ? DType::kFloat32 : x.dtype();
  return record(PointwiseOp<F, 1>::get(), x.shape(), t, {x.to(t)});
}

}  // namespace

Tensor Scalar::beside(const Tensor& other) const {
  DType t = other.dtype();
  if (!is_floating(t) && !integral_) t = DType::kFloat32;
  if (t == DType::kBool && !boolean_) t = DType::kInt64;
  Tensor s(make_leaf({}, compute_type(t)));
  dispatch(s.dtype(), [&](auto zero) {
    using T = decltype(zero);
    *reinterpret_cast<T*>(s.node().data()) = static_cast<T>(value_);
  });
  s.node().number = true;
  return s;
}

Tensor add(const Tensor& a, const Tensor& b) { return binary<Add>(a, b); }
Tensor sub(const Tensor& a, const Tensor& b) {
  const bool left = a.dtype() == DType::kBool, right = b.dtype() == DType::kBool;
  check<NotImplementedError>(!left || !right,
                             "Subtraction, the `-` operator, with two bool tensors is not "
                             "supported. Use the `^` or `logical_xor()` operator instead.");
  check<NotImplementedError>(
      !left && !right,
      "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to "
      "invert a mask, use the `~` or `logical_not()` operator instead.");
  return binary<Sub>(a, b);
}
Tensor mul(const Tensor& a, const Tensor& b) { return binary<Mul>(a, b); }
Tensor div(const Tensor& a, const Tensor& b) { return binary<Div>(a, b, true); }
Tensor maximum(const Tensor& a, const Tensor& b) { return binary<Maximum>(a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return binary<Minimum>(a, b); }
Tensor neg(const Tensor& x) {
  check<NotImplementedError>(x.dtype() != DType::kBool,
                             "Negation, the `-` operator, on a bool tensor is not supported. If "
                             "you are trying to invert a "
                             "mask, use the `~` or `logical_not()` operator instead.");
  return unary<Neg>(x);
}
Tensor abs(const Tensor& x) { return unary<Abs>(x); }
Tensor square(const Tensor& x) {
  return unary<Square>(x.dtype() == DType::kBool ? cast(x, DType::kInt64) : x);
}
Tensor relu(const Tensor& x) { return unary<Relu>(x); }
Tensor sqrt(const Tensor& x) { return unary<Sqrt>(x, true); }
Tensor rsqrt(const Tensor& x) { return unary<Rsqrt>(x, true); }
Tensor reciprocal(const Tensor& x) { return unary<Reciprocal>(x, true); }
Tensor exp(const Tensor& x) { return unary<Exp>(x, true); }
Tensor log(const Tensor& x) { return unary<Log>(x, true); }
Tensor tanh(const Tensor& x) { return unary<Tanh>(x, true); }
Tensor sigmoid(const Tensor& x) { return unary<Sigmoid>(x, true); }

}  // namespace ballast

#include "ballast/kernels/recurrent.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/recurrent.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/exp-inl.h"
#include "ballast/kernels/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Calls f(load, store, position) for vectors of a row, the last one masked.
template <class F>
HWY_INLINE void for_vectors(int64_t n, const F& f) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    f([=](const float* p) HWY_ATTR { return hn::LoadU(d, p); },
      [=](V v, float* p) HWY_ATTR { hn::StoreU(v, d, p); }, i);
  if (i == n) return;
  const auto mask = hn::FirstN(d, static_cast<size_t>(n - i));
  f([=](const float* p) HWY_ATTR { return load_first(mask, d, p); },
    [=](V v, float* p) HWY_ATTR { store_first(v, mask, d, p); }, i);
}

HWY_INLINE V sigmoid(V x) {
  const V one = hn::Set(D(), 1.0f);
  return hn::Div(one, hn::Add(one, exponential(hn::Neg(x))));
}
HWY_INLINE V tangent(V x) { return keep_nan(x, hn::Tanh(D(), x)); }
/// 1 - y.
HWY_INLINE V rest(V y) { return hn::Sub(hn::Set(D(), 1.0f), y); }
/// 1 - y^2.
HWY_INLINE V rest_of_square(V y) { return hn::NegMulAdd(y, y, hn::Set(D(), 1.0f)); }

void RnnRow(bool relu, int64_t n, const float* x, const float* s, float* h) {
  const V zero = hn::Zero(D());
  for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
    const V sum = hn::Add(load(x + i), load(s + i));
    store(relu ? keep_nan(sum, hn::Max(sum, zero)) : tangent(sum), h + i);
  });
}

void RnnRowGrad(bool relu, int64_t n, const float* h, const float* dh, float* dx) {
  const V zero = hn::Zero(D());
  for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
    const V y = load(h + i), g = load(dh + i);
    store(relu ? hn::IfThenElseZero(hn::Gt(y, zero), g) : hn::Mul(g, rest_of_square(y)), dx + i);
  });
}

void LstmRow(int64_t n, const float* x, float* gates, float* c, float* h) {
  for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
    const auto sum = [&](int64_t gate) HWY_ATTR {
      return hn::Add(load(x + gate * n + i), load(gates + gate * n + i));
    };
    const V in = sigmoid(sum(0)), forget = sigmoid(sum(1)), made = tangent(sum(2)),
            out = sigmoid(sum(3));
    const V cells = hn::MulAdd(forget, load(c + i), hn::Mul(in, made));
    store(in, gates + i);
    store(forget, gates + n + i);
    store(made, gates + 2 * n + i);
    store(out, gates + 3 * n + i);
    store(cells, c + i);
    store(hn::Mul(out, tangent(cells)), h + i);
  });
}

void LstmRowGrad(int64_t n, const float* gates, const float* c, const float* c_before,
                 const float* dh, float* dc, float* dx) {
  for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
    const V in = load(gates + i), forget = load(gates + n + i), made = load(gates + 2 * n + i),
            out = load(gates + 3 * n + i);
    const V y = tangent(load(c + i)), g = load(dh + i);
    const V e = hn::MulAdd(hn::Mul(g, out), rest_of_square(y), load(dc + i));
    store(hn::Mul(hn::Mul(e, made), hn::Mul(in, rest(in))), dx + i);
    store(hn::Mul(hn::Mul(e, load(c_before + i)), hn::Mul(forget, rest(forget))), dx + n + i);
    store(hn::Mul(hn::Mul(e, in), rest_of_square(made)), dx + 2 * n + i);
    store(hn::Mul(hn::Mul(g, y), hn::Mul(out, rest(out))), dx + 3 * n + i);
    store(hn::Mul(e, forget), dc + i);
  });
}

void GruRow(int64_t n, const float* x, float* gates, float* inner, float* h) {
  for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
    const V reset = sigmoid(hn::Add(load(x + i), load(gates + i)));
    const V update = sigmoid(hn::Add(load(x + n + i), load(gates + n + i)));
    const V sum = load(gates + 2 * n + i);
    const V made = tangent(hn::MulAdd(reset, sum, load(x + 2 * n + i)));
    store(reset, gates + i);
    store(update, gates + n + i);
    store(made, gates + 2 * n + i);
    store(sum, inner + i);
    store(hn::MulAdd(hn::Sub(load(h + i), made), update, made), h + i);
  });
}

void GruRowGrad(int64_t n, const float* gates, const float* inner, const float* h_before, float* dh,
                float* dx, float* d_inner) {
  for_vectors(n, [&](auto load, auto store, int64_t i) HWY_ATTR {
    const V reset = load(gates + i), update = load(gates + n + i), made = load(gates + 2 * n + i);
    const V g = load(dh + i);
    const V e = hn::Mul(hn::Mul(g, rest(update)), rest_of_square(made));
    store(hn::Mul(hn::Mul(e, load(inner + i)), hn::Mul(reset, rest(reset))), dx + i);
    store(hn::Mul(hn::Mul(g, hn::Sub(load(h_before + i), made)), hn::Mul(update, rest(update))),
          dx + n + i);
    store(e, dx + 2 * n + i);
    store(hn::Mul(e, reset), d_inner + i);
    store(hn::Mul(g, update), dh + i);
  });
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(RnnRow);
HWY_EXPORT(RnnRowGrad);
HWY_EXPORT(LstmRow);
HWY_EXPORT(LstmRowGrad);
HWY_EXPORT(GruRow);
HWY_EXPORT(GruRowGrad);

void rnn_row(bool relu, int64_t n, const float* x, const float* s, float* h) {
  HWY_DYNAMIC_DISPATCH(RnnRow)(relu, n, x, s, h);
}
void rnn_row_grad(bool relu, int64_t n, const float* h, const float* dh, float* dx) {
  HWY_DYNAMIC_DISPATCH(RnnRowGrad)(relu, n, h, dh, dx);
}
void lstm_row(int64_t n, const float* x, float* gates, float* c, float* h) {
  HWY_DYNAMIC_DISPATCH(LstmRow)(n, x, gates, c, h);
}
void lstm_row_grad(int64_t n, const float* gates, const float* c, const float* c_before,
                   const float* dh, float* dc, float* dx) {
  HWY_DYNAMIC_DISPATCH(LstmRowGrad)(n, gates, c, c_before, dh, dc, dx);
}
void gru_row(int64_t n, const float* x, float* gates, float* inner, float* h) {
  HWY_DYNAMIC_DISPATCH(GruRow)(n, x, gates, inner, h);
}
void gru_row_grad(int64_t n, const float* gates, const float* inner, const float* h_before,
                  float* dh, float* dx, float* d_inner) {
  HWY_DYNAMIC_DISPATCH(GruRowGrad)(n, gates, inner, h_before, dh, dx, d_inner);
}
}  // namespace ballast::kernels
#endif

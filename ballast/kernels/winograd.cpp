#include "ballast/kernels/winograd.h"

#include <algorithm>

#include "ballast/kernels/fetch.h"
#include "ballast/kernels/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/winograd.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

HWY_INLINE V constant(float x) { return hn::Set(D(), x); }

// The last, incomplete vector of a pixel's channels. Nothing beyond it may be touched: the next
// pixel may be another thread's, or another mapping's.
HWY_INLINE V load_some(const float* p, int64_t n) {
  return load_first(hn::FirstN(D(), static_cast<size_t>(n)), D(), p);
}
HWY_INLINE void store_some(V v, float* p, int64_t n) {
  store_first(v, hn::FirstN(D(), static_cast<size_t>(n)), D(), p);
}

// One-dimensional transforms: `d` to `o`. For points 0, +-p, +-q and infinity, with the
// polynomials' leading coefficients 1:
//   B^T  0: (p^2 q^2, 0, -(p^2+q^2), 0, 1, 0)        infinity: (0, p^2 q^2, 0, -(p^2+q^2), 0, 1)
//        +-p: (0, -+p q^2, -q^2, +-p, 1, 0)           +-q: p and q exchanged
//   G    0: (1, 0, 0) / (p^2 q^2)                     infinity: (0, 0, 1)
//        +-p: (1, +-p, p^2) / (2 p^2 (p^2 - q^2))
//   A    x: (1, x, x^2, x^3)                          infinity: (0, 0, 0, 1)
template <int M>
struct Transform;

template <>
struct Transform<4> {
  static constexpr float kP = 0.75f, kQ = 1.5f, kP2 = kP * kP, kQ2 = kQ * kQ;
  static constexpr float kProduct = kP2 * kQ2, kSum = kP2 + kQ2;
  static constexpr float kG0 = 1 / kProduct, kGp = 1 / (2 * kP2 * (kP2 - kQ2)),
                         kGq = 1 / (2 * kQ2 * (kQ2 - kP2));

  static HWY_INLINE void input(const V* d, V* o) {
    const V d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4], d5 = d[5];
    const V product = constant(kProduct), sum = constant(kSum), p = constant(kP), q = constant(kQ),
            p2 = constant(kP2), q2 = constant(kQ2);
    const V even_p = hn::NegMulAdd(q2, d2, d4), odd_p = hn::NegMulAdd(q2, d1, d3);
    const V even_q = hn::NegMulAdd(p2, d2, d4), odd_q = hn::NegMulAdd(p2, d1, d3);
    o[0] = hn::MulAdd(product, d0, hn::NegMulAdd(sum, d2, d4));
    o[1] = hn::MulAdd(p, odd_p, even_p);
    o[2] = hn::NegMulAdd(p, odd_p, even_p);
    o[3] = hn::MulAdd(q, odd_q, even_q);
    o[4] = hn::NegMulAdd(q, odd_q, even_q);
    o[5] = hn::MulAdd(product, d1, hn::NegMulAdd(sum, d3, d5));
  }

  static HWY_INLINE void output(const V* d, V* o) {
    const V even_p = hn::Add(d[1], d[2]), odd_p = hn::Sub(d[1], d[2]);
    const V even_q = hn::Add(d[3], d[4]), odd_q = hn::Sub(d[3], d[4]);
    o[0] = hn::Add(d[0], hn::Add(even_p, even_q));
    o[1] = hn::MulAdd(constant(kP), odd_p, hn::Mul(constant(kQ), odd_q));
    o[2] = hn::MulAdd(constant(kP2), even_p, hn::Mul(constant(kQ2), even_q));
    o[3] = hn::MulAdd(constant(kP * kP2), odd_p, hn::MulAdd(constant(kQ * kQ2), odd_q, d[5]));
  }

  static HWY_INLINE void output_grad(const V* d, V* o) {
    const V d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    const V p = constant(kP), q = constant(kQ), p2 = constant(kP2), q2 = constant(kQ2);
    const V even_p = hn::MulAdd(p2, d2, d0), odd_p = hn::MulAdd(p2, d3, d1);
    const V even_q = hn::MulAdd(q2, d2, d0), odd_q = hn::MulAdd(q2, d3, d1);
    o[0] = d0;
    o[1] = hn::MulAdd(p, odd_p, even_p);
    o[2] = hn::NegMulAdd(p, odd_p, even_p);
    o[3] = hn::MulAdd(q, odd_q, even_q);
    o[4] = hn::NegMulAdd(q, odd_q, even_q);
    o[5] = d3;
  }

  static HWY_INLINE void weights(const V* d, V* o) {
    const V d0 = d[0], d1 = d[1], d2 = d[2];
    const V even_p = hn::Mul(constant(kGp), hn::MulAdd(constant(kP2), d2, d0));
    const V even_q = hn::Mul(constant(kGq), hn::MulAdd(constant(kQ2), d2, d0));
    const V p = constant(kGp * kP), q = constant(kGq * kQ);
    o[0] = hn::Mul(constant(kG0), d0);
    o[1] = hn::MulAdd(p, d1, even_p);
    o[2] = hn::NegMulAdd(p, d1, even_p);
    o[3] = hn::MulAdd(q, d1, even_q);
    o[4] = hn::NegMulAdd(q, d1, even_q);
    o[5] = d2;
  }

  static HWY_INLINE void weight_grad(const V* d, V* o) {
    const V even_p = hn::Mul(constant(kGp), hn::Add(d[1], d[2])), odd_p = hn::Sub(d[1], d[2]);
    const V even_q = hn::Mul(constant(kGq), hn::Add(d[3], d[4])), odd_q = hn::Sub(d[3], d[4]);
    o[0] = hn::MulAdd(constant(kG0), d[0], hn::Add(even_p, even_q));
    o[1] = hn::MulAdd(constant(kGp * kP), odd_p, hn::Mul(constant(kGq * kQ), odd_q));
    o[2] = hn::MulAdd(constant(kP2), even_p, hn::MulAdd(constant(kQ2), even_q, d[5]));
  }
};

/// Points 0, +-1 and infinity.
template <>
struct Transform<2> {
  static HWY_INLINE void input(const V* d, V* o) {
    const V d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    o[0] = hn::Sub(d2, d0);
    o[1] = hn::Add(d2, d1);
    o[2] = hn::Sub(d2, d1);
    o[3] = hn::Sub(d3, d1);
  }
  static HWY_INLINE void output(const V* d, V* o) {
    o[0] = hn::Add(d[0], hn::Add(d[1], d[2]));
    o[1] = hn::Add(hn::Sub(d[1], d[2]), d[3]);
  }
  static HWY_INLINE void output_grad(const V* d, V* o) {
    const V d0 = d[0], d1 = d[1];
    o[0] = d0;
    o[1] = hn::Add(d0, d1);
    o[2] = hn::Sub(d0, d1);
    o[3] = d1;
  }
  static HWY_INLINE void weights(const V* d, V* o) {
    const V d0 = d[0], d1 = d[1], d2 = d[2], half = constant(0.5f);
    const V even = hn::Mul(half, hn::Add(d0, d2));
    o[0] = hn::Neg(d0);
    o[1] = hn::MulAdd(half, d1, even);
    o[2] = hn::NegMulAdd(half, d1, even);
    o[3] = d2;
  }
  static HWY_INLINE void weight_grad(const V* d, V* o) {
    const V half = constant(0.5f), even = hn::Mul(half, hn::Add(d[1], d[2]));
    o[0] = hn::Sub(even, d[0]);
    o[1] = hn::Mul(half, hn::Sub(d[1], d[2]));
    o[2] = hn::Add(even, d[3]);
  }
};

// In two dimensions, columns first: kFrom x kFrom values load(i, j) to kTo x kTo values, each
// handed to store(i, j, value) as soon as it is there: registers hold one row of them, not a tile.
template <int kFrom, int kTo, class OneDimension, class Load, class Store>
HWY_INLINE void both_ways(const OneDimension& f, const Load& load, const Store& store) {
  V half[kTo * kFrom];
#pragma GCC unroll 8
  for (int j = 0; j < kFrom; ++j) {
    V in[kFrom], out[kTo];
#pragma GCC unroll 8
    for (int i = 0; i < kFrom; ++i) in[i] = load(i, j);
    f(in, out);
#pragma GCC unroll 8
    for (int i = 0; i < kTo; ++i) half[i * kFrom + j] = out[i];
  }
#pragma GCC unroll 8
  for (int i = 0; i < kTo; ++i) {
    V out[kTo];
    f(half + i * kFrom, out);
#pragma GCC unroll 8
    for (int j = 0; j < kTo; ++j) store(i, j, out[j]);
  }
}

/// Where a tile's pixels lie; null: zeros, or not to be written.
template <int N, class Pointer>
HWY_INLINE void find_pixels(const TileRow<Pointer>& x, int64_t column, Pointer* pixels) {
  for (int i = 0; i < N; ++i)
    for (int j = 0; j < N; ++j) {
      const int64_t c = column + j;
      pixels[i * N + j] =
          x.rows[i] && c >= 0 && c < x.width ? x.rows[i] + c * x.pitch : Pointer(nullptr);
    }
}

template <int N, class Pointer>
HWY_INLINE bool all_inside(const TileRow<Pointer>& x, int64_t column) {
  bool inside = column >= 0 && column + N <= x.width;
  for (int i = 0; i < N; ++i) inside = inside && x.rows[i];
  return inside;
}

/// Calls f(channel, place in a Transformed) for every whole vector of channels, then g for the
/// rest, if there is one.
template <class F, class G>
HWY_INLINE void each_vector(int64_t channels, int64_t panel, const F& f, const G& g) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) f(c, c / (2 * lanes) * panel + (c & (2 * lanes - 1)));
  if (c < channels) g(c, c / (2 * lanes) * panel + (c & (2 * lanes - 1)));
}

/// Reads tiles of N x N pixels and writes K x K coordinates.
template <int N, int K, class OneDimension>
HWY_INLINE void transform_tiles(int m, const TilesRead& x, const Transformed& to,
                                const OneDimension& f) {
  const D d;
  for (int64_t t = 0; t < x.tiles; ++t) {
    const int64_t column = x.column + m * t;
    float* out = to.at + t * to.tile;
    auto transform = [&](int64_t place, const auto& load) HWY_ATTR {
      both_ways<N, K>(f, load, [&](int i, int j, V v) HWY_ATTR {
        hn::StoreU(v, d, out + place + (i * K + j) * to.coordinate);
      });
    };
    const float* pixels[N * N];
    find_pixels<N>(x, column, pixels);
    auto some = [&](int64_t c, int64_t place) HWY_ATTR {
      transform(place, [&](int i, int j) HWY_ATTR {
        const float* pixel = pixels[i * N + j];
        return pixel ? load_some(pixel + c, x.channels - c) : hn::Zero(d);
      });
    };
    auto inside = [&](int64_t c, int64_t place) HWY_ATTR {
      transform(place, [&](int i, int j) HWY_ATTR {
        return hn::LoadU(d, x.rows[i] + (column + j) * x.pitch + c);
      });
    };
    auto edge = [&](int64_t c, int64_t place) HWY_ATTR {
      transform(place, [&](int i, int j) HWY_ATTR {
        const float* pixel = pixels[i * N + j];
        return pixel ? hn::LoadU(d, pixel + c) : hn::Zero(d);
      });
    };
    if (all_inside<N>(x, column))
      each_vector(x.channels, to.panel, inside, some);
    else
      each_vector(x.channels, to.panel, edge, some);
  }
}

template <int M>
HWY_NOINLINE void input_tiles(const TilesRead& x, const Transformed& to) {
  transform_tiles<M + 2, M + 2>(M, x, to,
                                [](const V* d, V* o) HWY_ATTR { Transform<M>::input(d, o); });
}

template <int M>
HWY_NOINLINE void output_grad_tiles(const TilesRead& x, const Transformed& to) {
  transform_tiles<M, M + 2>(M, x, to,
                            [](const V* d, V* o) HWY_ATTR { Transform<M>::output_grad(d, o); });
}

template <int M>
HWY_NOINLINE void output_tiles(const Transformed& p, const float* bias, const TilesWritten& y) {
  constexpr int K = M + 2;
  const D d;
  for (int64_t t = 0; t < y.tiles; ++t) {
    const int64_t column = y.column + M * t;
    const float* from = p.at + t * p.tile;
    float* pixels[M * M];
    find_pixels<M>(y, column, pixels);
    auto transform = [&](int64_t place, const auto& store) HWY_ATTR {
      both_ways<K, M>([](const V* in, V* o) HWY_ATTR { Transform<M>::output(in, o); },
                      [&](int i, int j) HWY_ATTR {
                        return hn::LoadU(d, from + place + (i * K + j) * p.coordinate);
                      },
                      store);
    };
    auto inside = [&](int64_t c, int64_t place) HWY_ATTR {
      const V b = bias ? hn::LoadU(d, bias + c) : hn::Zero(d);
      transform(place, [&](int i, int j, V v) HWY_ATTR {
        hn::StoreU(hn::Add(v, b), d, y.rows[i] + (column + j) * y.pitch + c);
      });
    };
    auto edge = [&](int64_t c, int64_t place) HWY_ATTR {
      const V b = bias ? hn::LoadU(d, bias + c) : hn::Zero(d);
      transform(place, [&](int i, int j, V v) HWY_ATTR {
        if (float* pixel = pixels[i * M + j]) hn::StoreU(hn::Add(v, b), d, pixel + c);
      });
    };
    auto some = [&](int64_t c, int64_t place) HWY_ATTR {
      const int64_t n = y.channels - c;
      const V b = bias ? load_some(bias + c, n) : hn::Zero(d);
      transform(place, [&](int i, int j, V v) HWY_ATTR {
        if (float* pixel = pixels[i * M + j]) store_some(hn::Add(v, b), pixel + c, n);
      });
    };
    if (all_inside<M>(y, column))
      each_vector(y.channels, p.panel, inside, some);
    else
      each_vector(y.channels, p.panel, edge, some);
  }
}

// Values of k whose taps are brought together at a time: 9 taps of 16 values of k and 16 columns
// (32 with AVX-512) are 9 (18) KB, which stay in L1.
constexpr int64_t kTogether = 16;

/// Brings taps of `width` columns and `count` values of k together: tap q of (k, n) to
/// to[(k*9 + q)*wide + n]. Memory is read in its order, and what the next values of k need is
/// fetched: weights that an optimizer has just written come from memory.
HWY_INLINE void gather_taps(const Taps& w, const float* from, int64_t count, int64_t width,
                            int64_t wide, float* to) {
  const bool by_column = w.column > w.depth;
  const int64_t rows = by_column ? width : count, row = by_column ? w.column : w.depth,
                length = 9 * (by_column ? count : width);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t l = 0; l < length; l += kLine) prefetch(from, count * w.depth + i * row + l);
  if (by_column) return transpose(from, row, width, length, to, wide);
  for (int64_t k = 0; k < count; ++k)
    transpose(from + k * row, 9, width, 9, to + k * 9 * wide, wide);
}

template <int M>
HWY_NOINLINE void weight_panels(const Taps& w, int64_t depth, int64_t columns, float* to,
                                int64_t coordinate, int64_t panel) {
  constexpr int K = M + 2;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d)), wide = 2 * lanes;
  HWY_ALIGN float taps[kTogether * 9 * 2 * HWY_MAX_BYTES / sizeof(float)];
  for (int64_t n = 0; n < columns; n += wide, to += panel) {
    const int64_t width = std::min(wide, columns - n);
    if (width < wide) std::fill_n(taps, kTogether * 9 * wide, 0.0f);
    for (int64_t first = 0; first < depth; first += kTogether) {
      const int64_t count = std::min(kTogether, depth - first);
      gather_taps(w, w.at + first * w.depth + n * w.column, count, width, wide, taps);
      for (int64_t i = 0; i < count * wide; i += lanes) {
        const float* in = taps + i / wide * 9 * wide + i % wide;
        float* out = to + first * wide + i;
        both_ways<3, K>([](const V* x, V* o) HWY_ATTR { Transform<M>::weights(x, o); },
                        [&](int r, int c) HWY_ATTR {
                          const int q = r * 3 + c;
                          return hn::Load(d, in + (w.flip ? 8 - q : q) * wide);
                        },
                        [&](int r, int c, V u)
                            HWY_ATTR { hn::StoreU(u, d, out + (r * K + c) * coordinate); });
      }
    }
  }
}

template <int M>
HWY_NOINLINE void weight_grad_columns(const float* from, int64_t slabs, int64_t slab_size,
                                      int64_t coordinate, int64_t columns, float* to,
                                      int64_t column) {
  constexpr int K = M + 2;
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  HWY_ALIGN float taps[9 * HWY_MAX_BYTES / sizeof(float)];
  for (int64_t n = 0; n < columns; n += lanes) {
    const int64_t width = std::min(lanes, columns - n);
    both_ways<K, 3>([](const V* in, V* o) HWY_ATTR { Transform<M>::weight_grad(in, o); },
                    [&](int i, int j) HWY_ATTR {
                      const float* at = from + (i * K + j) * coordinate + n;
                      V sum = load_some(at, width);
                      for (int64_t s = 1; s < slabs; ++s)
                        sum = hn::Add(sum, load_some(at + s * slab_size, width));
                      return sum;
                    },
                    [&](int i, int j, V v)
                        HWY_ATTR { hn::Store(v, d, taps + (i * 3 + j) * lanes); });
    for (int64_t j = 0; j < width; ++j)
      for (int q = 0; q < 9; ++q) to[(n + j) * column + q] = taps[q * lanes + j];
  }
}

void Input(int m, const TilesRead& x, const Transformed& to) {
  m == 4 ? input_tiles<4>(x, to) : input_tiles<2>(x, to);
}
void OutputGrad(int m, const TilesRead& dy, const Transformed& to) {
  m == 4 ? output_grad_tiles<4>(dy, to) : output_grad_tiles<2>(dy, to);
}
void Output(int m, const Transformed& p, const float* bias, const TilesWritten& y) {
  m == 4 ? output_tiles<4>(p, bias, y) : output_tiles<2>(p, bias, y);
}
void Weights(int m, const Taps& w, int64_t depth, int64_t columns, float* to, int64_t coordinate,
             int64_t panel) {
  (m == 4 ? weight_panels<4> : weight_panels<2>)(w, depth, columns, to, coordinate, panel);
}
void WeightGrad(int m, const float* from, int64_t slabs, int64_t slab_size, int64_t coordinate,
                int64_t columns, float* to, int64_t column) {
  (m == 4 ? weight_grad_columns<4> : weight_grad_columns<2>)(from, slabs, slab_size, coordinate,
                                                             columns, to, column);
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Input);
HWY_EXPORT(OutputGrad);
HWY_EXPORT(Output);
HWY_EXPORT(Weights);
HWY_EXPORT(WeightGrad);

void winograd_input(int m, const TilesRead& x, const Transformed& to) {
  HWY_DYNAMIC_DISPATCH(Input)(m, x, to);
}
void winograd_output_grad(int m, const TilesRead& dy, const Transformed& to) {
  HWY_DYNAMIC_DISPATCH(OutputGrad)(m, dy, to);
}
void winograd_output(int m, const Transformed& p, const float* bias, const TilesWritten& y) {
  HWY_DYNAMIC_DISPATCH(Output)(m, p, bias, y);
}
void winograd_weights(int m, const Taps& w, int64_t depth, int64_t columns, float* to,
                      int64_t coordinate, int64_t panel) {
  HWY_DYNAMIC_DISPATCH(Weights)(m, w, depth, columns, to, coordinate, panel);
}
void winograd_weight_grad(int m, const float* from, int64_t slabs, int64_t slab_size,
                          int64_t coordinate, int64_t columns, float* to, int64_t column) {
  HWY_DYNAMIC_DISPATCH(WeightGrad)(m, from, slabs, slab_size, coordinate, columns, to, column);
}

}  // namespace ballast::kernels
#endif

#include "ballast/kernels/columns.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "ballast/kernels/fetch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/columns.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/exp-inl.h"
#include "ballast/kernels/partial-inl.h"
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Rows added up in one float before the sum moves on to another: rounding grows with 32 plus the
// number of such runs, not with the number of rows. They are a block: it is summed for all columns
// before the next, so that memory is read in the order in which it lies.
constexpr int64_t kRun = 32;
// Rows from memory: so few that all of them are streams which the processor sees coming.
constexpr int64_t kColdRun = 16;
// Every eighth row makes the centre of the moments. Where these rows lie by d away from the mean,
// they alone make the variance d^2/8, so that no more than a factor of 1 + 8 of the rounding error
// comes of a centre which is not the mean.
constexpr int64_t kSample = 8;
constexpr int kVectorsInLine = HWY_LANES(float) >= 16 ? 1 : 16 / HWY_LANES(float);

/// Vectors of columns side by side, the last of which may be filled in part.
template <int NV, bool kPart>
struct Strip {
  static constexpr int kVectors = NV;
  // Rows summed at a time in registers of their own: with less than four vectors in a row, that
  // many more additions are under way while one takes its 3 or 4 cycles.
  static constexpr int kRows = NV >= 4 ? 1 : NV >= 2 ? 2 : 4;

  explicit Strip(int64_t width)
      : mask(hn::FirstN(D(), static_cast<size_t>(width - (NV - 1) * lanes()))) {}
  static HWY_INLINE int64_t lanes() { return static_cast<int64_t>(hn::Lanes(D())); }

  HWY_INLINE V load(const float* p, int j) const {
    const D d;
    return kPart && j == NV - 1 ? load_first(mask, d, p + j * lanes())
                                : hn::LoadU(d, p + j * lanes());
  }
  HWY_INLINE void store(V v, float* p, int j) const {
    const D d;
    if (kPart && j == NV - 1)
      store_first(v, mask, d, p + j * lanes());
    else
      hn::StoreU(v, d, p + j * lanes());
  }

  hn::Mask<D> mask;
};

/// Adds terms of `rows` rows to K sums a column: term(row, vector, sums) adds to sums[0 .. K-1].
/// The totals go to to[0 .. K-1], which they are added to unless they are the first.
template <int K, class S, class Term>
HWY_INLINE void sum_rows(const S& strip, int64_t rows, const Term& term, float* const (&to)[K],
                         bool first) {
  const D d;
  constexpr int NV = S::kVectors, R = S::kRows;
  V sums[R][NV][K];
  for (auto& row : sums)
    for (auto& column : row)
      for (V& v : column) v = hn::Zero(d);
  int64_t r = 0;
  for (; r + R <= rows; r += R)
    for (int i = 0; i < R; ++i)
      for (int j = 0; j < NV; ++j) term(r + i, j, sums[i][j]);
  for (; r < rows; ++r)
    for (int j = 0; j < NV; ++j) term(r, j, sums[0][j]);
  for (int step = R / 2; step > 0; step /= 2)
    for (int i = 0; i < step; ++i)
      for (int j = 0; j < NV; ++j)
        for (int k = 0; k < K; ++k) sums[i][j][k] = hn::Add(sums[i][j][k], sums[i + step][j][k]);
  for (int j = 0; j < NV; ++j)
    for (int k = 0; k < K; ++k) {
      const V v = sums[0][j][k];
      strip.store(first ? v : hn::Add(strip.load(to[k], j), v), to[k], j);
    }
}

/// Calls f(strip, first column) over strips of columns.
template <class F>
HWY_INLINE void for_strips(int64_t columns, const F& f) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) f(Strip<4, false>(4 * lanes), c);
  const int64_t rest = columns - c;
  if (rest > 3 * lanes)
    f(Strip<4, true>(rest), c);
  else if (rest > 2 * lanes)
    f(Strip<3, true>(rest), c);
  else if (rest > lanes)
    f(Strip<2, true>(rest), c);
  else if (rest == lanes)
    f(Strip<1, false>(rest), c);
  else if (rest > 0)
    f(Strip<1, true>(rest), c);
}

/// Calls f(first row, rows) over blocks of up to `run` rows.
template <class F>
HWY_INLINE void for_blocks(int64_t rows, int64_t run, const F& f) {
  for (int64_t r = 0; r < rows; r += run) f(r, std::min(rows - r, run));
}

/// The mean of every eighth row.
void centre_of(const float* x, int64_t pitch, int64_t rows, int64_t columns, float* centre) {
  const D d;
  const int64_t sample = (rows + kSample - 1) / kSample;
  const V inverse = hn::Set(d, 1.0f / static_cast<float>(sample));
  // Relative to the first row, which has about the size of the others.
  for_blocks(sample, kRun, [&](int64_t r0, int64_t n) HWY_ATTR {
    for_strips(columns, [&](const auto& strip, int64_t c) HWY_ATTR {
      const float* from = x + r0 * kSample * pitch + c;
      auto term = [&](int64_t r, int j, V(&s)[1]) HWY_ATTR {
        const V v = strip.load(from + r * kSample * pitch, j);
        s[0] = hn::Add(s[0], hn::Sub(v, strip.load(x + c, j)));
      };
      sum_rows<1>(strip, n, term, {centre + c}, r0 == 0);
    });
  });
  for_strips(columns, [&](const auto& strip, int64_t c) HWY_ATTR {
    for (int j = 0; j < strip.kVectors; ++j)
      strip.store(hn::MulAdd(strip.load(centre + c, j), inverse, strip.load(x + c, j)), centre + c,
                  j);
  });
}

/// NV vectors of float64 of the columns from x on; the last may be filled in part.
template <int NV, bool kPart>
HWY_INLINE void moments_strip(const float* x, int64_t pitch, int64_t rows, int64_t ahead,
                              size_t width, const float* centre, double* sum, double* squares) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> f;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto mask = hn::FirstN(d, width);
  const auto mask_f = hn::FirstN(f, width);
  using W = hn::Vec<decltype(d)>;
  const auto wide = [&](const float* p, int j) HWY_ATTR {
    return hn::PromoteTo(d, kPart && j == NV - 1 ? load_first(mask_f, f, p + j * lanes)
                                                 : hn::LoadU(f, p + j * lanes));
  };
  W m[NV], s[NV], q[NV];
  for (int j = 0; j < NV; ++j) {
    m[j] = wide(centre, j);
    s[j] = hn::Zero(d);
    q[j] = hn::Zero(d);
  }
  for (int64_t r = 0; r < rows; ++r, x += pitch) {
    if (ahead)
      for (int64_t i = 0; i < NV * lanes; i += kLine) prefetch(x + i, ahead);
    for (int j = 0; j < NV; ++j) {
      const W v = hn::Sub(wide(x, j), m[j]);
      s[j] = hn::Add(s[j], v);
      q[j] = hn::MulAdd(v, v, q[j]);
    }
  }
  const auto add = [&](W v, double* to, int j) HWY_ATTR {
    if (kPart && j == NV - 1)
      store_first(hn::Add(v, load_first(mask, d, to + j * lanes)), mask, d, to + j * lanes);
    else
      hn::StoreU(hn::Add(v, hn::LoadU(d, to + j * lanes)), d, to + j * lanes);
  };
  for (int j = 0; j < NV; ++j) {
    add(s[j], sum, j);
    add(q[j], squares, j);
  }
}

void Moments(const float* x, int64_t pitch, int64_t rows, int64_t columns, bool cold, float* centre,
             double* sum, double* squares) {
  const int64_t run = cold ? kColdRun : rows, ahead = cold ? run * pitch : 0;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(hn::ScalableTag<double>()));
  centre_of(x, pitch, rows, columns, centre);
  std::fill_n(sum, columns, 0.0);
  std::fill_n(squares, columns, 0.0);
  for_blocks(rows, run, [&](int64_t r0, int64_t n) HWY_ATTR {
    const float* from = x + r0 * pitch;
    const auto strip = [&](auto whole, auto vectors, int64_t c, int64_t width) HWY_ATTR {
      moments_strip<vectors, !whole>(from + c, pitch, n, ahead, static_cast<size_t>(width),
                                     centre + c, sum + c, squares + c);
    };
    int64_t c = 0;
    for (; c + 4 * lanes <= columns; c += 4 * lanes)
      strip(std::true_type(), std::integral_constant<int, 4>(), c, lanes);
    for (; c + 2 * lanes <= columns; c += 2 * lanes)
      strip(std::true_type(), std::integral_constant<int, 2>(), c, lanes);
    for (; c + lanes <= columns; c += lanes)
      strip(std::true_type(), std::integral_constant<int, 1>(), c, lanes);
    if (c < columns) strip(std::false_type(), std::integral_constant<int, 1>(), c, columns - c);
  });
}

void Sums(const float* g, int64_t g_pitch, const float* x, int64_t x_pitch, const float* centre,
          int64_t rows, int64_t columns, bool cold, float* sum, float* centred) {
  const int64_t run = cold ? kColdRun : kRun, ahead = cold ? run : 0;  // rows
  for_blocks(rows, run, [&](int64_t r0, int64_t n) HWY_ATTR {
    for_strips(columns, [&](const auto& strip, int64_t c) HWY_ATTR {
      const float* from = g + r0 * g_pitch + c;
      if (!x) {
        auto term = [&](int64_t r, int j, V(&s)[1]) HWY_ATTR {
          const float* at = from + r * g_pitch;
          if (ahead && j % kVectorsInLine == 0) prefetch(at + j * strip.lanes(), ahead * g_pitch);
          s[0] = hn::Add(s[0], strip.load(at, j));
        };
        return sum_rows<1>(strip, n, term, {sum + c}, r0 == 0);
      }
      const float* other = x + r0 * x_pitch + c;
      V centres[std::decay_t<decltype(strip)>::kVectors];
      for (int j = 0; j < strip.kVectors; ++j) centres[j] = strip.load(centre + c, j);
      auto term = [&](int64_t r, int j, V(&s)[2]) HWY_ATTR {
        const float *at_g = from + r * g_pitch, *at_x = other + r * x_pitch;
        if (ahead && j % kVectorsInLine == 0) {
          prefetch(at_g + j * strip.lanes(), ahead * g_pitch);
          prefetch(at_x + j * strip.lanes(), ahead * x_pitch);
        }
        const V v = strip.load(at_g, j);
        s[0] = hn::Add(s[0], v);
        s[1] = hn::MulAdd(v, hn::Sub(strip.load(at_x, j), centres[j]), s[1]);
      };
      sum_rows<2>(strip, n, term, {sum + c, centred + c}, r0 == 0);
    });
  });
}

void AddMoments(const float* centre, const double* sum, const double* squares, double rows,
                int64_t columns, double* count, double* mean, double* centred) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> f;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto n = hn::Set(d, rows);
  // The columns of a slot have been summed over the same rows, as a rule: the divisions are made
  // again where the count changes.
  double before = -1;
  auto share = hn::Zero(d), weight = share;
  const auto inverse = hn::Set(d, 1.0 / rows);
  // Masks only where the columns end: masked stores are slow on some AVX2 machines.
  const auto rest = static_cast<size_t>(columns % lanes);
  const auto mask = hn::FirstN(d, rest);
  const auto mask_f = hn::FirstN(f, rest);
  const auto step = [&](int64_t c, auto whole) HWY_ATTR {
    const auto load = [&](const double* p) HWY_ATTR {
      return whole ? hn::LoadU(d, p + c) : load_first(mask, d, p + c);
    };
    const auto store = [&](auto v, double* p) HWY_ATTR {
      if constexpr (whole)
        hn::StoreU(v, d, p + c);
      else
        store_first(v, mask, d, p + c);
    };
    const auto old = load(count);
    if (!hn::AllTrue(d, hn::Eq(old, hn::Set(d, before)))) {
      share = hn::Div(n, hn::Add(old, n));
      weight = hn::Mul(old, share);
      before = hn::GetLane(old);
    }
    const auto s = load(sum), extra = hn::Mul(s, inverse), m = load(mean);
    const auto middle =
        hn::PromoteTo(d, whole ? hn::LoadU(f, centre + c) : load_first(mask_f, f, centre + c));
    const auto delta = hn::Sub(hn::Add(middle, extra), m);
    const auto q =
        hn::MulAdd(hn::Mul(delta, delta), weight, hn::NegMulAdd(s, extra, load(squares)));
    store(hn::Add(load(centred), q), centred);
    store(hn::MulAdd(delta, share, m), mean);
    store(hn::Add(old, n), count);
  };
  int64_t c = 0;
  for (; c + lanes <= columns; c += lanes) step(c, std::true_type());
  if (c < columns) step(c, std::false_type());
}

void LogSumExp(const float* x, int64_t rows, int64_t columns, double* out) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const V low = hn::Set(d, -INFINITY), high = hn::Set(d, INFINITY);
  const auto rest = hn::FirstN(d, static_cast<size_t>(columns % lanes));
  const auto sum_row = [&](const float* row, float* shift) HWY_ATTR {
    V top = low;
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) top = hn::Max(top, hn::LoadU(d, row + c));
    const V last = hn::IfThenElse(rest, load_first(rest, d, row + c), low);
    top = hn::MaxOfLanes(d, hn::Max(top, last));
    // A row of infinities must come out as such, not as inf - inf.
    if (!std::isfinite(hn::GetLane(top))) top = hn::Zero(d);
    V sum = hn::Zero(d);
    for (c = 0; c + lanes <= columns; c += lanes)
      sum = hn::Add(sum, exponential(hn::Sub(hn::LoadU(d, row + c), top)));
    sum = hn::Add(sum, hn::IfThenElseZero(rest, exponential(hn::Sub(last, top))));
    *shift = hn::GetLane(top);
    return hn::GetLane(hn::SumOfLanes(d, sum));
  };
  // The logarithms of many rows at a time.
  constexpr int64_t kRows = 64;
  HWY_ALIGN float shifts[kRows], logs[kRows] = {};
  for_blocks(rows, kRows, [&](int64_t r0, int64_t n) HWY_ATTR {
    for (int64_t r = 0; r < n; ++r) logs[r] = sum_row(x + (r0 + r) * columns, shifts + r);
    for (int64_t r = 0; r < n; r += lanes) {
      // Highway's logarithm is one of positive, finite numbers.
      const V sum = hn::Load(d, logs + r);
      const V log = hn::IfThenElse(hn::Lt(sum, high), hn::Log(d, sum), sum);
      hn::Store(hn::IfThenElse(hn::Eq(sum, hn::Zero(d)), low, log), d, logs + r);
    }
    for (int64_t r = 0; r < n; ++r) {
      out[2 * (r0 + r)] = shifts[r];
      out[2 * (r0 + r) + 1] = logs[r];
    }
  });
}

void ExpAffine(const float* x, int64_t rows, int64_t columns, const double* shift, float scale,
               float offset, float* out) {
  const D d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const V a = hn::Set(d, scale), b = hn::Set(d, offset);
  const auto rest = hn::FirstN(d, static_cast<size_t>(columns % lanes));
  for (int64_t r = 0; r < rows; ++r, x += columns, out += columns) {
    const V s = hn::Set(d, static_cast<float>(shift[2 * r])),
            t = hn::Set(d, static_cast<float>(shift[2 * r + 1]));
    const auto f = [&](V v) HWY_ATTR {
      return hn::MulAdd(exponential(hn::Sub(hn::Sub(v, s), t)), a, b);
    };
    int64_t c = 0;
    for (; c + lanes <= columns; c += lanes) hn::StoreU(f(hn::LoadU(d, x + c)), d, out + c);
    if (c < columns) store_first(f(load_first(rest, d, x + c)), rest, d, out + c);
  }
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Moments);
HWY_EXPORT(Sums);
HWY_EXPORT(AddMoments);
HWY_EXPORT(LogSumExp);
HWY_EXPORT(ExpAffine);

void column_moments(const float* x, int64_t pitch, int64_t rows, int64_t columns, bool cold,
                    float* centre, double* sum, double* squares) {
  if (rows == 0) {
    std::fill_n(centre, columns, 0.0f);
    for (double* to : {sum, squares}) std::fill_n(to, columns, 0.0);
    return;
  }
  HWY_DYNAMIC_DISPATCH(Moments)(x, pitch, rows, columns, cold, centre, sum, squares);
}
void add_moments(const float* centre, const double* sum, const double* squares, double rows,
                 int64_t columns, double* count, double* mean, double* centred) {
  HWY_DYNAMIC_DISPATCH(AddMoments)
  (centre, sum, squares, rows, columns, count, mean, centred);
}
void column_sums(const float* g, int64_t g_pitch, const float* x, int64_t x_pitch,
                 const float* centre, int64_t rows, int64_t columns, bool cold, float* sum,
                 float* centred) {
  if (rows == 0) {
    std::fill_n(sum, columns, 0.0f);
    if (x) std::fill_n(centred, columns, 0.0f);
    return;
  }
  HWY_DYNAMIC_DISPATCH(Sums)
  (g, g_pitch, x, x_pitch, centre, rows, columns, cold, sum, centred);
}
void row_log_sum_exp(const float* x, int64_t rows, int64_t columns, double* out) {
  HWY_DYNAMIC_DISPATCH(LogSumExp)(x, rows, columns, out);
}
void exp_affine(const float* x, int64_t rows, int64_t columns, const double* shift, float scale,
                float offset, float* out) {
  HWY_DYNAMIC_DISPATCH(ExpAffine)(x, rows, columns, shift, scale, offset, out);
}
}  // namespace ballast::kernels
#endif

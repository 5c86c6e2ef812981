#include "ballast/kernels/depthwise.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ballast/kernels/depthwise.cpp"
#include "hwy/foreach_target.h"
// After foreach_target.h, which includes this file once per target.
#include "ballast/kernels/partial-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace ballast::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Outputs that are made at a time. They read (kOutputs - 1)*stride + taps pixels, which fit the 16
// registers beside the sums and a weight for up to 5 taps and stride 2.
constexpr int kOutputs = 4;
// Outputs summed up in registers before the sum goes on in memory: pixels of this many outputs and
// all taps lie in L1, and rounding grows with 32 plus the number of such runs.
constexpr int64_t kRun = 32;
// Taps whose sums of the weights' gradient are in registers at a time.
constexpr int kTaps = 9;

/// A vector of channels, whole or filled in part.
template <bool kPart>
struct Channels {
  explicit Channels(int64_t n) : mask(hn::FirstN(D(), static_cast<size_t>(n))) {}

  HWY_INLINE V load(const float* p) const {
    return kPart ? load_first(mask, D(), p) : hn::LoadU(D(), p);
  }
  HWY_INLINE void store(V x, float* p) const {
    if (kPart)
      store_first(x, mask, D(), p);
    else
      hn::StoreU(x, D(), p);
  }

  hn::Mask<D> mask;
};

/// Calls f(Channels, first channel).
template <class F>
HWY_INLINE void for_channels(int64_t channels, const F& f) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(D()));
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) f(Channels<false>(lanes), c);
  if (c < channels) f(Channels<true>(channels - c), c);
}

/// N outputs from the j-th, for taps that are neighbours: each pixel is loaded once a row. kSquare:
/// for as many rows, which is so but for the image's edges.
template <int N, int kTapCount, int kStride, bool kSquare>
HWY_INLINE void neighbours(const DepthwiseRow& r, int64_t j) {
  for_channels(r.channels, [&](const auto& channels, int64_t c) HWY_ATTR {
    const V start = r.bias ? channels.load(r.bias + c) : hn::Zero(D());
    V sums[N];
    for (V& s : sums) s = start;
    const int64_t at = j * kStride * r.pixel + c;
    const float* const* w = r.w;
    const int64_t rows = kSquare ? kTapCount : r.rows;
    for (int64_t k = 0; k < rows; ++k, w += kTapCount) {
      constexpr int kPixels = (N - 1) * kStride + kTapCount;
      const float* x = r.x[k] + at;
      V pixels[kPixels];
      for (int i = 0; i < kPixels; ++i) pixels[i] = channels.load(x + i * r.pixel);
      for (int t = 0; t < kTapCount; ++t) {
        const V weight = channels.load(w[t] + c);
        for (int i = 0; i < N; ++i) sums[i] = hn::MulAdd(pixels[i * kStride + t], weight, sums[i]);
      }
    }
    float* to = r.out + j * r.out_step + c;
    for (int i = 0; i < N; ++i) channels.store(sums[i], to + i * r.out_step);
  });
}

/// The same for any taps.
template <int N>
HWY_INLINE void any_taps(const DepthwiseRow& r, int64_t j) {
  for_channels(r.channels, [&](const auto& channels, int64_t c) HWY_ATTR {
    const V start = r.bias ? channels.load(r.bias + c) : hn::Zero(D());
    V sums[N];
    for (V& s : sums) s = start;
    const int64_t step = r.stride * r.pixel, at = j * step + c;
    const float* const* w = r.w;
    for (int64_t k = 0; k < r.rows; ++k)
      for (int64_t t = 0; t < r.taps; ++t) {
        const float* x = r.x[k] + r.offset[t] + at;
        const V weight = channels.load(*w++ + c);
        for (int i = 0; i < N; ++i)
          sums[i] = hn::MulAdd(channels.load(x + i * step), weight, sums[i]);
      }
    float* to = r.out + j * r.out_step + c;
    for (int i = 0; i < N; ++i) channels.store(sums[i], to + i * r.out_step);
  });
}

/// Calls f<N>(j) so that all outputs are made, the last ones of several twice.
template <class F>
HWY_INLINE void for_outputs(int64_t n, const F& f) {
  if (n < kOutputs)
    for (int64_t j = 0; j < n; ++j) f.template operator()<1>(j);
  else
    for (int64_t j = 0; j < n; j += kOutputs)
      f.template operator()<kOutputs>(std::min(j, n - kOutputs));
}

template <int kTapCount, int kStride>
void row_of_neighbours(const DepthwiseRow& r) {
  if (r.rows == kTapCount)
    for_outputs(r.outputs,
                [&]<int N>(int64_t j) HWY_ATTR { neighbours<N, kTapCount, kStride, true>(r, j); });
  else
    for_outputs(r.outputs,
                [&]<int N>(int64_t j) HWY_ATTR { neighbours<N, kTapCount, kStride, false>(r, j); });
}

void Row(const DepthwiseRow& r) {
  bool contiguous = true;
  for (int64_t t = 0; t < r.taps; ++t) contiguous &= r.offset[t] == t * r.pixel;
  if (contiguous && r.stride == 1) {
    if (r.taps == 1) return row_of_neighbours<1, 1>(r);
    if (r.taps == 2) return row_of_neighbours<2, 1>(r);
    if (r.taps == 3) return row_of_neighbours<3, 1>(r);
    if (r.taps == 5) return row_of_neighbours<5, 1>(r);
  }
  if (contiguous && r.stride == 2) {
    if (r.taps == 3) return row_of_neighbours<3, 2>(r);
    if (r.taps == 5) return row_of_neighbours<5, 2>(r);
  }
  for_outputs(r.outputs, [&]<int N>(int64_t j) HWY_ATTR { any_taps<N>(r, j); });
}

/// T taps from tap t on, for n outputs from output j on.
template <int T, class C>
HWY_INLINE void gradients(const DepthwiseGradRow& r, const C& channels, int64_t t, int64_t j,
                          int64_t n, int64_t c) {
  const float* x[T];
  V sums[T];
  for (int i = 0; i < T; ++i) {
    x[i] = r.x[t + i] + j * r.step + c;
    sums[i] = hn::Zero(D());
  }
  const float* g = r.g + j * r.g_step + c;
  for (int64_t o = 0; o < n; ++o, g += r.g_step) {
    const V v = channels.load(g);
    for (int i = 0; i < T; ++i) sums[i] = hn::MulAdd(v, channels.load(x[i] + o * r.step), sums[i]);
  }
  for (int i = 0; i < T; ++i) {
    float* to = r.sums + r.index[t + i] * r.channels + c;
    channels.store(hn::Add(channels.load(to), sums[i]), to);
  }
}

template <class C>
void all_taps(const DepthwiseGradRow& r, const C& channels, int64_t j, int64_t n, int64_t c) {
  int64_t t = 0;
  for (; t + kTaps <= r.taps; t += kTaps) gradients<kTaps>(r, channels, t, j, n, c);
  for (; t + 6 <= r.taps; t += 6) gradients<6>(r, channels, t, j, n, c);
  for (; t + 3 <= r.taps; t += 3) gradients<3>(r, channels, t, j, n, c);
  for (; t < r.taps; ++t) gradients<1>(r, channels, t, j, n, c);
}

void GradRow(const DepthwiseGradRow& r) {
  for (int64_t j = 0; j < r.outputs; j += kRun) {
    const int64_t n = std::min(kRun, r.outputs - j);
    for_channels(r.channels,
                 [&](const auto& channels, int64_t c) HWY_ATTR { all_taps(r, channels, j, n, c); });
  }
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Row);
HWY_EXPORT(GradRow);

void depthwise_row(const DepthwiseRow& row) { HWY_DYNAMIC_DISPATCH(Row)(row); }
void depthwise_grad_row(const DepthwiseGradRow& row) { HWY_DYNAMIC_DISPATCH(GradRow)(row); }
}  // namespace ballast::kernels
#endif

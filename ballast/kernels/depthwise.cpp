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
using DI = hn::RebindToSigned<D>;

// Outputs that are made at a time. They read (kOutputs - 1)*stride + taps pixels, which fit the 16
// registers beside the sums and a weight for up to 5 taps and stride 2.
constexpr int kOutputs = 4;
// Channels of a group, at most: of 16, a product of 16 columns is as fast.
constexpr int64_t kMostGroup = 8;
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

/// Copies of a channel to its whole group, in a vector of several groups; of one channel: nothing
/// to do.
template <bool kGrouped>
class Groups {
 public:
  explicit Groups(int64_t size)
      : size_(size),
        first_(hn::And(hn::Iota(DI(), 0), hn::Set(DI(), static_cast<int32_t>(-size)))) {}

  int64_t size() const { return kGrouped ? size_ : 1; }
  /// Channel i of each group, i < size().
  HWY_INLINE V channel(V x, int64_t i) const {
    if constexpr (kGrouped)
      return hn::TableLookupLanes(
          x, hn::IndicesFromVec(D(), hn::Add(first_, hn::Set(DI(), static_cast<int32_t>(i)))));
    else
      return x;
  }

 private:
  int64_t size_;
  hn::Vec<DI> first_;  // channel of each lane's group
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
template <int N, int kTapCount, int kStride, bool kSquare, bool kGrouped>
HWY_INLINE void neighbours(const DepthwiseRow& r, int64_t j) {
  const Groups<kGrouped> groups(r.group);
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
      for (int64_t from = 0; from < groups.size(); ++from) {
        V pixels[kPixels];
        for (int i = 0; i < kPixels; ++i)
          pixels[i] = groups.channel(channels.load(x + i * r.pixel), from);
        for (int t = 0; t < kTapCount; ++t) {
          const V weight = channels.load(w[t] + from * r.w_step + c);
          for (int i = 0; i < N; ++i)
            sums[i] = hn::MulAdd(pixels[i * kStride + t], weight, sums[i]);
        }
      }
    }
    float* to = r.out + j * r.out_step + c;
    for (int i = 0; i < N; ++i) channels.store(sums[i], to + i * r.out_step);
  });
}

/// The same for any taps.
template <int N, bool kGrouped>
HWY_INLINE void any_taps(const DepthwiseRow& r, int64_t j) {
  const Groups<kGrouped> groups(r.group);
  for_channels(r.channels, [&](const auto& channels, int64_t c) HWY_ATTR {
    const V start = r.bias ? channels.load(r.bias + c) : hn::Zero(D());
    V sums[N];
    for (V& s : sums) s = start;
    const int64_t step = r.stride * r.pixel, at = j * step + c;
    const float* const* w = r.w;
    for (int64_t k = 0; k < r.rows; ++k)
      for (int64_t t = 0; t < r.taps; ++t, ++w) {
        const float* x = r.x[k] + r.offset[t] + at;
        for (int64_t from = 0; from < groups.size(); ++from) {
          const V weight = channels.load(*w + from * r.w_step + c);
          for (int i = 0; i < N; ++i)
            sums[i] =
                hn::MulAdd(groups.channel(channels.load(x + i * step), from), weight, sums[i]);
        }
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

template <int kTapCount, int kStride, bool kGrouped>
void row_of_neighbours(const DepthwiseRow& r) {
  if (r.rows == kTapCount)
    for_outputs(r.outputs, [&]<int N>(int64_t j) HWY_ATTR {
      neighbours<N, kTapCount, kStride, true, kGrouped>(r, j);
    });
  else
    for_outputs(r.outputs, [&]<int N>(int64_t j) HWY_ATTR {
      neighbours<N, kTapCount, kStride, false, kGrouped>(r, j);
    });
}

template <bool kGrouped>
void row_of(const DepthwiseRow& r) {
  bool contiguous = true;
  for (int64_t t = 0; t < r.taps; ++t) contiguous &= r.offset[t] == t * r.pixel;
  if (contiguous && r.stride == 1) {
    if (r.taps == 1) return row_of_neighbours<1, 1, kGrouped>(r);
    if (r.taps == 2) return row_of_neighbours<2, 1, kGrouped>(r);
    if (r.taps == 3) return row_of_neighbours<3, 1, kGrouped>(r);
    if (r.taps == 5) return row_of_neighbours<5, 1, kGrouped>(r);
  }
  if (contiguous && r.stride == 2) {
    if (r.taps == 3) return row_of_neighbours<3, 2, kGrouped>(r);
    if (r.taps == 5) return row_of_neighbours<5, 2, kGrouped>(r);
  }
  for_outputs(r.outputs, [&]<int N>(int64_t j) HWY_ATTR { any_taps<N, kGrouped>(r, j); });
}

void Row(const DepthwiseRow& r) { r.group > 1 ? row_of<true>(r) : row_of<false>(r); }

bool TakesGroup(int64_t channels) {
  return channels <= std::min<int64_t>(kMostGroup, hn::Lanes(D())) &&
         (channels & (channels - 1)) == 0;
}

/// What a run of n outputs from output j on adds for a vector of channels from channel c on, each
/// with channel `from` of its group of the result.
template <class C, bool kGrouped>
struct GradRun {
  const DepthwiseGradRow& r;
  const C& channels;
  const Groups<kGrouped>& groups;
  int64_t j, n, c, from;

  /// For T taps from tap t on.
  template <int T>
  HWY_INLINE void add(int64_t t) const {
    const float* x[T];
    V sums[T];
    for (int i = 0; i < T; ++i) {
      x[i] = r.x[t + i] + j * r.step + c;
      sums[i] = hn::Zero(D());
    }
    const float* g = r.g + j * r.g_step + c;
    for (int64_t o = 0; o < n; ++o, g += r.g_step) {
      const V v = groups.channel(channels.load(g), from);
      for (int i = 0; i < T; ++i)
        sums[i] = hn::MulAdd(v, channels.load(x[i] + o * r.step), sums[i]);
    }
    for (int i = 0; i < T; ++i) {
      float* to = r.sums + (r.index[t + i] * groups.size() + from) * r.channels + c;
      channels.store(hn::Add(channels.load(to), sums[i]), to);
    }
  }

  void add_all() const {
    int64_t t = 0;
    for (; t + kTaps <= r.taps; t += kTaps) add<kTaps>(t);
    for (; t + 6 <= r.taps; t += 6) add<6>(t);
    for (; t + 3 <= r.taps; t += 3) add<3>(t);
    for (; t < r.taps; ++t) add<1>(t);
  }
};

template <bool kGrouped>
void grad_row_of(const DepthwiseGradRow& r) {
  const Groups<kGrouped> groups(r.group);
  for (int64_t j = 0; j < r.outputs; j += kRun) {
    const int64_t n = std::min(kRun, r.outputs - j);
    for_channels(r.channels, [&](const auto& channels, int64_t c) HWY_ATTR {
      using C = std::remove_cvref_t<decltype(channels)>;
      for (int64_t from = 0; from < groups.size(); ++from)
        GradRun<C, kGrouped>{r, channels, groups, j, n, c, from}.add_all();
    });
  }
}

void GradRow(const DepthwiseGradRow& r) {
  r.group > 1 ? grad_row_of<true>(r) : grad_row_of<false>(r);
}

}  // namespace ballast::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ballast::kernels {
HWY_EXPORT(Row);
HWY_EXPORT(GradRow);
HWY_EXPORT(TakesGroup);

bool takes_group(int64_t channels) { return HWY_DYNAMIC_DISPATCH(TakesGroup)(channels); }
void depthwise_row(const DepthwiseRow& row) { HWY_DYNAMIC_DISPATCH(Row)(row); }
void depthwise_grad_row(const DepthwiseGradRow& row) { HWY_DYNAMIC_DISPATCH(GradRow)(row); }
}  // namespace ballast::kernels
#endif

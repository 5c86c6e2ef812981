#include "ballast/base/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "ballast/base/error.h"

namespace ballast {
namespace {

constexpr int64_t kBlock = 256;  // draws made at once: 1 KiB, well within L1

float unit(uint32_t draw) { return static_cast<float>(draw & 0xffffffu) * 0x1p-24f; }
double unit(uint64_t draw) { return static_cast<double>(draw & ((1ull << 53) - 1)) * 0x1p-53; }

}  // namespace

void Generator::seed(uint64_t seed) {
  seed_ = seed;
  words_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < kWords; ++i)
    words_[i] = 1812433253u * (words_[i - 1] ^ (words_[i - 1] >> 30)) + i;
  next_ = kWords;
  next_normal_.reset();
}

void Generator::advance() {
  constexpr uint32_t kAhead = 397;
  const auto twist = [](uint32_t u, uint32_t v) {
    return (((u & 0x80000000u) | (v & 0x7fffffffu)) >> 1) ^ (-(v & 1u) & 0x9908b0dfu);
  };
  uint32_t* w = words_.data();
  for (uint32_t i = 0; i < kWords - kAhead; ++i) w[i] = w[i + kAhead] ^ twist(w[i], w[i + 1]);
  for (uint32_t i = kWords - kAhead; i < kWords - 1; ++i)
    w[i] = w[i + kAhead - kWords] ^ twist(w[i], w[i + 1]);
  w[kWords - 1] = w[kAhead - 1] ^ twist(w[kWords - 1], w[0]);
  next_ = 0;
}

void Generator::random32(std::span<uint32_t> out) {
  size_t done = 0;
  while (done < out.size()) {
    if (next_ == kWords) advance();
    const size_t count = std::min<size_t>(out.size() - done, kWords - next_);
    const uint32_t* from = words_.data() + next_;
    uint32_t* to = out.data() + done;
    for (size_t i = 0; i < count; ++i) to[i] = temper(from[i]);
    next_ += static_cast<uint32_t>(count);
    done += count;
  }
}

namespace {

// The state as bytes, little-endian, in the order in which PyTorch keeps its own: seed, draws left
// before the next twist (and a flag, 1), position, the twister's words (8 bytes each), three
// doubles and a flag of a kept normal value (the second double), a kept float and its flag (never
// set here).
constexpr size_t kStateBytes = 8 + 4 + 4 + 8 + 624 * 8 + 3 * 8 + 8 + 8;

// What earlier versions wrote: magic, seed, position, whether a normal value is kept, that value,
// the twister's words.
constexpr std::array<uint8_t, 8> kOldMagic = {'B', 'L', 'S', 'T', 'R', 'N', 'G', '1'};
constexpr size_t kOldStateBytes = 8 + 8 + 4 + 4 + 8 + 624 * 4;

void put(std::vector<uint8_t>& to, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

uint64_t take(std::span<const uint8_t>& from, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value |= uint64_t{from[i]} << (8 * i);
  from = from.subspan(bytes);
  return value;
}

}  // namespace

std::vector<uint8_t> Generator::get_state() const {
  std::vector<uint8_t> state;
  state.reserve(kStateBytes);
  // PyTorch tells a twister that has just been seeded (position 0, one draw left) from one whose
  // words have all been drawn (position 624): both twist next.
  Generator fresh(seed_);
  const bool seeded = next_ == kWords && words_ == fresh.words_;
  put(state, seed_, 8);
  put(state, seeded ? 1 : kWords + 1 - next_, 4);
  put(state, 1, 4);
  put(state, seeded ? 0 : next_, 8);
  for (uint32_t word : words_) put(state, word, 8);
  put(state, 0, 8);
  put(state, std::bit_cast<uint64_t>(next_normal_.value_or(0.0)), 8);
  put(state, 0, 8);
  put(state, next_normal_.has_value(), 8);
  put(state, 0, 8);
  return state;
}

void Generator::set_state(std::span<const uint8_t> state) {
  const bool old = state.size() == kOldStateBytes &&
                   std::equal(kOldMagic.begin(), kOldMagic.end(), state.begin());
  check<ValueError>(old || state.size() == kStateBytes,
                    "set_state: expected a generator state of {} bytes, got {}", kStateBytes,
                    state.size());
  Generator read;
  uint64_t kept, left = 1;
  double value;
  if (old) {
    state = state.subspan(kOldMagic.size());
    read.seed_ = take(state, 8);
    read.next_ = static_cast<uint32_t>(take(state, 4));
    kept = take(state, 4);
    value = std::bit_cast<double>(take(state, 8));
    for (uint32_t& word : read.words_) word = static_cast<uint32_t>(take(state, 4));
  } else {
    read.seed_ = take(state, 8);
    left = take(state, 4);
    const uint64_t seeded = take(state, 4), next = take(state, 8);
    check<ValueError>(seeded == 1 && left >= 1 && left <= kWords && next <= kWords,
                      "set_state: these {} bytes are not a generator state", kStateBytes);
    read.next_ = left == 1 ? kWords : static_cast<uint32_t>(next);
    for (uint32_t& word : read.words_) word = static_cast<uint32_t>(take(state, 8));
    take(state, 8);
    value = std::bit_cast<double>(take(state, 8));
    take(state, 8);
    kept = take(state, 4);
  }
  check<ValueError>(read.next_ <= kWords && kept <= 1 && std::isfinite(value),
                    "set_state: damaged generator state (position {} of {}, kept {}, value {})",
                    read.next_, kWords, kept, value);
  if (kept) read.next_normal_ = value;
  *this = read;
}

Generator& default_generator() {
  static Generator generator;
  return generator;
}

void manual_seed(uint64_t seed) { default_generator().seed(seed); }

namespace {

template <class T>
void check_range(double low, double high) {
  constexpr double kMax = std::numeric_limits<T>::max();
  constexpr const char* kName = sizeof(T) == 4 ? "float" : "double";
  check(std::abs(low) <= kMax, "uniform_: from={:g} is out of bounds for {}", low, kName);
  check(std::abs(high) <= kMax, "uniform_: to={:g} is out of bounds for {}", high, kName);
  check(low <= high, "uniform_ expects to return a [from, to) range, but found from={:g} > to={:g}",
        low, high);
  check(
      high - low <= kMax,
      "uniform_ expects to-from <= std::numeric_limits<{}>::max(), but found to={:g} and from={:g} "
      "which result in to-from to exceed the limit",
      kName, high, low);
}

void fill_unit(std::span<float> out, Generator& generator) {
  uint32_t draws[kBlock];
  for (size_t i = 0; i < out.size(); i += kBlock) {
    const size_t count = std::min<size_t>(kBlock, out.size() - i);
    generator.random32({draws, count});
    for (size_t j = 0; j < count; ++j) out[i + j] = unit(draws[j]);
  }
}

void fill_unit(std::span<double> out, Generator& generator) {
  for (double& x : out) x = unit(generator.random64());
}

template <class T>
void fill_uniform(std::span<T> out, double low, double high, Generator& generator) {
  check_range<T>(low, high);
  fill_unit(out, generator);
  if (low == 0.0 && high == 1.0) return;
  const T from = static_cast<T>(low), to = static_cast<T>(high), width = to - from;
  for (T& x : out) {
    const T value = std::fma(x, width, from);
    x = value == to ? from : value;
  }
}

// The same loops twice: as the compiler's baseline has it, where std::fma is a call, and with the
// processor's fused multiply-add. Results are the same bits, the second is 5 to 10 times faster.
#if defined(__x86_64__) && defined(__GNUC__)
#define BALLAST_FMA_TARGET __attribute__((target("avx2,fma")))
const bool kHasFma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
#define BALLAST_FMA_TARGET
constexpr bool kHasFma = false;
#endif
#define BALLAST_INLINE inline __attribute__((always_inline))

/// log x for x in (0, 1], by the polynomial of the Cephes library (Moshier), rounded step by step
/// as PyTorch's vector code rounds it.
BALLAST_INLINE float log_cephes(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const float exponent = static_cast<float>(static_cast<int>(bits >> 23) - 0x7e);
  const float m = std::bit_cast<float>((bits & 0x807fffffu) | 0x3f000000u);
  const bool small = m < 0.707106781186547524f;
  const float e = exponent - (small ? 1.0f : 0.0f);
  const float r = (m - 1.0f) + (small ? m : 0.0f);
  const float z = r * r;
  float y = std::fma(7.0376836292e-2f, r, -1.1514610310e-1f);
  y = std::fma(y, r, 1.1676998740e-1f);
  y = std::fma(y, r, -1.2420140846e-1f);
  y = std::fma(y, r, 1.4249322787e-1f);
  y = std::fma(y, r, -1.6668057665e-1f);
  y = std::fma(y, r, 2.0000714765e-1f);
  y = std::fma(y, r, -2.4999993993e-1f);
  y = std::fma(y, r, 3.3333331174e-1f);
  y = y * r;
  y = std::fma(y, z, e * -2.12194440e-4f);
  y = std::fma(z, -0.5f, y);
  return std::fma(e, 0.693359375f, r + y);
}

/// Sine and cosine of x in [0, 2 pi), likewise.
BALLAST_INLINE void sincos_cephes(float x, float& sine, float& cosine) {
  const int octant = (static_cast<int>(x * 1.27323954473516f) + 1) & ~1;
  const float y = static_cast<float>(octant);
  x = std::fma(y, -0.78515625f, x);
  x = std::fma(y, -2.4187564849853515625e-4f, x);
  x = std::fma(y, -3.77489497744594108e-8f, x);
  const float z = x * x;
  float c = std::fma(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  c = std::fma(c, z, 4.166664568298827e-2f);
  c = c * z;
  c = std::fma(c, z, -0.5f * z) + 1.0f;
  float s = std::fma(-1.9515295891e-4f, z, 8.3321608736e-3f);
  s = std::fma(s, z, -1.6666654611e-1f);
  s = std::fma(s * z, x, x);
  const bool swap = octant & 2;
  const float sine_size = swap ? c : s, cosine_size = swap ? s : c;
  const uint32_t sine_sign = static_cast<uint32_t>(octant & 4) << 29;
  const uint32_t cosine_sign = static_cast<uint32_t>(~(octant - 2) & 4) << 29;
  sine = std::bit_cast<float>(std::bit_cast<uint32_t>(sine_size) ^ sine_sign);
  cosine = std::bit_cast<float>(std::bit_cast<uint32_t>(cosine_size) ^ cosine_sign);
}

/// Box and Muller's method on sixteen uniform values, in place: pairs are eight apart.
BALLAST_INLINE void box_muller_steps(float* x, float mean, float std) {
  constexpr float kTwoPi = static_cast<float>(2 * std::numbers::pi);
  float radius[8], sine[8], cosine[8];
  for (int i = 0; i < 8; ++i) radius[i] = -2.0f * log_cephes(1.0f - x[i]);
  for (int i = 0; i < 8; ++i) radius[i] = std::sqrt(radius[i]);
  for (int i = 0; i < 8; ++i) sincos_cephes(kTwoPi * x[i + 8], sine[i], cosine[i]);
  for (int i = 0; i < 8; ++i) x[i] = std::fma(radius[i] * cosine[i], std, mean);
  for (int i = 0; i < 8; ++i) x[i + 8] = std::fma(radius[i] * sine[i], std, mean);
}
BALLAST_FMA_TARGET void box_muller_fma(float* x, float mean, float std) {
  box_muller_steps(x, mean, std);
}
void box_muller(float* x, float mean, float std) {
  kHasFma ? box_muller_fma(x, mean, std) : box_muller_steps(x, mean, std);
}

void box_muller(double* x, double mean, double std) {
  for (int i = 0; i < 8; ++i) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - x[i]));
    const double theta = 2 * std::numbers::pi * x[i + 8];
    x[i] = std::fma(radius * std::cos(theta), std, mean);
    x[i + 8] = std::fma(radius * std::sin(theta), std, mean);
  }
}

double next_normal(Generator& generator) {
  if (std::optional<double>& kept = generator.next_normal()) {
    const double value = *kept;
    kept.reset();
    return value;
  }
  const double u1 = unit(generator.random64());
  const double u2 = unit(generator.random64());
  const double radius = std::sqrt(-2.0 * std::log1p(-u2));
  const double theta = 2.0 * std::numbers::pi * u1;
  generator.next_normal() = radius * std::sin(theta);
  return radius * std::cos(theta);
}

template <class T>
void fill_normal(std::span<T> out, double mean, double std, Generator& generator) {
  check(std >= 0.0, "normal expects std >= 0.0, but found std {:g}", std);
  if (out.size() < 16) {
    for (T& x : out) x = static_cast<T>(std::fma(next_normal(generator), std, mean));
    return;
  }
  const T m = static_cast<T>(mean), s = static_cast<T>(std);
  fill_unit(out, generator);
  for (size_t i = 0; i + 16 <= out.size(); i += 16) box_muller(out.data() + i, m, s);
  if (out.size() % 16 != 0) {
    const std::span<T> last = out.last(16);
    fill_unit(last, generator);
    box_muller(last.data(), m, s);
  }
}

template <class T>
void fill_bernoulli(std::span<T> out, double p, Generator& generator, T yes) {
  for (T& x : out) x = unit(generator.random64()) < p ? yes : T{0};
}

template <class T>
void checked_bernoulli(std::span<T> out, double p, Generator& generator) {
  check(p >= 0.0 && p <= 1.0, "bernoulli_ expects p to be in [0, 1], but got p={:g}", p);
  fill_bernoulli(out, p, generator, T{1});
}

template <class T>
void fill_dropout(std::span<T> out, double p, Generator& generator) {
  check<ValueError>(p >= 0.0 && p <= 1.0,
                    "dropout probability has to be between 0 and 1, but got {}", p);
  if (p == 0.0 || p == 1.0) {
    std::fill(out.begin(), out.end(), static_cast<T>(1.0 - p));
    return;
  }
  fill_bernoulli(out, 1.0 - p, generator, T{1} / static_cast<T>(1.0 - p));
}

}  // namespace

void uniform(std::span<float> out, double low, double high, Generator& generator) {
  fill_uniform(out, low, high, generator);
}
void uniform(std::span<double> out, double low, double high, Generator& generator) {
  fill_uniform(out, low, high, generator);
}

void normal(std::span<float> out, double mean, double std, Generator& generator) {
  fill_normal(out, mean, std, generator);
}
void normal(std::span<double> out, double mean, double std, Generator& generator) {
  fill_normal(out, mean, std, generator);
}

void bernoulli(std::span<float> out, double p, Generator& generator) {
  checked_bernoulli(out, p, generator);
}
void bernoulli(std::span<double> out, double p, Generator& generator) {
  checked_bernoulli(out, p, generator);
}
void bernoulli(std::span<uint8_t> out, double p, Generator& generator) {
  checked_bernoulli(out, p, generator);
}

void dropout_mask(std::span<float> out, double p, Generator& generator) {
  fill_dropout(out, p, generator);
}
void dropout_mask(std::span<double> out, double p, Generator& generator) {
  fill_dropout(out, p, generator);
}

void randint(std::span<int64_t> out, int64_t low, int64_t high, Generator& generator) {
  check(low < high, "random_ expects 'from' to be less than 'to', but got from={} >= to={}", low,
        high);
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  const bool wide = range >= uint64_t{1} << 28;
  for (int64_t& x : out) {
    const uint64_t draw = wide ? generator.random64() : generator.random32();
    x = static_cast<int64_t>(draw % range + static_cast<uint64_t>(low));
  }
}

void randperm(std::span<int64_t> out, Generator& generator) {
  const size_t size = out.size();
  // Above this, 32-bit draws modulo the rest would be visibly uneven; PyTorch changes the method
  // too.
  constexpr size_t kLarge = std::numeric_limits<uint32_t>::max() / 20;
  if (size >= kLarge) {
    for (size_t i = 0; i < size; ++i) {
      const size_t other = generator.random64() % (i + 1);
      out[i] = static_cast<int64_t>(i);
      std::swap(out[i], out[other]);
    }
    return;
  }
  std::iota(out.begin(), out.end(), int64_t{0});
  for (size_t i = 0; i + 1 < size; ++i)
    std::swap(out[i], out[i + generator.random32() % (size - i)]);
}

uint64_t draw_seed(Generator& generator) { return generator.random64() & ~(uint64_t{1} << 63); }

}  // namespace ballast

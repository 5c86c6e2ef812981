// PyTorch's CPU random generator: the same seed gives the same numbers, so a ported script starts
// from the same weights and sees the same shuffles. The reference is PyTorch on AVX2 or better.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace ballast {

/// A Mersenne twister (Matsumoto and Nishimura, "Mersenne Twister: A 623-dimensionally
/// equidistributed uniform pseudo-random number generator", 1998) with the one value that
/// `normal` keeps for its next call. Copying copies the whole state. Not safe to draw from in
/// several threads at once: numbers belong to the order of the calls.
class Generator {
 public:
  /// The seed of a generator nobody has seeded; PyTorch's.
  static constexpr uint64_t kDefaultSeed = 67280421310721;

  explicit Generator(uint64_t seed = kDefaultSeed) { this->seed(seed); }

  /// Starts over and forgets the kept normal value. The twister uses the low 32 bits only, as
  /// PyTorch's.
  void seed(uint64_t seed);
  /// The seed last given, all 64 bits of it.
  uint64_t initial_seed() const { return seed_; }

  /// The next draw.
  uint32_t random32() {
    if (next_ == kWords) advance();
    return temper(words_[next_++]);
  }
  /// Two draws, the first in the upper half.
  uint64_t random64() {
    const uint64_t upper = random32();
    return upper << 32 | random32();
  }
  /// The next `out.size()` draws.
  void random32(std::span<uint32_t> out);

  /// Everything that later draws depend on, as bytes that are the same on every machine.
  std::vector<uint8_t> get_state() const;
  /// Continues from where `get_state` was called. Throws ValueError, and changes nothing, unless
  /// `state` is what `get_state` returns.
  void set_state(std::span<const uint8_t> state);

  /// The second value of the last Box-Muller pair of a scalar `normal`, kept for the next one.
  /// (PyTorch also keeps a float; nothing on the CPU uses it.)
  std::optional<double>& next_normal() { return next_normal_; }

  bool operator==(const Generator&) const = default;

 private:
  static constexpr uint32_t kWords = 624;

  static uint32_t temper(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
  }
  void advance();

  std::array<uint32_t, kWords> words_;
  uint32_t next_ = kWords;
  uint64_t seed_ = 0;
  std::optional<double> next_normal_;
};

/// The generator that everything draws from unless told otherwise.
Generator& default_generator();
/// Seeds the default generator.
void manual_seed(uint64_t seed);

/// Fills with uniform values in [low, high): the low 24 bits (double: the low 53 bits of two draws)
/// of each draw, scaled by one fused multiply-add; a value rounded up to `high` becomes `low`. Same
/// bits as `Tensor.uniform_`; with 0 and 1, as `torch.rand`. Throws Error unless low <= high and
/// both, and their difference, are within the type.
void uniform(std::span<float> out, double low, double high, Generator& generator);
void uniform(std::span<double> out, double low, double high, Generator& generator);

/// Fills with normal values by Box and Muller's method ("A note on the generation of random normal
/// deviates", 1958), `Tensor.normal_`'s way. Sixteen or more values: in blocks of 8 + 8 made from
/// as many uniform draws of the type, the last sixteen drawn again where the count is no multiple
/// of sixteen. Fewer: one by one in double, two draws of 53 bits for each of the two numbers a pair
/// is made from, the second of a pair kept in the generator. Sixteen or more floats have PyTorch's
/// bits on every machine; the others go through the C library's log, sine and cosine in double and
/// are as good as those. Throws Error unless std >= 0.
void normal(std::span<float> out, double mean, double std, Generator& generator);
void normal(std::span<double> out, double mean, double std, Generator& generator);

/// Fills with 1 with probability p, else 0, as `Tensor.bernoulli_(p)`: one uniform double (two
/// draws) an element whatever the type. Throws Error unless p is in [0, 1].
void bernoulli(std::span<float> out, double p, Generator& generator);
void bernoulli(std::span<double> out, double p, Generator& generator);
void bernoulli(std::span<uint8_t> out, double p, Generator& generator);

/// Fills with what `F.dropout(x, p)` multiplies x by: 1/(1-p) with probability 1-p, else 0. Nothing
/// is drawn for p = 0 (all ones) and p = 1 (all zeros). Throws ValueError unless p is in [0, 1].
void dropout_mask(std::span<float> out, double p, Generator& generator);
void dropout_mask(std::span<double> out, double p, Generator& generator);

/// Fills with whole numbers in [low, high), as `torch.randint`: a draw modulo the range; two draws
/// where the range is 2^28 or more. Throws Error unless low < high.
void randint(std::span<int64_t> out, int64_t low, int64_t high, Generator& generator);

/// Fills with a permutation of 0 ... size-1, as `torch.randperm(size)`: Fisher and Yates' shuffle,
/// one draw a place but the last (from 214,748,364 places on, the inside-out variant, two draws a
/// place).
void randperm(std::span<int64_t> out, Generator& generator);

/// 63 random bits: `torch.empty((), dtype=torch.int64).random_()`, with which PyTorch seeds one
/// generator from another. An epoch of `DataLoader(dataset, shuffle=True)`, that is one
/// `iter(loader)`, makes two such draws from the default generator, in this order:
///   1. `draw_seed`, when the iterator is made: the base seed of worker processes, drawn and left
///   unused
///      without workers (also where nothing is shuffled: a loop over any loader moves the generator
///      on);
///   2. `draw_seed`, at the first batch: it seeds a new generator, whose `randperm(size)` is the
///   order.
/// `random_split` draws one `randperm` over the whole set from the default generator itself.
uint64_t draw_seed(Generator& generator);

}  // namespace ballast

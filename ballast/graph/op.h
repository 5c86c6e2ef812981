// What an operation is: a name, attributes, a gradient rule and a plain kernel, in one place.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

#include "ballast/base/dtype.h"
#include "ballast/base/inline_vector.h"
#include "ballast/base/pointwise.h"
#include "ballast/base/shape.h"

namespace ballast {

class Tensor;
class Node;
using Gradients = InlineVector<Tensor, 5>;

/// The attributes of one call of an operation, as plain bytes: a node's identity compares all of
/// them, so none can be forgotten. A set of attributes is a trivially copyable struct of 8-byte
/// members (no padding). Numbers that change from step to step are inputs, never attributes.
class Attributes {
 public:
  static constexpr size_t kMaxBytes = 128;

  Attributes() = default;
  template <class T>
  explicit Attributes(const T& values) : size_(sizeof(T)) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kMaxBytes && sizeof(T) % 8 == 0);
    std::memcpy(bytes_, &values, sizeof(T));
  }
  Attributes(const Attributes& o) : size_(o.size_) { std::memcpy(bytes_, o.bytes_, size_); }
  Attributes& operator=(const Attributes& o) {
    size_ = o.size_;
    std::memmove(bytes_, o.bytes_, size_);
    return *this;
  }

  template <class T>
  const T& as() const {
    return *std::launder(reinterpret_cast<const T*>(bytes_));
  }
  std::span<const std::byte> bytes() const { return {bytes_, size_}; }
  bool operator==(const Attributes& o) const {
    return size_ == o.size_ && std::memcmp(bytes_, o.bytes_, size_) == 0;
  }

 private:
  size_t size_ = 0;
  alignas(8) std::byte bytes_[kMaxBytes];
};

/// One operand of a reference kernel: row-major, dense.
struct Operand {
  void* data = nullptr;
  Shape shape;
  DType dtype = DType::kFloat32;

  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

/// What a reference kernel is called with.
struct Call {
  std::span<const Operand> in;
  Operand out;
  const Attributes& attributes;

  template <class T>
  const T* input(int i) const {
    return in[i].as<const T>();
  }
  template <class T>
  T* output() const {
    return out.as<T>();
  }
};

/// The bit that stands for input `i` in a set of inputs: bit i; those from 30 on share bit 30 (bit
/// 31 stands for the output).
inline uint32_t input_bit(int i) { return uint32_t{1} << (i < 30 ? i : 30); }
inline bool has_input(uint32_t set, int i) { return (set & input_bit(i)) != 0; }

/// How a value is laid out in memory: row-major over the logical shape, or with dimension 1 (the
/// channels) moved to the end.
enum class Layout : uint8_t { kRowMajor, kChannelsLast };

/// What the planner may do with an operation.
struct Traits {
  enum class Kind : uint8_t {
    kOpaque,     // only its own kernels can run it
    kPointwise,  // one vector instruction per element: `code`
    kView,       // the same row-major elements under another shape: never copied
    // The following choose what is read; along the channels they cost nothing.
    kConcatenate,  // attributes: dimension
    kSlice,        // attributes: dimension, start, step
    kRepeat,       // (N, C, 1, ...) repeated over pixels
  };
  Kind kind = Kind::kOpaque;
  Pointwise code = Pointwise::kNone;
  /// Which values the fast float32 kernels want channels-last where they have three or more
  /// dimensions: `has_input`, kOutput for the output. (The reference kernels are row-major
  /// throughout.)
  uint32_t channels_last = 0;
  static constexpr uint32_t kOutput = 1u << 31;
};

/// What a gradient rule is called with.
class Backward {
 public:
  Backward(Node& node, const Tensor& grad) : node_(node), grad_(grad) {}

  const Tensor& grad() const { return grad_; }
  Tensor input(int i) const;
  Tensor output() const;
  /// Whether anyone asks for the gradient of input `i`; a rule may leave the others undefined.
  bool needs(int i) const;
  const Shape& input_shape(int i) const;
  template <class T>
  const T& attributes() const;

 private:
  Node& node_;
  const Tensor& grad_;
};

/// The elements of an operand that an operation checks as it is recorded, where they are there: in
/// any order, each at least once (those of an expanded tensor come once).
struct Known {
  const void* data = nullptr;  // null where the operand is not evaluated
  int64_t count = 0;

  template <class T>
  std::span<const T> as() const {
    return {static_cast<const T*>(data), static_cast<size_t>(count)};
  }
};

/// What `Op::check_values` is called with: the operands that the operation checks are known, if
/// they are evaluated.
struct CheckCall {
  std::span<const Known> known;
  std::span<const Shape> shapes;  // of the operands
  Shape out;
  DType dtype;  // of the result
  const Attributes& attributes;
};

/// A primitive. One static instance each; a node points at it.
class Op {
 public:
  /// `checks`: the operands (`has_input`) whose values may make the operation impossible, which
  /// `check_values` finds out; kAtOnce: only the kernel does.
  explicit constexpr Op(const char* name, uint32_t checks = 0) : name_(name), checks_(checks) {}
  Op(const Op&) = delete;
  virtual ~Op() = default;

  const char* name() const { return name_; }
  uint32_t checks() const { return checks_; }
  /// Where all operands are evaluated, the operation runs as it is recorded.
  static constexpr uint32_t kAtOnce = 1u << 31;

  /// The plain loops that define the operation: the oracle of every fast path and the fallback.
  virtual void reference(const Call& call) const = 0;
  /// Throws as the kernels do where values make the operation impossible (an index out of range).
  /// Called as the operation is recorded, which must stay cheap: for indices, labels, divisors.
  virtual void check_values(const CheckCall& /*call*/) const {}
  /// One gradient per input, as graph expressions. Throws NotImplementedError where there is none.
  virtual Gradients gradient(const Backward& b) const;
  virtual Traits traits() const { return {}; }
  /// Whether each element of the result is made of the operands' elements at its place: operands
  /// that broadcast may be given as they are.
  virtual bool elementwise() const { return traits().kind == Traits::Kind::kPointwise; }
  /// Whether the result has the elements of the first input and no others, in some order.
  virtual bool repeats_input() const { return traits().kind == Traits::Kind::kView; }
  /// Whether this call computes the same from either layout of its inputs, its output then having
  /// theirs.
  virtual bool follows_layout(const Attributes&, int /*rank*/) const {
    return traits().kind == Traits::Kind::kPointwise;
  }
  /// Which operands a fast float32 kernel reads row by row (`has_input`), so that a chain of
  /// pointwise operations may be run as they are read, and whether it makes its result row by row
  /// (Traits::kOutput), so that it may be worked on while it is in cache.
  virtual uint32_t by_rows(const Attributes&) const { return 0; }
  /// Which values the gradient rule reads: `has_input`, kReadsOutput for the output. What it
  /// reads is kept when a value is looked at before `backward()`.
  virtual uint32_t gradient_reads() const { return ~kReadsOutput; }
  /// The same where only the gradients of some inputs are asked for: those of `needed`
  /// (`has_input`).
  virtual uint32_t reads_for(uint32_t /*needed*/) const { return gradient_reads(); }
  /// Whether elements are only moved or converted: the reference kernel takes every type. All other
  /// operations work on compute types only; `record` converts what is stored otherwise.
  virtual bool takes_stored_types() const { return false; }
  /// Whether the result only shows elements of the input, some perhaps many times: it may have more
  /// than any memory holds, as long as nobody asks for all of them.
  virtual bool shows() const { return false; }
  static constexpr uint32_t kReadsOutput = 1u << 31;

 private:
  const char* name_;
  uint32_t checks_;
};

}  // namespace ballast

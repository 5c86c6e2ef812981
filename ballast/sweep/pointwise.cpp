#include "ballast/kernels/pointwise.h"

#include <algorithm>
#include <cstring>

#include "ballast/base/threads.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

using plan::OperandMode;

// A block is what one instruction runs over: 2 KB, so that a dozen of them (operands, registers)
// stay in a 32 KB L1 beside each other.
constexpr int64_t kBlock = 512;
// Elements of one tile, the piece of work a thread takes: 64 KB an operand, a few to an L2.
constexpr int64_t kTile = 16 * 1024;

/// Where an instruction finds an operand: a value of the plan read at the block's position, a
/// register, or a vector tiled over a block.
struct Source {
  enum Kind : uint8_t { kNone, kMemory, kRegister, kTiled } kind = kNone;
  int index = 0;
};

struct Instruction {
  Pointwise code;
  Source a, b;
  int coefficients = -1;  // first of three tiled vectors
  int value;              // what it makes
  int result = -1;        // register, or -1: straight to the value's memory
};

/// A small vector repeated over a block: a scalar, one value per channel, or a row of coefficients.
struct Tiled {
  int value;
  int64_t offset, length;
};

/// A chain of pointwise operations, run block by block.
class PointwiseSweep final : public Sweep {
 public:
  PointwiseSweep(const plan::Plan& plan, const plan::Group& group) : plan_(&plan) {
    const plan::Value& head = plan.values[group.values[0]];
    count_ = head.shape.numel();
    const bool last = head.layout == Layout::kChannelsLast && head.shape.rank() >= 3;
    const int64_t inner = head.shape.rank() == 0 ? 1 : last ? head.shape[1] : head.shape.back();
    mark_stored(group);
    for (int v : group.values) add(v);
    // Vectors along the channels are tiled over whole rows of a block; rows longer than a block
    // would need another cut.
    const bool by_rows =
        std::any_of(tiled_.begin(), tiled_.end(), [](const Tiled& t) { return t.length > 1; });
    block_ = !by_rows ? kBlock : inner >= kBlock ? inner : kBlock / inner * inner;
    const int64_t blocks = std::max<int64_t>(kTile / std::max<int64_t>(block_, 1), 1);
    tile_ = blocks * block_;
    plan_ = nullptr;
  }

  void run(Pointers p, const std::byte*) const override {
    if (count_ == 0) return;
    const int64_t tiles = (count_ + tile_ - 1) / tile_;
    const double cost = static_cast<double>(count_) * static_cast<double>(instructions_.size());
    parallel_for(tiles, cost, [&](int64_t tile) {
      const int64_t padded = (block_ + 15) / 16 * 16;
      auto* registers = reinterpret_cast<float*>(
          scratch((tiled_.size() + static_cast<size_t>(registers_)) * padded * sizeof(float)));
      float* tiled = registers + registers_ * padded;
      const int64_t end = std::min(count_, (tile + 1) * tile_);
      for (size_t t = 0; t < tiled_.size(); ++t)
        fill(tiled_[t], p, tiled + t * padded, std::min(block_, end - tile * tile_));
      for (int64_t at = tile * tile_; at < end; at += block_)
        run_block(p, at, std::min(block_, end - at), registers, tiled, padded);
    });
  }

 private:
  /// Values that readers outside of the chain need.
  void mark_stored(const plan::Group& group) {
    stored_.assign(plan_->values.size(), 0);
    std::vector<char> inside(plan_->values.size());
    for (int v : group.values) inside[v] = 1;
    for (size_t i = 0; i < plan_->values.size(); ++i)
      if (!inside[i])
        for (int in : plan_->values[i].in) stored_[in] = 1;
    for (int out : plan_->outputs) stored_[out] = 1;
    register_of_.assign(plan_->values.size(), -1);
    inside_ = std::move(inside);
  }

  void add(int value) {
    const plan::Value& v = plan_->values[value];
    Instruction i{v.op->traits().code, source(v, 0), {}, -1, value, -1};
    if (v.in.size() > 1) {
      if (operand_mode(*plan_, v, 1) == OperandMode::kCoefficients) {
        const int64_t channels = plan_->values[v.in[1]].shape[1];
        i.coefficients = tiled(v.in[1], 0, channels);
        tiled(v.in[1], channels, channels);
        tiled(v.in[1], 2 * channels, channels);
      } else {
        i.b = source(v, 1);
      }
    }
    if (!stored_[value]) i.result = register_of_[value] = registers_++;
    instructions_.push_back(i);
  }

  int tiled(int value, int64_t offset, int64_t length) {
    tiled_.push_back({value, offset, length});
    return static_cast<int>(tiled_.size()) - 1;
  }

  Source source(const plan::Value& v, int input) {
    const int in = v.in[input];
    switch (operand_mode(*plan_, v, input)) {
      case OperandMode::kFull:
        if (inside_[in] && register_of_[in] >= 0) return {Source::kRegister, register_of_[in]};
        return {Source::kMemory, in};
      case OperandMode::kScalar:
        return {Source::kTiled, tiled(in, 0, 1)};
      default:
        return {Source::kTiled, tiled(in, 0, plan_->values[in].shape.numel())};
    }
  }

  static void fill(const Tiled& t, Pointers p, float* to, int64_t n) {
    const float* from = reinterpret_cast<const float*>(p[t.value]) + t.offset;
    if (t.length == 1) {
      std::fill_n(to, n, *from);
      return;
    }
    for (int64_t i = 0; i < n; i += t.length)
      std::memcpy(to + i, from, std::min(t.length, n - i) * sizeof(float));
  }

  void run_block(Pointers p, int64_t at, int64_t n, float* registers, const float* tiled,
                 int64_t padded) const {
    auto find = [&](const Source& s) -> const float* {
      switch (s.kind) {
        case Source::kMemory:
          return reinterpret_cast<const float*>(p[s.index]) + at;
        case Source::kRegister:
          return registers + s.index * padded;
        case Source::kTiled:
          return tiled + s.index * padded;
        case Source::kNone:
          break;
      }
      return nullptr;
    };
    for (const Instruction& i : instructions_) {
      kernels::PointwiseOperands o{find(i.a), find(i.b)};
      if (i.coefficients >= 0) {
        o.m = tiled + i.coefficients * padded;
        o.s = o.m + padded;
        o.t = o.s + padded;
      }
      float* out =
          i.result >= 0 ? registers + i.result * padded : reinterpret_cast<float*>(p[i.value]) + at;
      kernels::pointwise(i.code, o, out, n);
    }
  }

  const plan::Plan* plan_;  // while building
  std::vector<char> stored_, inside_;
  std::vector<int> register_of_;
  std::vector<Instruction> instructions_;
  std::vector<Tiled> tiled_;
  int registers_ = 0;
  int64_t count_ = 0, block_ = 0, tile_ = 0;
};

}  // namespace

std::unique_ptr<Sweep> build_pointwise(const plan::Plan& plan, const plan::Group& group) {
  for (int value : group.values) {
    const plan::Value& v = plan.values[value];
    if (v.op->traits().kind != Traits::Kind::kPointwise || v.dtype != DType::kFloat32)
      return nullptr;
    for (int i = 0; i < v.in.size(); ++i)
      if (operand_mode(plan, v, i) == OperandMode::kNo) return nullptr;
  }
  return std::make_unique<PointwiseSweep>(plan, group);
}

}  // namespace ballast::sweep

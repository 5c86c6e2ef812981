// Layers that add elements around an image (see `ballast::pad`), by (before, after) pairs, those of
// the last dimension first; one number stands for all.
#pragma once

#include "ballast/nn/module.h"
#include "ballast/nn/options.h"
#include "ballast/ops/pad.h"

namespace ballast::nn {

/// Pads the last `Rank` dimensions of (N, C, ...) or (C, ...).
template <int Rank, PadMode Mode>
class Pad : public Module {
 public:
  explicit Pad(Sizes<2 * Rank> padding) : padding_(padding) {}
  Tensor forward(const Tensor& x) override { return pad(x, padding_.vector(), Mode); }
  std::string extra_repr() const override { return padding_.tuple(); }

 protected:
  const Sizes<2 * Rank>& padding() const { return padding_; }

 private:
  Sizes<2 * Rank> padding_;
};

class ZeroPad1d : public Pad<1, PadMode::kConstant> {
 public:
  using Pad::Pad;
};
class ZeroPad2d : public Pad<2, PadMode::kConstant> {
 public:
  using Pad::Pad;
};
class ZeroPad3d : public Pad<3, PadMode::kConstant> {
 public:
  using Pad::Pad;
};
class ReflectionPad1d : public Pad<1, PadMode::kReflect> {
 public:
  using Pad::Pad;
};
class ReflectionPad2d : public Pad<2, PadMode::kReflect> {
 public:
  using Pad::Pad;
};
class ReflectionPad3d : public Pad<3, PadMode::kReflect> {
 public:
  using Pad::Pad;
};
class ReplicationPad1d : public Pad<1, PadMode::kReplicate> {
 public:
  using Pad::Pad;
};
class ReplicationPad2d : public Pad<2, PadMode::kReplicate> {
 public:
  using Pad::Pad;
};
class ReplicationPad3d : public Pad<3, PadMode::kReplicate> {
 public:
  using Pad::Pad;
};
class CircularPad1d : public Pad<1, PadMode::kCircular> {
 public:
  using Pad::Pad;
};
class CircularPad2d : public Pad<2, PadMode::kCircular> {
 public:
  using Pad::Pad;
};
class CircularPad3d : public Pad<3, PadMode::kCircular> {
 public:
  using Pad::Pad;
};

/// With a number.
template <int Rank>
class ConstantPad : public Pad<Rank, PadMode::kConstant> {
 public:
  ConstantPad(Sizes<2 * Rank> padding, double value)
      : Pad<Rank, PadMode::kConstant>(padding), value_(value) {}
  Tensor forward(const Tensor& x) override {
    return pad(x, this->padding().vector(), PadMode::kConstant, value_);
  }
  std::string extra_repr() const override {
    return "padding=" + this->padding().tuple() + ", value=" + python_str(value_);
  }

 private:
  double value_;
};
class ConstantPad1d : public ConstantPad<1> {
 public:
  using ConstantPad::ConstantPad;
};
class ConstantPad2d : public ConstantPad<2> {
 public:
  using ConstantPad::ConstantPad;
};
class ConstantPad3d : public ConstantPad<3> {
 public:
  using ConstantPad::ConstantPad;
};

}  // namespace ballast::nn

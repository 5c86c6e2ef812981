#include <algorithm>
#include <new>

#include "ballast/base/bytes.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/sweep/convert.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

/// One operation by its plain loops. They are row-major: operands in the other layout are
/// converted, which costs a copy but lets every operation run under every plan. Those of pointwise
/// operations have as many elements as the result: operands with fewer (a number that the planner
/// put in the place of a tensor) are expanded first, so that no such loop can read beyond one.
class ReferenceSweep final : public Sweep {
 public:
  ReferenceSweep(const plan::Plan& plan, int value) : value_(value), v_(plan.values[value]) {
    for (int in : v_.in) {
      const plan::Value& w = plan.values[in];
      in_.push_back(Operand{nullptr, w.shape, w.dtype});
      converts_.push_back(convertible(w));
      const Traits t = v_.op->traits();
      const bool coefficients = expands_.size() == 1 && (t.code == Pointwise::kChannelAffine ||
                                                         t.code == Pointwise::kChannelScale);
      expands_.push_back(t.kind == Traits::Kind::kPointwise && !coefficients &&
                         w.shape != v_.shape);
    }
  }

  const char* kernel() const override { return "reference"; }
  void run(Pointers p, const Lent&) const override {
    InlineVector<Operand, 5> in = in_;
    InlineVector<Ref<Buffer>, 6> copies;
    auto temporary = [&](const Shape& shape, DType dtype) {
      copies.push_back(Buffer::allocate(bytes_of(shape, dtype)));
      return Operand{copies[copies.size() - 1]->data(), shape, dtype};
    };
    for (int i = 0; i < in.size(); ++i) {
      in[i].data = p[v_.in[i]];
      if (converts_[i]) {
        const Operand copy = temporary(in[i].shape, in[i].dtype);
        convert_layout(in[i], copy, false);
        in[i] = copy;
      }
      if (expands_[i]) {
        const Operand whole = temporary(v_.shape, in[i].dtype);
        expand_op().reference(Call{{&in[i], 1}, whole, {}});
        in[i] = whole;
      }
    }
    Operand out{p[value_], v_.shape, v_.dtype};
    const bool convert_out = convertible(v_);
    const Operand made = convert_out ? temporary(v_.shape, v_.dtype) : out;
    try {
      v_.op->reference(Call{{in.data(), static_cast<size_t>(in.size())}, made, v_.attributes});
    } catch (const std::bad_alloc&) {
      fail("{}: not enough memory to compute a result of {} bytes", v_.op->name(),
           bytes_of(v_.shape, v_.dtype));
    }
    if (convert_out) convert_layout(made, out, true);
  }

 private:
  /// A conversion's own operands are what their layouts say.
  bool convertible(const plan::Value& w) const {
    return w.layout == Layout::kChannelsLast && !plan::layouts_coincide(w.shape) &&
           v_.op != &plan::convert_layout_op();
  }

  int value_;
  plan::Value v_;
  InlineVector<Operand, 5> in_;
  InlineVector<char, 5> converts_, expands_;
};

class NothingSweep final : public Sweep {
 public:
  const char* kernel() const override { return "view"; }
  void run(Pointers, const Lent&) const override {}
};

/// A product whose kernel has no ends of its own, between whole tensors: its operands are computed
/// first, what becomes of its result last. Every fused sweep must agree with this one.
class WholeSweep final : public Sweep {
 public:
  WholeSweep(const plan::Plan& plan, const plan::Group& group, bool fast)
      : sink_(plan, group), values_(plan.values.size()) {
    const int root = group.values[0];
    plan::Plan bare = plan;
    for (int in : plan.values[root].in) {
      if (plan.values[in].home != plan::Home::kInlined) continue;
      sources_.push_back({in, Source(plan, in), plan.values[in].bytes()});
      bare.values[in].home = plan::Home::kMemory;
    }
    in_place_ = plan.values[root].home == plan::Home::kFused;
    bare.values[root].home = plan::Home::kMemory;
    root_ = root;
    product_ = build(bare, plan::Group{{root}}, fast);
  }

  int64_t prepared_bytes() const override { return product_->prepared_bytes(); }
  std::vector<int> prepared_from() const override { return product_->prepared_from(); }
  void prepare(Pointers p, std::byte* to) const override { product_->prepare(p, to); }
  int64_t temporary_bytes() const override { return product_->temporary_bytes(); }

  const char* kernel() const override { return "whole"; }
  void run(Pointers p, const Lent& lent) const override {
    std::vector<std::byte*> at(p, p + values_);
    std::vector<Ref<Buffer>> made;
    for (const Operand& o : sources_) {
      made.push_back(Buffer::allocate(o.bytes));
      at[o.value] = made.back()->data();
      o.source.read(p, 0, o.source.rows(), 0, o.source.columns(),
                    reinterpret_cast<float*>(at[o.value]), o.source.columns());
    }
    if (in_place_) at[root_] = reinterpret_cast<std::byte*>(sink_.memory(p));
    product_->run(at.data(), lent);
    const Sink::Run run(sink_, p, 1);
    run.take(0, 0, sink_.rows(), 0, sink_.columns());
    run.finish();
  }

 private:
  struct Operand {
    int value;
    Source source;
    int64_t bytes;
  };
  Sink sink_;
  size_t values_;
  std::vector<Operand> sources_;
  std::unique_ptr<Sweep> product_;
  bool in_place_;
  int root_;
};

/// Both gradients of a product, one after the other.
class TwoSweeps final : public Sweep {
 public:
  TwoSweeps(std::unique_ptr<Sweep> first, std::unique_ptr<Sweep> second)
      : first_(std::move(first)), second_(std::move(second)) {}

  int64_t prepared_bytes() const override { return first_->prepared_bytes(); }
  std::vector<int> prepared_from() const override { return first_->prepared_from(); }
  void prepare(Pointers p, std::byte* to) const override { first_->prepare(p, to); }
  int64_t temporary_bytes() const override {
    return std::max(first_->temporary_bytes(), second_->temporary_bytes());
  }

  const char* kernel() const override { return first_->kernel(); }
  double multiplications() const override { return first_->multiplications(); }
  void run(Pointers p, const Lent& lent) const override {
    first_->run(p, lent);
    second_->run(p, {nullptr, lent.temporary});
  }

 private:
  std::unique_ptr<Sweep> first_, second_;  // the second wants nothing prepared
};

/// The gradients of a convolution's input, with what becomes of it, and of its weights.
std::unique_ptr<Sweep> build_grads(const plan::Plan& plan, const plan::Group& group,
                                   int weight_grad, bool fast) {
  plan::Group input_grad = group;
  std::erase(input_grad.values, weight_grad);
  if (fast)
    if (auto s = build_winograd_grads(plan, input_grad, weight_grad)) return s;
  return std::make_unique<TwoSweeps>(build(plan, input_grad, fast),
                                     build(plan, plan::Group{{weight_grad}}, fast));
}

}  // namespace

bool has_ends(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& root = plan.values[group.values[0]];
  return group.values.size() > 1 || std::any_of(root.in.begin(), root.in.end(), [&](int in) {
           return plan.values[in].home == plan::Home::kInlined;
         });
}

std::unique_ptr<Sweep> build(const plan::Plan& plan, const plan::Group& group, bool fast) {
  const int root = group.values[0];
  if (plan.values[root].view()) return std::make_unique<NothingSweep>();
  if (const int second = plan::second_product(plan, group); second >= 0)
    return build_grads(plan, group, second, fast);
  if (fast)
    for (auto* builder : {build_pointwise, build_matmul, build_winograd, build_depthwise,
                          build_conv, build_pool, build_sums})
      if (auto s = builder(plan, group)) return s;
  if (has_ends(plan, group)) return std::make_unique<WholeSweep>(plan, group, fast);
  if (fast)
    for (auto* builder : {build_convert, build_loss, build_recurrent})
      if (auto s = builder(plan, root)) return s;
  return std::make_unique<ReferenceSweep>(plan, root);
}

std::byte* scratch(size_t bytes) {
  thread_local Ref<Buffer> buffer;
  if (!buffer || buffer->bytes() < bytes) buffer = Buffer::allocate(bytes);
  return buffer->data();
}

}  // namespace ballast::sweep

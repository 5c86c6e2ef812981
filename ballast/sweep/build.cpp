#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

/// One operation by its plain loops. They are row-major: operands in the other layout are
/// converted, which costs a copy but lets every operation run under every plan.
class ReferenceSweep final : public Sweep {
 public:
  ReferenceSweep(const plan::Plan& plan, int value) : value_(value), v_(plan.values[value]) {
    for (int in : v_.in) {
      const plan::Value& w = plan.values[in];
      in_.push_back(Operand{nullptr, w.shape, w.dtype});
      converts_.push_back(convertible(w));
    }
  }

  void run(Pointers p, const std::byte*) const override {
    InlineVector<Operand, 5> in = in_;
    InlineVector<Ref<Buffer>, 6> copies;
    auto temporary = [&](const Shape& shape, DType dtype) {
      copies.push_back(Buffer::allocate(shape.numel() * size_of(dtype)));
      return Operand{copies[copies.size() - 1]->data(), shape, dtype};
    };
    for (int i = 0; i < in.size(); ++i) {
      in[i].data = p[v_.in[i]];
      if (converts_[i]) {
        const Operand copy = temporary(in[i].shape, in[i].dtype);
        convert(in[i], copy, 0);
        in[i] = copy;
      }
    }
    Operand out{p[value_], v_.shape, v_.dtype};
    const bool convert_out = convertible(v_);
    const Operand made = convert_out ? temporary(v_.shape, v_.dtype) : out;
    v_.op->reference(Call{{in.data(), static_cast<size_t>(in.size())}, made, v_.attributes});
    if (convert_out) convert(made, out, 1);
  }

 private:
  /// A conversion's own operands are what their layouts say.
  bool convertible(const plan::Value& w) const {
    return w.layout == Layout::kChannelsLast && !plan::layouts_coincide(w.shape) &&
           v_.op != &plan::convert_layout_op();
  }

  static void convert(const Operand& from, const Operand& to, int64_t to_channels_last) {
    const Attributes a(plan::ConvertAttributes{to_channels_last});
    plan::convert_layout_op().reference(Call{{&from, 1}, to, a});
  }

  int value_;
  plan::Value v_;
  InlineVector<Operand, 5> in_;
  InlineVector<char, 5> converts_;
};

class NothingSweep final : public Sweep {
 public:
  void run(Pointers, const std::byte*) const override {}
};

}  // namespace

std::unique_ptr<Sweep> build(const plan::Plan& plan, const plan::Group& group, bool fast) {
  const int root = group.values[0];
  if (plan.values[root].view()) return std::make_unique<NothingSweep>();
  if (fast) {
    for (auto* builder :
         {build_pointwise, build_matmul, build_winograd, build_depthwise, build_conv, build_pool})
      if (auto s = builder(plan, group)) return s;
    for (auto* builder : {build_norm, build_loss})
      if (auto s = builder(plan, root)) return s;
  }
  return std::make_unique<ReferenceSweep>(plan, root);
}

std::byte* scratch(size_t bytes) {
  thread_local Ref<Buffer> buffer;
  if (!buffer || buffer->bytes() < bytes) buffer = Buffer::allocate(bytes);
  return buffer->data();
}

}  // namespace ballast::sweep

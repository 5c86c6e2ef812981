#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

class ConvertLayoutOp final : public Op {
 public:
  ConvertLayoutOp() : Op("convert_layout") {}
  // (N, C, inner) <-> (N, inner, C)
  void reference(const Call& c) const override {
    const Shape& s = c.out.shape;
    int64_t rows = s[1], columns = s.span_numel(2, s.rank());
    if (!c.attributes.as<ConvertAttributes>().to_channels_last) std::swap(rows, columns);
    dispatch_size(c.out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const T* in = c.input<T>(0);
      T* out = c.output<T>();
      for (int64_t n = 0; n < s[0]; ++n, in += rows * columns, out += rows * columns)
        for (int64_t j = 0; j < columns; ++j)
          for (int64_t i = 0; i < rows; ++i) out[j * rows + i] = in[i * columns + j];
    });
  }
};

/// Rebuilds the list of values with the conversions in place.
class LayoutPass {
 public:
  LayoutPass(Plan& plan, bool fast) : plan_(plan), fast_(fast) {}

  void run() {
    std::vector<Value> old = std::move(plan_.values);
    plan_.values.clear();
    moved_.resize(old.size());
    for (size_t i = 0; i < old.size(); ++i) {
      Value v = std::move(old[i]);
      for (int& in : v.in) in = moved_[in];
      if (v.op) place(v);
      // A matrix has one layout: were it called by two names, chains over it would not be fused.
      if (v.shape.rank() < 3) v.layout = Layout::kRowMajor;
      moved_[i] = push(std::move(v));
    }
    for (int& i : plan_.leaves) i = moved_[i];
    for (int& i : plan_.outputs) i = moved_[i];
  }

 private:
  int push(Value v) {
    plan_.values.push_back(std::move(v));
    converted_.push_back(-1);
    return static_cast<int>(plan_.values.size()) - 1;
  }

  /// The value `i` in the wanted layout.
  int in_layout(int i, Layout wanted) {
    const Value& v = plan_.values[i];
    if (v.layout == wanted || layouts_coincide(v.shape)) return i;
    if (converted_[i] >= 0) return converted_[i];
    Value c;
    c.op = &convert_layout_op();
    c.attributes = Attributes(ConvertAttributes{wanted == Layout::kChannelsLast});
    c.in = {i};
    c.shape = v.shape;
    c.dtype = v.dtype;
    c.layout = wanted;
    const int made = push(std::move(c));
    converted_[i] = made;
    converted_[made] = i;
    return made;
  }

  bool floats(const Value& v) const {
    if (v.dtype != DType::kFloat32) return false;
    for (int in : v.in)
      if (is_floating(plan_.values[in].dtype) && plan_.values[in].dtype != DType::kFloat32)
        return false;
    return true;
  }

  /// Decides the layout of `v` and makes its inputs fit.
  void place(Value& v) {
    const Traits t = v.op->traits();
    auto as = [](bool last) { return last ? Layout::kChannelsLast : Layout::kRowMajor; };
    if (!fast_ || !floats(v)) {
      for (int& in : v.in) in = in_layout(in, Layout::kRowMajor);
      return;
    }
    const int rank = plan_.values[v.in[0]].shape.rank();
    if (v.op->follows_layout(v.attributes, rank) && follow(v, t)) return;
    for (int i = 0; i < v.in.size(); ++i)
      v.in[i] = in_layout(v.in[i], as(has_input(t.channels_last, i)));
    v.layout = as(t.channels_last & Traits::kOutput);
  }

  /// Channels-last if any full operand already is (or the operation works per channel), provided
  /// that every operand can then be read.
  bool follow(Value& v, const Traits& t) {
    bool last = t.channels_last != 0;
    for (int in : v.in)
      last |= plan_.values[in].layout == Layout::kChannelsLast &&
              !layouts_coincide(plan_.values[in].shape);
    if (!last) return false;
    if (t.kind == Traits::Kind::kOpaque) {
      v.in[0] = in_layout(v.in[0], Layout::kChannelsLast);
      return true;  // a reduction: its output has no layout of its own
    }
    if (t.kind == Traits::Kind::kConcatenate || t.kind == Traits::Kind::kSlice) {
      for (int& in : v.in) in = in_layout(in, Layout::kChannelsLast);
      v.layout = Layout::kChannelsLast;
      return true;
    }
    Value trial = v;
    trial.layout = Layout::kChannelsLast;
    for (int& in : trial.in)
      if (plan_.values[in].shape == v.shape) in = in_layout(in, Layout::kChannelsLast);
    for (int i = 0; i < trial.in.size(); ++i)
      if (operand_mode(plan_, trial, i) == OperandMode::kNo) return false;
    v = std::move(trial);
    return true;
  }

  Plan& plan_;
  bool fast_;
  std::vector<int> moved_;
  std::vector<int> converted_;  // the same value in the other layout, or -1
};

}  // namespace

const Op& convert_layout_op() {
  static const ConvertLayoutOp op;
  return op;
}

bool layouts_coincide(const Shape& s) {
  return s.rank() < 3 || s[1] == 1 || s.span_numel(2, s.rank()) == 1;
}

void choose_layouts(Plan& plan, bool fast) { LayoutPass(plan, fast).run(); }

}  // namespace ballast::plan

// Statistics belong to tensors, not to layers: what is known of the parts of a tensor is known of
// it.
#include "ballast/ops/batch_norm.h"
#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

/// Whether the value joins others along its channels.
bool joins_channels(const Value& v) {
  return v.op && v.op->traits().kind == Traits::Kind::kConcatenate &&
         v.attributes.as<int64_t>() == 1 && v.shape.rank() >= 2;
}

class NormalForm {
 public:
  explicit NormalForm(Plan& plan) : plan_(plan) {}

  void run() {
    std::vector<Value> old = std::move(plan_.values);
    plan_.values.clear();
    std::vector<int> moved(old.size());
    for (size_t i = 0; i < old.size(); ++i) {
      Value v = std::move(old[i]);
      for (int& in : v.in) in = moved[in];
      const bool of_parts = v.op == &channel_moments_op() && joins_channels(plan_.values[v.in[0]]);
      moved[i] = of_parts ? moments_of_parts(v) : push(std::move(v));
    }
    for (int& i : plan_.leaves) i = moved[i];
    for (int& i : plan_.outputs) i = moved[i];
  }

 private:
  int push(Value v) {
    plan_.values.push_back(std::move(v));
    return static_cast<int>(plan_.values.size()) - 1;
  }

  /// The moments of a concatenation are the concatenation of the moments (DenseNet: each layer's
  /// output is measured once, however many layers read it).
  int moments_of_parts(const Value& moments) {
    const Value joined = plan_.values[moments.in[0]];
    Value out = moments;
    out.op = joined.op;
    out.attributes = joined.attributes;
    out.in.clear();
    for (int part : joined.in) {
      Value m = moments;
      m.in.clear();
      m.in.push_back(part);
      m.shape = Shape{2, plan_.values[part].shape[1]};
      m.output = false;
      const bool nested = joins_channels(plan_.values[part]);
      out.in.push_back(nested ? moments_of_parts(m) : push(std::move(m)));
    }
    return push(std::move(out));
  }

  Plan& plan_;
};

}  // namespace

void normal_form(Plan& plan) { NormalForm(plan).run(); }

}  // namespace ballast::plan

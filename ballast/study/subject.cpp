#include "ballast/study/subject.h"

#include <memory>
#include <unordered_map>

#include "ballast/nn/batch_norm.h"
#include "ballast/nn/observe.h"
#include "ballast/ops/batch_norm.h"

namespace ballast::study {
namespace {

/// Every module's mode, restored when this goes.
class Modes {
 public:
  explicit Modes(nn::Module& model) : modules_(model.named_modules()) {
    for (const auto& [name, m] : modules_) modes_.push_back(m->training());
  }
  // Parents come first, so each module keeps the mode it is given last: its own.
  ~Modes() {
    for (size_t i = 0; i < modules_.size(); ++i) modules_[i].second->train(modes_[i]);
  }
  Modes(const Modes&) = delete;
  Modes& operator=(const Modes&) = delete;

 private:
  nn::NamedModules modules_;
  std::vector<bool> modes_;
};

struct Place {
  std::string name;
  int64_t norm = -1;  // its number among the batch-norm layers
  bool leaf = false;
};
using Places = std::unordered_map<const nn::ModuleState*, Place>;

class Relay : public nn::CallObserver {
 public:
  Relay(const Places& places, Watcher& watcher) : places_(places), watcher_(watcher) {}
  Tensor call(nn::Module& m, const Tensor& x) override {
    const auto at = places_.find(nn::identity(m));
    if (at == places_.end()) return m.forward(x);
    const Place& place = at->second;
    if (place.norm >= 0) return watcher_.norm(static_cast<size_t>(place.norm), x);
    Tensor y = m.forward(x);
    if (place.leaf) watcher_.layer(place.name, x, y);
    return y;
  }

 private:
  const Places& places_;
  Watcher& watcher_;
};

NormLayer layer_of(const std::string& name, const nn::BatchNorm& m) {
  const nn::BatchNormOptions& o = m.options();
  return {.name = name,
          .channels = m.num_features(),
          .eps = o.eps,
          .momentum = o.momentum,
          .training = m.training(),
          .weight = m.weight,
          .bias = m.bias,
          .running_mean = m.running_mean,
          .running_var = m.running_var,
          .num_batches_tracked = m.num_batches_tracked};
}

}  // namespace

Subject subject_of(nn::Module& model) {
  Subject out{
      .norms = {}, .state = model.state_dict(), .parameters = model.named_parameters(), .run = {}};
  auto places = std::make_shared<Places>();
  for (const auto& [name, m] : model.named_modules()) {
    Place place{.name = name, .leaf = m->named_children().empty()};
    if (const auto* norm = m->as<nn::BatchNorm>()) {
      place.norm = static_cast<int64_t>(out.norms.size());
      out.norms.push_back(layer_of(name, *norm));
    }
    (*places)[nn::identity(*m)] = place;
  }
  out.run = [&model, places](const Tensor& x, Watcher& watcher) {
    const Modes restored(model);
    model.eval();
    const Relay relay(*places, watcher);
    return model(x);
  };
  return out;
}

Tensor by_batch(const NormLayer& layer, double eps, const Tensor& x) {
  return batch_norm(x, nullptr, layer.weight, layer.bias, true, 0.0, eps);
}

Tensor by_given(const NormLayer& layer, double eps, const Tensor& x, const Tensor& mean,
                const Tensor& var) {
  const BatchNormState statistics{mean, var, {}};
  return batch_norm(x, &statistics, layer.weight, layer.bias, false, 0.0, eps);
}

}  // namespace ballast::study

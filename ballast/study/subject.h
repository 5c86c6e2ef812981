// A network as the batch-normalization tools see it, whichever language its modules are written in:
// its batch-norm layers, and a way to run it with somebody else doing their work.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ballast/nn/module.h"

namespace ballast::study {

/// A batch-norm layer. Tensors may be undefined where the layer has none.
struct NormLayer {
  std::string name;
  int64_t channels = 0;
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // none: all batches count alike
  bool training = false;                 // its mode when the subject was made
  Tensor weight, bias, running_mean, running_var, num_batches_tracked;
};

/// Does the work of batch-norm layers during a run, and sees what other layers do.
class Watcher {
 public:
  virtual ~Watcher() = default;
  /// What layer `index` of `Subject::norms` makes of x (N, C, ...).
  virtual Tensor norm(size_t index, const Tensor& x) = 0;
  /// A layer without layers below it, which is no batch norm, made y of x.
  virtual void layer(const std::string& /*name*/, const Tensor& /*x*/, const Tensor& /*y*/) {}
};

struct Subject {
  std::vector<NormLayer> norms;  // in the order in which modules are listed
  StateDict state;               // all parameters and buffers
  StateDict parameters;
  /// Runs the network in evaluation mode (dropout is off), batch norm aside. Nothing of the network
  /// has changed afterwards.
  std::function<Tensor(const Tensor& x, Watcher& watcher)> run;
};

/// The model must outlive what is returned.
Subject subject_of(nn::Module& model);

/// Normalizes x with the layer's weight and bias by the batch's own statistics, or by a given mean
/// and (biased) variance. No statistics are updated.
Tensor by_batch(const NormLayer& layer, double eps, const Tensor& x);
Tensor by_given(const NormLayer& layer, double eps, const Tensor& x, const Tensor& mean,
                const Tensor& var);

}  // namespace ballast::study

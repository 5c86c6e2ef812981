// A training step in parts, with the statistics and gradients of the whole batch.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::study {

/// A training step that holds activations of a part of the batch only, and computes what the whole
/// batch at once would give. The batch-norm layers are barriers: the only places where samples
/// meet. Going forward, all parts are computed up to a barrier, their moments (`exact_moments`)
/// merged in double (Chan, Golub & LeVeque 1979) and rounded once, and so on; going backward, the
/// sums of the gradient that the moments need are collected from all parts before the layers below
/// go on. What is held between two barriers are the values that cross them, of all parts; every
/// `stride` barriers or so they stay for the way back, where the rest is computed again from there
/// (Chen et al. 2016, arXiv:1604.06174). Work and memory are linear in depth.
///
///   ExactBatch step;
///   step.add(0.5, [&] { return loss_of(first_half); });
///   step.add(0.5, [&] { return loss_of(second_half); });
///   const double loss = step.run();
class ExactBatch {
 public:
  explicit ExactBatch(int stride = 4);
  ~ExactBatch();
  ExactBatch(const ExactBatch&) = delete;
  ExactBatch& operator=(const ExactBatch&) = delete;

  /// Records a part. The loss of the step is the sum of all parts' weight*loss. Batch-norm layers
  /// called by `loss` in training mode are those of the whole batch and must be called alike by all
  /// parts. Random numbers are drawn now, once. Throws Error where `loss` looks at values that
  /// depend on a layer's statistics or changes other state, NotImplementedError for layers whose
  /// statistics are of virtual batches.
  void add(double weight, const std::function<Tensor()>& loss);
  /// Computes the step: adds the derivatives of the loss to the `grad` of all leaves, updates the
  /// running statistics once per call of a layer, and returns the loss. Hooks of leaves see whole
  /// gradients; hooks of other values are not called. If an operation throws, nothing changes.
  double run();

 private:
  struct Part;
  struct Barrier;

  void choose_checkpoints();
  void forward(int stage);
  void forward(Part& part, int stage);
  void backward(int stage);
  void backward(Part& part, int stage);
  Tensor seed(const Part& part, int stage, int v, const Tensor& value) const;
  void add_to_sum(const Node& leaf, const Tensor& gradient, std::vector<Tensor>& results);
  void finish();

  int stride_;
  std::vector<Part> parts_;
  std::vector<Barrier> barriers_;                   // one for each call of a layer, in order
  std::vector<int> checkpoints_;                    // stages, the first 0
  std::vector<std::pair<Ref<Node>, Tensor>> sums_;  // leaves and their gradients
  double loss_ = 0;
};

}  // namespace ballast::study

#include "ballast/study/train_step.h"

#include <algorithm>

#include "ballast/graph/eval.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/view.h"
#include "ballast/study/exact_batch.h"

namespace ballast::study {
namespace {

/// Memory of others would be copied by every part.
Tensor own(const Tensor& t) {
  Tensor out = t.node().external() && !t.requires_grad() ? clone(t) : t;
  out.eval();
  return out;
}

}  // namespace

double train_step(nn::Module& model, const data::Batch& batch, const TrainStepOptions& options) {
  check<ValueError>(batch.x.dim() > 0 && batch.y.dim() > 0 && batch.x.size(0) == batch.y.size(0),
                    "train_step: Size mismatch between tensors: {} and {}", batch.x.shape(),
                    batch.y.shape());
  const int64_t samples = batch.x.size(0), part = options.micro_batch;
  check<ValueError>(samples > 0, "train_step: the batch has no samples");
  check<ValueError>(part > 0, "train_step: expected a positive micro_batch, got {}", part);
  const Tensor x = own(batch.x), y = own(batch.y);
  ExactBatch step(options.stride);
  for (int64_t begin = 0; begin < samples; begin += part) {
    const int64_t end = std::min(begin + part, samples);
    const double share = static_cast<double>(end - begin) / static_cast<double>(samples);
    step.add(options.mean ? share : 1.0, [&] {
      const Tensor output = model(slice(x, 0, begin, end)), labels = slice(y, 0, begin, end);
      return options.loss ? options.loss(output, labels) : cross_entropy(output, labels);
    });
  }
  return step.run();
}

}  // namespace ballast::study

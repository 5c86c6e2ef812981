#include "cli/measure.h"

#include <algorithm>
#include <cmath>

namespace ballast::cli {
namespace {

// Bounds the memory that activations take; a few hundred samples keep both cores busy.
constexpr int64_t kBatch = 256;

}  // namespace

std::vector<float> logits_of(nn::Module& model, const data::ArrayDataset& d) {
  const bool was_training = model.training();
  model.eval();
  NoGrad off;
  std::vector<float> out;
  const auto x = d.inputs.as<float>();
  const int64_t each = d.size() > 0 ? d.inputs.numel() / d.size() : 0;
  for (int64_t at = 0; at < d.size(); at += kBatch) {
    Shape shape = d.inputs.shape;
    shape[0] = std::min(kBatch, d.size() - at);
    const std::span<const float> part = x.subspan(at * each, shape[0] * each);
    const Tensor y = model(Tensor::from<float>(part, shape));
    const auto values = y.data<float>();
    out.insert(out.end(), values.begin(), values.end());
  }
  model.train(was_training);
  return out;
}

Measures measure(nn::Module& model, const data::ArrayDataset& d) {
  const std::vector<float> logits = logits_of(model, d);
  const auto labels = d.labels.as<int64_t>();
  const int64_t classes = static_cast<int64_t>(logits.size()) / d.size();
  Measures out;
  for (int64_t i = 0; i < d.size(); ++i) {
    const float* row = &logits[i * classes];
    const float* largest = std::max_element(row, row + classes);
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(row[c]) - *largest);
    out.loss += std::log(sum) + *largest - row[labels[i]];
    out.accuracy += largest - row == labels[i];
  }
  out.loss /= static_cast<double>(d.size());
  out.accuracy /= static_cast<double>(d.size());
  return out;
}

}  // namespace ballast::cli

#include "ballast/study/fold.h"

#include <cmath>
#include <mutex>
#include <string>
#include <unordered_map>

#include "ballast/graph/eval.h"
#include "ballast/graph/pending.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/batch_norm.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/create.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/shape_ops.h"

namespace ballast::study {
namespace {

/// A recorded computation: its nodes, and how many read each.
class Computation {
 public:
  explicit Computation(std::span<const Tensor> outputs) {
    for (const Tensor& t : outputs) read(t.node());
    while (!pending_.empty()) {
      const Node* n = pending_.back();
      pending_.pop_back();
      nodes.push_back(n);
      for (const auto& in : n->inputs) read(*in);
    }
  }

  /// Whether exactly one node, or the caller, reads `n`.
  bool read_once(const Node& n) const {
    const auto it = readers_.find(&n);
    return it != readers_.end() && it->second == 1;
  }

  std::vector<const Node*> nodes;

 private:
  void read(const Node& n) {
    if (readers_[&n]++ == 0) pending_.push_back(&n);
  }
  std::unordered_map<const Node*, int> readers_;
  std::vector<const Node*> pending_;
};

bool is_view(const Node& n) {
  return n.op && !n.inputs.empty() && n.op->traits().kind == Traits::Kind::kView;
}

/// The running mean that the coefficients of a normalization were made of, or null.
const Node* running_mean_of(const Node& coefficients) {
  if (coefficients.op != &norm_coefficients_op()) return nullptr;
  const Node& moments = *coefficients.inputs[0];
  const bool running = moments.op && moments.op->name() == std::string("pack_moments");
  return running ? moments.inputs[0].get() : nullptr;
}

/// The weight of the product that made `n`, or null. Views on the way must leave (N, C) alone.
const Node* weight_of(const Node* n, const Computation& all) {
  for (; all.read_once(*n) && is_view(*n); n = n->inputs[0].get()) {
    const Shape &to = n->shape, &from = n->inputs[0]->shape;
    if (to.rank() < 2 || from.rank() < 2 || to[0] != from[0] || to[1] != from[1]) return nullptr;
  }
  if (!all.read_once(*n) || !n->op) return nullptr;
  const bool linear =
      n->op == &matmul_op() && n->attributes.as<MatmulAttributes>().transpose_b != 0;
  if (n->op != &conv2d_op() && !linear) return nullptr;
  const Node* weight = n->inputs[1].get();
  while (all.read_once(*weight) && is_view(*weight)) weight = weight->inputs[0].get();
  return all.read_once(*weight) ? weight : nullptr;
}

std::unordered_map<const Node*, size_t> positions(std::span<const Tensor> tensors) {
  std::unordered_map<const Node*, size_t> out;
  for (size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].defined()) out[&tensors[i].node()] = i;
  return out;
}

/// The numbers of a normalization, in float64.
struct Affine {
  Tensor scale, shift, mean;
};

template <class Norm>
Affine affine_of(const Norm& norm, double eps) {
  const auto wide = [](const Tensor& t) { return t.to(DType::kFloat64); };
  const Shape channels = norm.running_var.shape();
  const Tensor weight = norm.weight.defined() ? wide(norm.weight) : ones(channels, DType::kFloat64);
  const Tensor bias = norm.bias.defined() ? wide(norm.bias) : zeros(channels, DType::kFloat64);
  return {weight / sqrt(wide(norm.running_var) + eps), bias, wide(norm.running_mean)};
}

/// A layer like `from`, with weights that make up for the normalization after it.
template <class Layer>
void fold_into(nn::Module& m, const Layer& from, Layer to, const Affine& a) {
  const DType dtype = from.weight.dtype();
  std::vector<int64_t> per_output(static_cast<size_t>(from.weight.dim()), 1);
  per_output[0] = from.weight.size(0);
  const Tensor weight = from.weight.to(DType::kFloat64) * a.scale.reshape(per_output);
  const Tensor old = from.bias.defined() ? from.bias.to(DType::kFloat64) - a.mean : a.mean * -1.0;
  to.to(dtype);
  to.weight.copy_(weight);
  to.bias.copy_(old * a.scale + a.shift);
  to.weight.set_requires_grad(from.weight.requires_grad());
  to.bias.set_requires_grad(from.weight.requires_grad());
  to.train(m.training());
  m.replace(std::move(to));
}

void fold_into(nn::Module& m, const Affine& a) {
  NoGrad off;
  const Generator before = default_generator();  // new layers draw initial values
  if (const auto* conv = m.as<nn::Conv2d>()) {
    nn::Conv2dOptions options = conv->options();
    options.bias = true;
    const Tensor& w = conv->weight;
    fold_into(m, *conv,
              nn::Conv2d(w.size(1) * options.groups, w.size(0), {w.size(2), w.size(3)}, options),
              a);
  } else if (const auto* linear = m.as<nn::Linear>()) {
    fold_into(m, *linear, nn::Linear(linear->weight.size(1), linear->weight.size(0)), a);
  }
  default_generator() = before;
}

}  // namespace

std::vector<std::pair<size_t, size_t>> foldable(std::span<const Tensor> outputs,
                                                std::span<const Tensor> weights,
                                                std::span<const Tensor> means) {
  // What is a value of the model is a leaf, however it came to be; the outputs stay recorded.
  const Pending::Pause pause;
  eval(weights);
  eval(means);
  std::lock_guard lock(graph_mutex());
  const auto weight_at = positions(weights), mean_at = positions(means);
  const Computation all(outputs);
  std::vector<std::pair<size_t, size_t>> out;
  for (const Node* n : all.nodes) {
    if (!n->op || n->op->traits().code != Pointwise::kChannelAffine || n->inputs.empty()) continue;
    const Node* mean = running_mean_of(*n->inputs[1]);
    if (!mean || !all.read_once(*mean)) continue;
    const auto m = mean_at.find(mean);
    const auto w = weight_at.find(weight_of(n->inputs[0].get(), all));
    if (m != mean_at.end() && w != weight_at.end()) out.emplace_back(w->second, m->second);
  }
  return out;
}

int64_t fold(nn::Module& model, const Tensor& example) {
  std::vector<nn::ModulePtr> products, norms;
  std::vector<Tensor> weights, means;
  std::vector<Affine> affine;
  for (const auto& [name, m] : model.named_modules()) {
    check<ValueError>(!m->training(),
                      "fold: expected a model in evaluation mode, {} is in training",
                      name.empty() ? "it" : "\"" + name + "\"");
    if (const auto* conv = m->as<nn::Conv2d>()) {
      products.push_back(m);
      weights.push_back(conv->weight);
    } else if (const auto* linear = m->as<nn::Linear>()) {
      products.push_back(m);
      weights.push_back(linear->weight);
    } else if (const auto* norm = m->as<nn::BatchNorm>(); norm && norm->running_mean.defined()) {
      norms.push_back(m);
      means.push_back(norm->running_mean);
      affine.push_back(affine_of(*norm, norm->options().eps));
    } else if (const auto* frozen = m->as<nn::FrozenBatchNorm2d>()) {
      norms.push_back(m);
      means.push_back(frozen->running_mean);
      affine.push_back(affine_of(*frozen, frozen->eps()));
    }
  }
  const Tensor output = model(example);
  const auto pairs = foldable({&output, 1}, weights, means);
  for (const auto& [product, norm] : pairs) {
    fold_into(*products[product], affine[norm]);
    nn::Identity nothing;
    nothing.eval();
    norms[norm]->replace(nothing);
  }
  return static_cast<int64_t>(pairs.size());
}

}  // namespace ballast::study

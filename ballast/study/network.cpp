#include "ballast/study/network.h"

#include <fmt/format.h>

#include <algorithm>

#include "ballast/models/factory.h"
#include "ballast/nn/batch_norm_variants.h"
#include "ballast/nn/common.h"
#include "ballast/nn/norm.h"
#include "ballast/nn/sequential.h"
#include "ballast/ops/create.h"
#include "ballast/ops/dropout.h"
#include "ballast/ops/pointwise.h"

namespace ballast::study {
namespace {

/// In training, x*(1 + a) + b with a and b drawn anew at every step, normal with deviation 0.5, one
/// pair for each channel: distributions that shift on purpose (after Santurkar et al. 2018).
class Noise : public nn::Module {
 public:
  Tensor forward(const Tensor& x) override {
    if (!training()) return x;
    Shape shape{1};
    for (int i = 1; i < x.dim(); ++i) shape.push_back(i == 1 ? x.size(1) : 1);
    const Tensor scale = 0.5 * randn(shape) + 1.0, shift = 0.5 * randn(shape);
    return x * scale + shift;
  }
};

template <class Ghost, class Renorm, class Norm1>
void replace_norm(Norm1& layer, Norm norm) {
  const int64_t channels = layer.num_features();
  switch (norm) {
    case Norm::kNone:
      return layer.replace(nn::Identity());
    case Norm::kFixed:
      return layer.replace(Norm1(channels, {.affine = false}));
    case Norm::kNoisy:
      return layer.replace(nn::Sequential(Norm1(channels), Noise()));
    case Norm::kGhost:
      return layer.replace(Ghost(channels, kGhostBatch));
    case Norm::kRenorm:
      return layer.replace(Renorm(channels, {.limits = {.start = 50, .r_end = 400, .d_end = 250}}));
    case Norm::kGroup:
      return layer.replace(nn::GroupNorm(channels % 4 == 0   ? 4
                                         : channels % 2 == 0 ? 2
                                                             : 1,
                                         channels));
    case Norm::kLayer:
      return layer.replace(nn::GroupNorm(1, channels));
    default:
      return;
  }
}

void mix(uint64_t& hash, const void* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i)
    hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 1099511628211u;
}

}  // namespace

const char* name_of(Norm n) {
  constexpr const char* kNames[] = {"none",  "batch",  "fixed", "noisy",
                                    "ghost", "renorm", "group", "layer"};
  return kNames[static_cast<size_t>(n)];
}

std::string Recipe::str() const {
  std::string text = name_of(norm);
  if (dropout > 0.0) text += fmt::format(" dropout={}", dropout);
  if (plain)
    text += fmt::format(" plain={}x{}{}", plain->depth, plain->width,
                        plain->after_activation ? " after" : "");
  return text;
}

PlainLayer::PlainLayer(int64_t in, int64_t width, bool after, double p)
    : fc(add("fc", nn::Linear(in, width))),
      bn(add("bn", nn::BatchNorm1d(width))),
      after_activation(after),
      dropout(p) {}

Tensor PlainLayer::forward(const Tensor& x) {
  const Tensor y = after_activation ? bn(relu(fc(x))) : relu(bn(fc(x)));
  return dropout > 0.0 ? ballast::dropout(y, dropout, training()) : y;
}

Plain::Plain(int64_t features, int64_t classes, const PlainShape& shape, double dropout)
    : fc(nn::Linear(1, 1)) {
  for (int64_t i = 0; i < shape.depth; ++i)
    layers.push_back(add(
        fmt::format("layer{}", i),
        PlainLayer(i == 0 ? features : shape.width, shape.width, shape.after_activation, dropout)));
  fc = add("fc", nn::Linear(shape.depth == 0 ? features : shape.width, classes));
}

std::vector<Tensor> Plain::hidden(const Tensor& x) {
  std::vector<Tensor> out;
  Tensor y = x.flatten(1);
  for (PlainLayer& layer : layers) out.push_back(y = layer(y));
  return out;
}

Tensor Plain::forward(const Tensor& x) {
  Tensor y = x.flatten(1);
  for (PlainLayer& layer : layers) y = layer(y);
  return fc(y);
}

void replace_norms(nn::Module& network, const Recipe& recipe) {
  if (recipe.norm == Norm::kBatch) return;
  for (const auto& [name, m] : network.named_modules()) {
    if (auto* one = m->as<nn::BatchNorm1d>())
      replace_norm<nn::GhostBatchNorm1d, nn::BatchRenorm1d>(*one, recipe.norm);
    if (auto* two = m->as<nn::BatchNorm2d>())
      replace_norm<nn::GhostBatchNorm2d, nn::BatchRenorm2d>(*two, recipe.norm);
  }
}

void add_dropout(nn::Module& network, double p) {
  nn::Linear* last = nullptr;
  const nn::NamedModules modules = network.named_modules();  // keeps `last` alive
  for (const auto& [name, m] : modules)
    if (auto* linear = m->as<nn::Linear>()) last = linear;
  if (last) last->replace(nn::Sequential(nn::Dropout(p), nn::clone(*last)));
}

int64_t classes_of(const data::SplitArrays& samples) {
  int64_t most = 0;
  for (const auto* d : {&samples.train, &samples.test})
    for (const int64_t label : d->labels.as<int64_t>()) most = std::max(most, label);
  return most + 1;
}

nn::ModulePtr Task::build(const Recipe& recipe) const {
  if (!recipe.plain) return make(recipe);
  const int64_t features = train.inputs.numel() / std::max<int64_t>(1, train.size());
  auto network = std::make_shared<Plain>(features, classes, *recipe.plain, recipe.dropout);
  replace_norms(*network, recipe);
  return network;
}

std::string Task::fingerprint() const {
  uint64_t hash = 14695981039346656037u;
  mix(hash, model.data(), model.size());
  for (const auto* d : {&train, &test})
    for (const io::Array* a : {&d->inputs, &d->labels}) mix(hash, a->data->data(), a->bytes());
  return fmt::format("{:016x}", hash);
}

Task task_of(const std::string& model, const std::string& data) {
  const bool plain = model == "plain";
  const models::Input kind = plain ? models::Input::kVector : models::entry(model).input;
  const data::SplitArrays raw = data::load_split(data);
  Task task{.model = model, .data = data, .make = {}, .train = {}, .test = {}, .classes = 0};
  try {
    const auto prepare = data::Preparation::fit(kind, raw.train.inputs);
    task.train = prepare(raw.train);
    task.test = prepare(raw.test);
  } catch (const ValueError& e) {
    fail<FileError>("{}: model {}: {}", data, model, e.what());
  }
  task.classes = classes_of(raw);
  const Shape sample = data::sample_shape(task.train.inputs);
  const int64_t features = sample.numel(), classes = task.classes;
  task.make = [=](const Recipe& recipe) -> nn::ModulePtr {
    nn::ModulePtr network;
    if (plain) {
      network = std::make_shared<Plain>(features, classes, PlainShape{}, recipe.dropout);
    } else {
      network = models::make(model, sample, {.classes = classes});
      if (recipe.dropout > 0.0) add_dropout(*network, recipe.dropout);
    }
    replace_norms(*network, recipe);
    return network;
  };
  return task;
}

}  // namespace ballast::study

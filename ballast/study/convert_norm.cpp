#include "ballast/study/convert_norm.h"

#include <array>
#include <functional>
#include <numeric>
#include <optional>

#include "ballast/nn/nn.h"

namespace ballast::study {
namespace {

constexpr std::array<const char*, 8> kNames = {"batch", "ghost", "renorm",   "frozen",
                                               "group", "layer", "instance", "none"};

/// What a new layer takes over from the one it replaces.
struct Norm {
  int64_t channels;
  int spatial;  // dimensions of an image: 1 where there may be none
  nn::BatchNormOptions options;
  StateDict state;
  bool training;
};

int spatial_of(nn::Module& m) {
  if (m.as<nn::BatchNorm3d>() || m.as<nn::InstanceNorm3d>()) return 3;
  const bool flat = m.as<nn::BatchNorm1d>() || m.as<nn::GhostBatchNorm1d>() ||
                    m.as<nn::BatchRenorm1d>() || m.as<nn::InstanceNorm1d>();
  return flat ? 1 : 2;
}

std::optional<Norm> norm_of(nn::Module& m) {
  Norm n{0, spatial_of(m), {}, m.state_dict(), m.training()};
  if (const auto* c = m.as<nn::ChannelNorm>()) {
    n.channels = c->num_features();
    n.options = c->options();
    // Where statistics of samples were, those of batches are remembered.
    if (m.as<nn::InstanceNorm>()) n.options.track_running_stats = true;
    return n;
  }
  if (const auto* f = m.as<nn::FrozenBatchNorm2d>()) {
    n.channels = f->weight.numel();
    n.options.eps = f->eps();
    return n;
  }
  if (const auto* g = m.as<nn::GroupNorm>()) {
    n.channels = g->num_channels();
    n.options.eps = g->options().eps;
    n.options.affine = g->options().affine;
    return n;
  }
  return {};
}

using Replacement = std::function<void(nn::Module&)>;

/// Puts `layer` in the place of a module once it is called.
template <class M>
Replacement with(M layer, const Norm& from) {
  return [layer = std::move(layer), from](nn::Module& m) mutable {
    if (!from.state.empty()) layer.to(from.state.front().second.dtype());
    layer.load_state_dict(from.state, false);
    layer.train(from.training);
    m.replace(std::move(layer));
  };
}

Replacement replacement(const Norm& n, NormKind kind, const ConvertNormOptions& o) {
  const nn::BatchNormOptions& b = n.options;
  const nn::GroupNormOptions group{.eps = b.eps, .affine = b.affine};
  const nn::BatchRenormOptions renorm{b.eps, b.momentum, b.affine, o.limits};
  const nn::InstanceNormOptions instance{.eps = b.eps, .momentum = b.momentum, .affine = b.affine};
  switch (kind) {
    case NormKind::kBatch:
      if (n.spatial == 1) return with(nn::BatchNorm1d(n.channels, b), n);
      if (n.spatial == 2) return with(nn::BatchNorm2d(n.channels, b), n);
      return with(nn::BatchNorm3d(n.channels, b), n);
    case NormKind::kGhost:
      if (n.spatial == 1) return with(nn::GhostBatchNorm1d(n.channels, o.virtual_batch, b), n);
      if (n.spatial == 2) return with(nn::GhostBatchNorm2d(n.channels, o.virtual_batch, b), n);
      break;
    case NormKind::kRenorm:
      if (n.spatial == 1) return with(nn::BatchRenorm1d(n.channels, renorm), n);
      if (n.spatial == 2) return with(nn::BatchRenorm2d(n.channels, renorm), n);
      break;
    case NormKind::kFrozen:
      if (n.spatial == 2) return with(nn::FrozenBatchNorm2d(n.channels, b.eps), n);
      break;
    case NormKind::kGroup:
      return with(nn::GroupNorm(std::gcd(o.groups, n.channels), n.channels, group), n);
    case NormKind::kLayer:
      return with(nn::GroupNorm(1, n.channels, group), n);
    case NormKind::kInstance:
      if (n.spatial == 1) return with(nn::InstanceNorm1d(n.channels, instance), n);
      if (n.spatial == 2) return with(nn::InstanceNorm2d(n.channels, instance), n);
      return with(nn::InstanceNorm3d(n.channels, instance), n);
    case NormKind::kNone:
      return with(nn::Identity(), n);
  }
  fail<ValueError>("convert_norm: normalization of {} dimensions has no kind \"{}\"", n.spatial,
                   kNames[static_cast<size_t>(kind)]);
}

bool is_activation(nn::Module& m) {
  return m.as<nn::ReLU>() || m.as<nn::ReLU6>() || m.as<nn::Sigmoid>() || m.as<nn::Tanh>() ||
         m.as<nn::SiLU>() || m.as<nn::Hardswish>() || m.as<nn::Hardsigmoid>() ||
         m.as<nn::LeakyReLU>() || m.as<nn::ELU>() || m.as<nn::GELU>() || m.as<nn::Softplus>();
}

bool is_norm(nn::Module& m) {
  return m.as<nn::ChannelNorm>() || m.as<nn::FrozenBatchNorm2d>() || m.as<nn::GroupNorm>() ||
         m.as<nn::LayerNorm>();
}

}  // namespace

NormKind norm_kind(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i)
    if (name == kNames[i]) return static_cast<NormKind>(i);
  fail<ValueError>(
      "\"{}\" is no kind of normalization: batch, ghost, renorm, frozen, group, layer, "
      "instance, none",
      name);
}

int64_t convert_norm(nn::Module& model, NormKind kind, const ConvertNormOptions& options) {
  std::vector<std::pair<nn::ModulePtr, Replacement>> all;
  for (const auto& [name, m] : model.named_modules())
    if (const auto norm = norm_of(*m)) all.emplace_back(m, replacement(*norm, kind, options));
  for (auto& [m, replace] : all) replace(*m);
  return static_cast<int64_t>(all.size());
}

int64_t place_norm(nn::Module& model, NormPlace place) {
  const bool after = place == NormPlace::kAfterActivation;
  int64_t moved = 0;
  for (const auto& [name, m] : model.named_modules()) {
    auto* list = m->as<nn::Sequential>();
    for (int64_t i = 0; list && i + 1 < list->size(); ++i) {
      nn::Module &first = (*list)[i], &second = (*list)[i + 1];
      const bool matches =
          after ? is_norm(first) && is_activation(second) : is_activation(first) && is_norm(second);
      if (!matches) continue;
      list->swap(i, i + 1);
      ++moved;
      ++i;
    }
  }
  return moved;
}

}  // namespace ballast::study

// Networks by name.
#pragma once

#include <span>
#include <string>

#include "ballast/base/shape.h"
#include "ballast/models/options.h"

namespace ballast::models {

/// What a network takes, one sample of it.
enum class Input {
  kComponents,  ///< (10): numbers; of wider data the first ten principal components
  kVector,      ///< (F): numbers
  kImage,       ///< (C, H, W)
  kColour,      ///< (3, H, W); data::Preparation repeats grey images
};

/// A network that `make` knows.
struct Entry {
  const char* name;
  const char* summary;  ///< its layers in a few words
  Input input;
  Shape sample;   ///< shape of one sample, unless another is asked for; H and W are free
  bool any_size;  ///< whether the number of features or channels may be another than in `sample`
  nn::ModulePtr (*build)(const Shape& sample, const Options& options);
};

/// All networks: the examples, CIFAR's, those for large images.
std::span<const Entry> entries();
/// The network called `name`. Throws KeyError, which lists what there is.
const Entry& entry(const std::string& name);
/// "net, custom, ..."
std::string names();

/// Builds a network with fresh initial values. `sample` is the shape of one sample, without the
/// batch; empty: the entry's. Throws KeyError for an unknown name, ValueError where the
/// network cannot take such samples.
nn::ModulePtr make(const std::string& name, const Shape& sample = {}, const Options& options = {});

}  // namespace ballast::models

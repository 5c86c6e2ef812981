// The networks under study: how one is asked for, and the study's own plain ones.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ballast/data/prepare.h"
#include "ballast/nn/batch_norm.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/module.h"

namespace ballast::study {

/// What stands where a network has batch normalization.
enum class Norm : uint8_t {
  kNone,    ///< nothing
  kBatch,   ///< batch normalization
  kFixed,   ///< the same without learnable scale and shift
  kNoisy,   ///< batch normalization, then a random scale and shift per channel and step
  kGhost,   ///< batch normalization of virtual batches of kGhostBatch samples
  kRenorm,  ///< batch renormalization, its limits growing in a hundredth of the paper's steps
  kGroup,   ///< group normalization: four groups, or two or one, as divides the channels
  kLayer,   ///< layer normalization: one group
};
inline constexpr int64_t kGhostBatch = 8;
const char* name_of(Norm n);

/// A stack of fully connected layers: `depth` times Linear, batch norm, ReLU, then Linear.
struct PlainShape {
  int64_t depth = 3, width = 100;
  bool after_activation = false;  ///< Linear, ReLU, batch norm
};

/// What a network is asked to be.
struct Recipe {
  Norm norm = Norm::kBatch;
  double dropout = 0.0;  ///< plain networks: after every activation; others: before the last Linear
  std::optional<PlainShape> plain = {};  ///< a plain network in the place of the task's

  /// "batch dropout=0.5 plain=20x64".
  std::string str() const;
};

/// Builds a network with fresh initial values. With the same seed all recipes have the same initial
/// weights of their products.
using Factory = std::function<nn::ModulePtr(const Recipe&)>;

/// Linear(in, width), batch norm, ReLU; see PlainShape.
struct PlainLayer : nn::Module {
  PlainLayer(int64_t in, int64_t width, bool after_activation, double dropout);
  Tensor forward(const Tensor& x) override;

  nn::Linear fc;
  nn::BatchNorm1d bn;
  bool after_activation;
  double dropout;
};

/// The study's own network: samples of any shape, taken as vectors.
struct Plain : nn::Module {
  Plain(int64_t features, int64_t classes, const PlainShape& shape, double dropout = 0.0);
  Tensor forward(const Tensor& x) override;
  /// What each of the layers hands on.
  std::vector<Tensor> hidden(const Tensor& x);

  std::vector<PlainLayer> layers;
  nn::Linear fc;
};

/// Puts what `recipe` says in the place of every batch norm of a network.
void replace_norms(nn::Module& network, const Recipe& recipe);
/// Puts dropout before the last Linear layer of a network, if it has one.
void add_dropout(nn::Module& network, double p);

/// What is studied: a network, and samples to train and test it on.
struct Task {
  std::string model, data;  ///< names, for reports
  Factory make;             ///< of what `model` says; recipes with `plain` do not come here
  data::ArrayDataset train, test;
  int64_t classes = 10;

  /// A network as `recipe` says.
  nn::ModulePtr build(const Recipe& recipe) const;
  /// 64 bits over names and samples (Fowler, Noll & Vo's hash 1a), as hexadecimal digits.
  std::string fingerprint() const;
};

/// One more than the largest label.
int64_t classes_of(const data::SplitArrays& samples);

/// The task of a network called `model` ("plain": three layers of 100 units, as in section 4.1 of
/// Ioffe & Szegedy 2015; or a name of `models::entries`) and `data` ("digits" or a file). Throws
/// KeyError and FileError.
Task task_of(const std::string& model = "plain", const std::string& data = "digits");

}  // namespace ballast::study

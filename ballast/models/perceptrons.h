// Networks of fully connected layers.
#pragma once

#include "ballast/models/options.h"
#include "ballast/nn/linear.h"
#include "ballast/nn/sequential.h"

namespace ballast::models {

/// Linear(10, 20), batch norm, ReLU, Linear(20, classes): x (N, 10) to (N, classes).
struct Net : nn::Module {
  explicit Net(Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Linear fc1;
  nn::BatchNorm1d bn1;
  nn::Linear fc2;
};

/// Linear(64, 128), batch norm, ReLU, Linear(128, classes), batch norm: x (N, 64) to (N, classes).
struct CustomModel : nn::Module {
  explicit CustomModel(Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Linear fc1;
  nn::BatchNorm1d bn1;
  nn::Linear fc2;
  nn::BatchNorm1d bn2;
};

/// Four times Linear to 512, batch norm, ReLU ("0" to "11" of `layers`), then Linear to the classes
/// ("fc"): x (N, in_features) to (N, classes).
struct Mlp : nn::Module {
  explicit Mlp(int64_t in_features, Options options = {});
  Tensor forward(const Tensor& x) override;

  nn::Sequential layers;
  nn::Linear fc;
};

}  // namespace ballast::models

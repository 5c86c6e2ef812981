// The three networks of scripts/golden/nn.py.
#pragma once

#include "ballast/nn/nn.h"
#include "ballast/ops/reduce.h"

namespace ballast::test {

struct Net : nn::Module {
  nn::Linear fc1 = add("fc1", nn::Linear(10, 20));
  nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(20));
  nn::Linear fc2 = add("fc2", nn::Linear(20, 10));
  Tensor forward(const Tensor& x) override { return fc2(relu(bn1(fc1(x)))); }
};

struct CustomModel : nn::Module {
  nn::Linear fc1 = add("fc1", nn::Linear(64, 128));
  nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(128));
  nn::Linear fc2 = add("fc2", nn::Linear(128, 10));
  nn::BatchNorm1d bn2 = add("bn2", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override { return bn2(fc2(relu(bn1(fc1(x))))); }
};

struct MyModel : nn::Module {
  nn::Conv2d conv1 = add("conv1", nn::Conv2d(3, 64, 3));
  nn::BatchNorm2d bn1 = add("bn1", nn::BatchNorm2d(64));
  nn::Linear fc1 = add("fc1", nn::Linear(64, 10));
  nn::BatchNorm1d bn2 = add("bn2", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override { return bn2(fc1(mean(relu(bn1(conv1(x))), {2, 3}))); }
};

}  // namespace ballast::test

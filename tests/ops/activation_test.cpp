#include "ballast/ops/activation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/grad/grad.h"
#include "ballast/ops/reduce.h"
#include "tests/support/files.h"
#include "tests/support/golden.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::expect_golden;
using testing::error_of;

TEST(Activation, MatchesPyTorchAlsoAtKinks) {
  expect_golden("relu6", relu6);
  expect_golden("hardtanh", [](In in) { return hardtanh(in[0]); });
  expect_golden("leaky_relu", [](In in) { return leaky_relu(in[0]); });
  expect_golden("elu", [](In in) { return elu(in[0], 0.5); });
  // PyTorch's derivative is 1/6 rounded to float, also in double.
  expect_golden(
      "hardsigmoid", [](In in) { return hardsigmoid(in[0]); }, 0x1p-24);
  expect_golden("hardswish", hardswish);
  expect_golden("softplus", [](In in) { return softplus(in[0]); });
  expect_golden("softplus_2_5", [](In in) { return softplus(in[0], 2, 5); });
  expect_golden("silu", silu);
  expect_golden("gelu", [](In in) { return gelu(in[0]); });
  expect_golden("gelu_tanh", [](In in) { return gelu(in[0], GeluApproximation::kTanh); });
}

TEST(Activation, PowersMatchPyTorch) {
  expect_golden("pow_3", [](In in) { return pow(in[0], 3); });
  expect_golden("pow_0", [](In in) { return pow(in[0], 0); });
  expect_golden("pow_2.5", [](In in) { return pow(in[0], 2.5); });
  expect_golden("pow_-1", [](In in) { return pow(in[0], -1); });
  expect_golden("pow_ints", [](In in) { return pow(in[0], 3); });
}

TEST(Activation, ClampMatchesPyTorch) {
  expect_golden("clamp", [](In in) { return clamp(in[0], -1, 2); });
  expect_golden("clamp_min", [](In in) { return clamp(in[0], 3); });
  expect_golden("clamp_odd", [](In in) { return clamp(in[0], 2, -1); });
  expect_golden("clamp_ints", [](In in) { return clamp(in[0], 0, 4); });
}

TEST(Activation, GradientsMatchFiniteDifferences) {
  const std::vector<std::function<Tensor(In)>> functions = {
      [](In in) { return hardtanh(in[0], -0.5, 0.5); },
      [](In in) { return leaky_relu(in[0]); },
      [](In in) { return elu(in[0]); },
      [](In in) { return hardsigmoid(in[0] * 6.0); },
      [](In in) { return hardswish(in[0] * 6.0); },
      [](In in) { return softplus(in[0], 2); },
      [](In in) { return silu(in[0]); },
      [](In in) { return gelu(in[0]); },
      [](In in) { return gelu(in[0], GeluApproximation::kTanh); },
      [](In in) { return pow(in[0] + 2.0, 1.7); },
      [](In in) { return clamp(in[0], -0.3, 0.6); },
  };
  for (size_t i = 0; i < functions.size(); ++i)
    for (const Shape& shape : {Shape{1}, Shape{5, 3}, Shape{2, 3, 1, 7}, Shape{0, 3}, Shape{}})
      EXPECT_LT(test::gradient_error(functions[i], {test::uniform(shape, i + 1)}),
                test::kGradientTolerance)
          << "function " << i << ", shape " << shape.str();
}

TEST(Activation, SecondDerivativesMatchFiniteDifferences) {
  const std::vector<std::function<Tensor(const Tensor&)>> functions = {
      [](const Tensor& x) { return elu(x); },
      [](const Tensor& x) { return softplus(x, 2); },
      [](const Tensor& x) { return gelu(x); },
      [](const Tensor& x) { return hardswish(x); },
      [](const Tensor& x) { return pow(x + 2.0, 1.7); },
  };
  for (size_t i = 0; i < functions.size(); ++i) {
    auto slope = [&](In in) {
      Tensor x = in[0] * 1.0;
      const Tensor y = sum(functions[i](x));
      if (!y.requires_grad()) {
        // Central differences evaluate without recording: the slope needs its own leaf.
        set_grad_enabled(true);
        Tensor leaf = in[0].detach().set_requires_grad();
        const Tensor g = grad(sum(functions[i](leaf)), {leaf}, {}, false, false, false)[0];
        set_grad_enabled(false);
        return g;
      }
      return grad(y, {x}, {}, true, true, false)[0];
    };
    EXPECT_LT(test::gradient_error(slope, {test::uniform({7}, i + 1)}), test::kGradientTolerance)
        << "function " << i;
  }
}

TEST(Activation, SaysWhatItExpects) {
  const Tensor ints = Tensor::from({int64_t{1}});
  EXPECT_EQ(error_of<Error>([&] { gelu(ints); }),
            "gelu: expected a floating-point tensor, got int64");
  EXPECT_EQ(error_of<ValueError>([&] { hardtanh(ints, 2, 1); }),
            "min_val cannot be greater than max_val, got 2 and 1");
  EXPECT_EQ(error_of<Error>([&] { clamp(ints, {}, {}); }),
            "torch.clamp: At least one of 'min' or 'max' must not be None");
  EXPECT_EQ(error_of<Error>([&] { pow(ints, -1); }),
            "Integers to negative integer powers are not allowed.");
}

}  // namespace
}  // namespace ballast

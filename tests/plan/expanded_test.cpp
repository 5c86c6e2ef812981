// Expanded tensors are worked on without their repetitions.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "ballast/base/buffer.h"
#include "ballast/grad/grad.h"
#include "ballast/ops/compare.h"
#include "ballast/ops/create.h"
#include "ballast/ops/extremes.h"
#include "ballast/ops/math.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/statistics.h"
#include "tests/support/options.h"

namespace ballast {
namespace {

struct Reduction {
  const char* name;
  std::function<Tensor(const Tensor&)> of;
};

const Reduction kReductions[] = {
    {"Sum", [](const Tensor& x) { return sum(x); }},
    {"SumOfRows", [](const Tensor& x) { return sum(x, {0}); }},
    {"SumOfColumns", [](const Tensor& x) { return sum(x, {-1}, true); }},
    {"Mean", [](const Tensor& x) { return mean(x); }},
    {"Largest", [](const Tensor& x) { return max(x); }},
    {"SmallestOfRows", [](const Tensor& x) { return amin(x, {0}); }},
    {"Variance", [](const Tensor& x) { return var(x); }},
    {"Norm", [](const Tensor& x) { return norm(x); }},
    {"Product", [](const Tensor& x) { return prod(x); }},
    {"ProductOfRows", [](const Tensor& x) { return prod(x, 0); }},
    {"Any", [](const Tensor& x) { return any(gt(x, 1)); }},
    {"All", [](const Tensor& x) { return all(gt(x, 1), {1}); }},
    {"Count", [](const Tensor& x) { return count_nonzero(gt(x, 1)); }},
    {"Pointwise", [](const Tensor& x) { return sum(relu(x * 2.0 - 1.0) / x); }},
    {"Function", [](const Tensor& x) { return mean(sin(x), {1}); }},
    {"Where", [](const Tensor& x) { return sum(where(gt(x, 1), x, 0)); }},
    {"Slice", [](const Tensor& x) { return sum(slice(x, 0, 1, 4)); }},
    {"Reshaped", [](const Tensor& x) { return sum(reshape(x, Shape{x.numel()})); }},
    {"ExpandedAgain",
     [](const Tensor& x) {
       return sum(expand(x * 2.0, Shape{2, 4, 6}), {0, 2});
     }},
    {"BesideAWholeTensor",
     [](const Tensor& x) {
       return sum(x * arange(24.0).reshape({4, 6}));
     }},
    {"Itself", [](const Tensor& x) { return x * 2.0; }},
};
const Shape kSmall[] = {Shape{}, Shape{1}, Shape{6}, Shape{1, 1}, Shape{4, 1}, Shape{1, 6}};

class Expanded : public ::testing::TestWithParam<Reduction> {};

struct Found {
  std::vector<double> value, gradient;
};

Found found(const Reduction& r, const Shape& shape, DType dtype, bool lift) {
  const test::WithOptions scope(lift ? plan::Options()
                                     : test::without(&plan::Options::normal_form));
  manual_seed(5);
  Tensor small = (rand(shape, dtype) + 0.5).detach();
  small.eval();
  small.set_requires_grad();
  const Tensor y = r.of(expand(small, Shape{4, 6}));
  Found f{cast(y, DType::kFloat64).values<double>(), {}};
  if (y.requires_grad()) {
    sum(square(y)).backward();
    f.gradient = small.grad().to(DType::kFloat64).values<double>();
  }
  return f;
}

TEST_P(Expanded, IsReducedToWhatItsElementsGive) {
  for (DType dtype : {DType::kFloat32, DType::kFloat64})
    for (const Shape& shape : kSmall) {
      const double tolerance = dtype == DType::kFloat32 ? 2e-5 : 1e-12;
      const Found lifted = found(GetParam(), shape, dtype, true),
                  whole = found(GetParam(), shape, dtype, false);
      ASSERT_EQ(lifted.value.size(), whole.value.size());
      for (size_t i = 0; i < whole.value.size(); ++i)
        EXPECT_NEAR(lifted.value[i], whole.value[i], tolerance * (1 + std::abs(whole.value[i])))
            << shape.numel() << " elements, " << name_of(dtype);
      ASSERT_EQ(lifted.gradient.size(), whole.gradient.size());
      for (size_t i = 0; i < whole.gradient.size(); ++i)
        EXPECT_NEAR(lifted.gradient[i], whole.gradient[i],
                    tolerance * (1 + std::abs(whole.gradient[i])))
            << shape.numel() << " elements, " << name_of(dtype);
    }
}

INSTANTIATE_TEST_SUITE_P(Reductions, Expanded, ::testing::ValuesIn(kReductions),
                         [](const auto& at) { return std::string(at.param.name); });

TEST(ExpandedMemory, HoldsNoElementsForAReductionOrItsGradient) {
  Tensor small = full({1, 1}, 1.01);
  small.eval();
  small.set_requires_grad();
  const Tensor x = expand(small, Shape{1 << 14, 1 << 14});  // the user holds it
  reset_peak_memory();
  const size_t before = memory_use().live;
  EXPECT_NEAR(sum(x).item() / (1 << 28), 1.01, 1e-6);
  EXPECT_NEAR(mean(x).item(), 1.01, 1e-6);
  EXPECT_NEAR(max(x).item(), 1.01, 1e-6);
  EXPECT_NEAR(norm(x).item() / (1 << 14), 1.01, 1e-5);
  EXPECT_NEAR(var(x).item(), 0, 1e-6);
  EXPECT_NEAR(sum(x, {0}).values<float>()[3] / (1 << 14), 1.01, 1e-6);
  mean(square(x)).backward();
  EXPECT_NEAR(small.grad().item(), 2.02, 1e-5);
  EXPECT_LT(memory_use().peak - before, size_t{4} << 20);
}

TEST(ExpandedMemory, WholeNumbersAreCountedAsTheyWouldBeAdded) {
  const Tensor x = expand(full({1, 1}, 3, DType::kInt64), Shape{1 << 15, 1 << 15});
  EXPECT_EQ(sum(x).item<int64_t>(), int64_t{3} << 30);
}

}  // namespace
}  // namespace ballast

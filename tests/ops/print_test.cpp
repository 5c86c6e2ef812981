#include "ballast/ops/print.h"

#include <gtest/gtest.h>

#include "ballast/ops/create.h"
#include "tests/support/golden.h"

namespace ballast {
namespace {

TEST(Print, LooksAsInPyTorch) {
  for (const auto& [tensor, text] : test::printed()) EXPECT_EQ(to_string(tensor), text);
}

TEST(Print, LargeTensorsAreSummarized) {
  EXPECT_EQ(to_string(arange(3000.0).reshape({3, 10, 100})), test::summarized());
}

TEST(Print, ShowsWhatRequiresGradients) {
  EXPECT_EQ(to_string(ones({2}).set_requires_grad()), "tensor([1., 1.], requires_grad=True)");
}

}  // namespace
}  // namespace ballast

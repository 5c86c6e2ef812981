#include "ballast/ops/view.h"

#include <gtest/gtest.h>

#include "ballast/nn/linear.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"

namespace ballast {
namespace {

using In = const std::vector<Tensor>&;
using test::uniform;
using testing::error_of;

Tensor counted(const Shape& shape) { return reshape(arange(Scalar(0.0), shape.numel()), shape); }

TEST(View, ShowsWhatItsBaseBecomes) {
  Tensor x = counted({2, 3});
  const Tensor row = select(x, 0, 1), column = select(x.t(), 0, 0), flat = x.view({6});
  x.copy_(zeros({2, 3}));
  EXPECT_EQ(row.values<float>(), (std::vector<float>{0, 0, 0}));
  x.mutable_data<float>()[3] = 7;
  EXPECT_EQ(row.values<float>(), (std::vector<float>{7, 0, 0}));
  EXPECT_EQ(column.values<float>(), (std::vector<float>{0, 7}));
  EXPECT_EQ(flat.values<float>(), (std::vector<float>{0, 0, 0, 7, 0, 0}));
}

TEST(View, WritesToItsBaseAndToOtherViews) {
  Tensor x = counted({3, 4});
  const Tensor corner = slice(slice(x, 0, 1, 3), 1, 0, 4, 2), turned = x.t();
  write(corner, full({}, -1));
  EXPECT_EQ(x.values<float>(), (std::vector<float>{0, 1, 2, 3, -1, 5, -1, 7, -1, 9, -1, 11}));
  EXPECT_EQ(select(turned, 0, 2).values<float>(), (std::vector<float>{2, -1, -1}));
}

TEST(View, OutlivesItsBase) {
  std::vector<Tensor> rows;
  {
    const Tensor x = counted({2, 2});
    rows = {select(x, 0, 0), select(x, 0, 1), x.view({4})};
  }
  write(rows[2], full({}, 5));
  EXPECT_EQ(rows[0].values<float>(), (std::vector<float>{5, 5}));
  rows.pop_back();
  rows.erase(rows.begin());
  EXPECT_EQ(rows[0].values<float>(), (std::vector<float>{5, 5}));
}

TEST(View, OfAParameterSeesItsTraining) {
  Tensor p = counted({4}).detach();
  p.set_requires_grad();
  const Tensor seen = p.detach();
  p.mutable_data<float>()[0] = 9;
  EXPECT_EQ(seen.values<float>()[0], 9);
  Tensor(seen).copy_(ones({4}));
  EXPECT_EQ(p.values<float>(), (std::vector<float>{1, 1, 1, 1}));
  EXPECT_TRUE(p.requires_grad() && p.is_leaf() && !seen.requires_grad());
}

TEST(View, GradientsFlowThroughWhatWasWritten) {
  auto f = [](In in) {
    const Tensor y = in[0] * 2.0;
    write(slice(y, 1, 0, 3, 2), square(in[1]));
    write(y.t(), y.t() * y.t());
    return y;
  };
  EXPECT_LT(test::gradient_error(f, {uniform({2, 3}, 1), uniform({2, 2}, 2)}),
            test::kGradientTolerance);
}

TEST(View, OverlappingElementsShareAGradient) {
  auto f = [](In in) { return square(as_strided(in[0], {3, 3}, {1, 2}, 1)); };
  EXPECT_LT(test::gradient_error(f, {uniform({9}, 1)}), test::kGradientTolerance);
}

TEST(View, StridesAreThoseOfTheBase) {
  const Tensor x = counted({2, 3, 4});
  const Tensor turned = x.permute({2, 0, 1});
  EXPECT_EQ(strides(turned), (std::vector<int64_t>{1, 12, 4}));
  EXPECT_FALSE(is_contiguous(turned));
  EXPECT_EQ(strides(turned.reshape({4, 6})), (std::vector<int64_t>{1, 4}));
  EXPECT_TRUE(is_contiguous(turned.reshape({24})));  // a copy
  write(turned.reshape({24}), zeros({24}));
  EXPECT_EQ(x.values<float>()[5], 5);
  EXPECT_EQ(strides(unsqueeze(turned, 1).reshape({4, 1, 6, 1})).front(), 1);
}

TEST(View, CannotBeWrittenWhereElementsShareMemory) {
  const Tensor x = expand(counted({1, 2}), {3, 2});
  const Tensor base = counted({1, 2});
  const Tensor wide = expand(base, {3, 2});
  EXPECT_NE(error_of<Error>([&] {
              write(wide, zeros({3, 2}));
            }).find("single memory location"),
            std::string::npos);
}

TEST(View, LeavesThatRequireGradientsAreNotWrittenTo) {
  Tensor p = counted({2, 2}).detach();
  p.set_requires_grad();
  EXPECT_NE(error_of<Error>([&] {
              write(p, zeros({2, 2}));
            }).find("a leaf Variable that requires"),
            std::string::npos);
  EXPECT_NE(error_of<Error>([&] { write(select(p, 0, 0), zeros({2})); }).find("a view of a leaf"),
            std::string::npos);
  NoGrad off;
  write(select(p, 0, 0), full({}, 8));
  EXPECT_EQ(p.values<float>(), (std::vector<float>{8, 8, 2, 3}));
}

}  // namespace
}  // namespace ballast

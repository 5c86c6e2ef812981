// What the README tells users to write, with only the umbrella header.
#include <gtest/gtest.h>

#include "ballast/ballast.h"
#include "tests/support/files.h"

namespace {

using namespace ballast;  // NOLINT(google-build-using-namespace): as in a user's program

struct Net : nn::Module {
  nn::Linear fc1 = add("fc1", nn::Linear(64, 20));
  nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(20));
  nn::Linear fc2 = add("fc2", nn::Linear(20, 10));
  Tensor forward(const Tensor& x) override { return fc2(relu(bn1(fc1(x.flatten(1))))); }
};

TEST(Guide, ANetworkIsTrainedSavedAndReloaded) {
  manual_seed(0);
  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  const data::TensorDataset digits = data::digits(data::Split::kTrain);
  net.train();
  for (int epoch = 0; epoch < 5; ++epoch)
    for (auto [x, y] : data::Loader(digits, {.batch_size = 64, .shuffle = true})) {
      Tensor loss = cross_entropy(net(x), y);
      opt.zero_grad();
      loss.backward();
      opt.step();
    }
  net.eval();
  const ballast::testing::Folder folder;
  save(net.state_dict(), folder / "net.safetensors");

  Net again;
  again.load_state_dict(load(folder / "net.safetensors"));
  again.eval();
  const data::TensorDataset test = data::digits(data::Split::kTest);
  const double accuracy = train::accuracy(net(test.x()), test.y());
  EXPECT_GT(accuracy, 0.93);
  EXPECT_EQ(train::accuracy(again(test.x()), test.y()), accuracy);
}

}  // namespace

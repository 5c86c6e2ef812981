// CustomModel, 64-128-10 with batch norm after both layers, on the handwritten digits.
#include <cstdio>

#include "ballast/ballast.h"
#include "ballast/data/prepare.h"

using namespace ballast;

struct CustomModel : nn::Module {
  nn::Linear fc1 = add("fc1", nn::Linear(64, 128));
  nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(128));
  nn::Linear fc2 = add("fc2", nn::Linear(128, 10));
  nn::BatchNorm1d bn2 = add("bn2", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override { return bn2(fc2(relu(bn1(fc1(x))))); }
};

int main() {
  manual_seed(0);
  const data::SplitArrays digits = data::prepared("digits", "custom");
  data::Loader loader(data::TensorDataset(digits.train), {.batch_size = 64, .shuffle = true});
  data::Loader test(data::TensorDataset(digits.test), {.batch_size = 360});

  CustomModel model;
  optim::SGD opt(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  for (int epoch = 1; epoch <= 20; ++epoch) {
    model.train();
    for (auto [x, y] : loader) {
      Tensor loss = cross_entropy(model(x), y);
      opt.zero_grad();
      loss.backward();
      opt.step();
    }
    const train::Evaluation e = train::evaluate(model, test);
    std::printf("epoch %2d: test loss %.4f, %.1f %% of the test digits right\n", epoch, e.loss,
                100 * e.accuracy);
  }
  save(model.state_dict(), "custom_model.safetensors");
}

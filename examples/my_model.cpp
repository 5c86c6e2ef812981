// MyModel, a convolution with batch norm and a linear layer with batch norm, on the handwritten
// digits repeated to three channels. The guide leaves its forward open; without the mean over all
// pixels the shapes of convolution and linear layer would not fit.
#include <cstdio>

#include "ballast/ballast.h"
#include "ballast/data/prepare.h"

using namespace ballast;

struct MyModel : nn::Module {
  nn::Conv2d conv1 = add("conv1", nn::Conv2d(3, 64, 3));
  nn::BatchNorm2d bn1 = add("bn1", nn::BatchNorm2d(64));
  nn::AdaptiveAvgPool2d pool = add("pool", nn::AdaptiveAvgPool2d(1));
  nn::Linear fc = add("fc", nn::Linear(64, 10));
  nn::BatchNorm1d bn2 = add("bn2", nn::BatchNorm1d(10));
  Tensor forward(const Tensor& x) override { return bn2(fc(pool(relu(bn1(conv1(x)))).flatten(1))); }
};

int main() {
  manual_seed(0);
  const data::SplitArrays digits = data::prepared("digits", "my");
  data::Loader loader(data::TensorDataset(digits.train), {.batch_size = 64, .shuffle = true});
  data::Loader test(data::TensorDataset(digits.test), {.batch_size = 360});

  MyModel model;
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
  save(model.state_dict(), "my_model.safetensors");
}

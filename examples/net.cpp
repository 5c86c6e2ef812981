// Net, 10-20-10, on the handwritten digits reduced to their first ten principal components.
#include <cstdio>

#include "ballast/ballast.h"
#include "ballast/data/prepare.h"

using namespace ballast;

struct Net : nn::Module {
  nn::Linear fc1 = add("fc1", nn::Linear(10, 20));
  nn::BatchNorm1d bn1 = add("bn1", nn::BatchNorm1d(20));
  nn::Linear fc2 = add("fc2", nn::Linear(20, 10));
  Tensor forward(const Tensor& x) override { return fc2(relu(bn1(fc1(x)))); }
};

int main() {
  manual_seed(0);
  const data::SplitArrays digits = data::prepared("digits", "net");
  data::Loader loader(data::TensorDataset(digits.train), {.batch_size = 64, .shuffle = true});
  data::Loader test(data::TensorDataset(digits.test), {.batch_size = 360});

  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  for (int epoch = 1; epoch <= 20; ++epoch) {
    net.train();
    for (auto [x, y] : loader) {
      Tensor loss = cross_entropy(net(x), y);
      opt.zero_grad();
      loss.backward();
      opt.step();
    }
    const train::Evaluation e = train::evaluate(net, test);
    std::printf("epoch %2d: test loss %.4f, %.1f %% of the test digits right\n", epoch, e.loss,
                100 * e.accuracy);
  }
  save(net.state_dict(), "net.safetensors");
}

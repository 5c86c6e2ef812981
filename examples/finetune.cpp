// Fine-tunes a torchvision-style ResNet-18 checkpoint on the handwritten digits: as finetune.py,
// from C++.
//
//     finetune resnet18.pth    a file of torchvision's; any class count
//     finetune                 without one: from first weights
//
// It writes the network to finetuned.pt, which the program of serve.cpp takes.
#include <cstdio>

#include "ballast/ballast.h"
#include "ballast/models/resnet.h"

using namespace ballast;

/// Loads everything but the last layer, whose classes are others.
void load_backbone(nn::Module& net, const std::string& path) {
  StateDict state = load(path);
  std::erase_if(state, [](const auto& entry) { return entry.first.starts_with("fc."); });
  const nn::IncompatibleKeys keys = net.load_state_dict(state, false);
  std::printf("%zu tensors loaded, %zu unknown; from first weights:", state.size(),
              keys.unexpected.size());
  for (const std::string& name : keys.missing) std::printf(" %s", name.c_str());
  std::printf("\n");
}

/// The digits as colour images of 32x32, with the mean and deviation the net expects.
data::TensorDataset images(data::Split split) {
  const data::TensorDataset grey(data::digits_arrays(split));
  const Tensor x = grey.x().reshape({-1, 1, 8, 1, 8, 1});
  const Tensor pixels = expand(x, Shape{grey.size(), 3, 8, 4, 8, 4}).reshape({-1, 3, 32, 32});
  return {(pixels - 0.45) / 0.225, grey.y()};
}

int main(int argc, char** argv) try {
  manual_seed(0);
  models::ResNet net(models::ResNet::Block::kBasic, {2, 2, 2, 2}, {.classes = 10});
  if (argc > 1) load_backbone(net, argv[1]);

  // Batch normalization and the last layer are trained.
  std::vector<Tensor> trained;
  for (const auto& [name, module] : net.named_modules())
    if (module->as<nn::BatchNorm2d>() || module->as<nn::Linear>())
      for (const Tensor& p : module->parameters()) trained.push_back(p);
  optim::SGD opt(trained, {.lr = 0.02, .momentum = 0.9});
  data::Loader loader(images(data::Split::kTrain), {.batch_size = 64, .shuffle = true});
  data::Loader test(images(data::Split::kTest), {.batch_size = 64});
  for (int epoch = 1; epoch <= 2; ++epoch) {
    net.train();
    for (auto [x, y] : loader) {
      Tensor loss = cross_entropy(net(x), y);
      opt.zero_grad();
      loss.backward();
      opt.step();
    }
    std::printf("epoch %d: %.1f %% of the test digits\n", epoch,
                100 * train::evaluate(net, test).accuracy);
  }
  save(net.state_dict(), "finetuned.pt");
} catch (const Error& e) {
  std::fprintf(stderr, "finetune: %s\n", e.what());
  return 1;
}

// Serves a ResNet-18 checkpoint of torchvision's: reads images from .npy files and prints the
// classes that are likeliest.
//
//     serve resnet18.pth image.npy...
//
// An image is float32 of shape (3, H, W) or (N, 3, H, W), normalized as the network was trained.
// The checkpoint is what torch.save(model.state_dict(), ...) wrote, or a dictionary with it under
// "model"; the number of classes is the file's.
#include <algorithm>
#include <cstdio>
#include <numeric>

#include "ballast/ballast.h"
#include "ballast/io/npy.h"
#include "ballast/models/resnet.h"

using namespace ballast;

struct ResNet18 : nn::Module {
  explicit ResNet18(int64_t classes) : fc(add("fc", nn::Linear(512, classes))) {}

  Tensor forward(const Tensor& x) override {
    const Tensor stem =
        max_pool2d(relu(bn1(conv1(x))), {3, 3}, {.stride = {{2, 2}}, .padding = {1, 1}});
    const Tensor y = layer4(layer3(layer2(layer1(stem))));
    return fc(adaptive_avg_pool2d(y, {1, 1}).flatten(1));
  }

  static nn::Sequential stage(int64_t in, int64_t out, int64_t stride) {
    return nn::Sequential(models::ResidualBlock(in, out, stride, {}),
                          models::ResidualBlock(out, out, 1, {}));
  }

  nn::Conv2d conv1 = add("conv1", nn::Conv2d(3, 64, 7, {.stride = 2, .padding = 3, .bias = false}));
  nn::BatchNorm2d bn1 = add("bn1", nn::BatchNorm2d(64));
  nn::Sequential layer1 = add("layer1", stage(64, 64, 1));
  nn::Sequential layer2 = add("layer2", stage(64, 128, 2));
  nn::Sequential layer3 = add("layer3", stage(128, 256, 2));
  nn::Sequential layer4 = add("layer4", stage(256, 512, 2));
  nn::Linear fc;
};

ResNet18 load_network(const std::string& path) {
  const io::Object file = io::read_checkpoint(path);
  const io::Object* model = file.find("model");
  const StateDict state = io::state_dict_of(model ? *model : file);
  int64_t classes = 0;
  for (const auto& [name, t] : state)
    if (name == "fc.bias") classes = t.numel();
  ResNet18 net(classes);
  net.load_state_dict(state);
  net.eval();
  return net;
}

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: serve CHECKPOINT IMAGE.npy...\n");
    return 2;
  }
  ResNet18 net = load_network(argv[1]);
  NoGrad off;
  for (int i = 2; i < argc; ++i) {
    Tensor image = io::to_tensor(io::read_npy(argv[i])).to(DType::kFloat32);
    if (image.dim() == 3) image = image.unsqueeze(0);
    const Tensor probabilities = net(image).softmax(1);
    const int64_t classes = probabilities.size(1), top = std::min<int64_t>(classes, 3);
    const std::span<const float> p = probabilities.data<float>();
    for (int64_t n = 0; n < image.size(0); ++n) {
      std::vector<int64_t> order(static_cast<size_t>(classes));
      std::iota(order.begin(), order.end(), 0);
      const auto of = [&](int64_t c) { return p[n * classes + c]; };
      std::ranges::partial_sort(order, order.begin() + top, std::greater<>(), of);
      std::printf("%s:", argv[i]);
      for (int64_t k = 0; k < top; ++k)
        std::printf("  class %d %.1f %%", static_cast<int>(order[k]), 100 * of(order[k]));
      std::printf("\n");
    }
  }
} catch (const Error& e) {
  std::fprintf(stderr, "serve: %s\n", e.what());
  return 1;
}

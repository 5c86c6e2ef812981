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

models::ResNet load_network(const std::string& path) {
  const io::Object file = io::read_checkpoint(path);
  const io::Object* model = file.find("model");
  const StateDict state = io::state_dict_of(model ? *model : file);
  int64_t classes = 0;
  for (const auto& [name, t] : state)
    if (name == "fc.bias") classes = t.numel();
  models::ResNet net(models::ResNet::Block::kBasic, {2, 2, 2, 2}, {.classes = classes});
  net.load_state_dict(state);
  net.eval();
  return net;
}

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: serve CHECKPOINT IMAGE.npy...\n");
    return 2;
  }
  models::ResNet net = load_network(argv[1]);
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

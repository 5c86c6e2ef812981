#include "ballast/models/factory.h"

#include <algorithm>
#include <memory>
#include <string>

#include "ballast/models/convolutional.h"
#include "ballast/models/densenet.h"
#include "ballast/models/mobilenet.h"
#include "ballast/models/perceptrons.h"
#include "ballast/models/resnet.h"
#include "ballast/models/vgg.h"

namespace ballast::models {
namespace {

using Block = ResNet::Block;

/// A network that takes its options alone.
template <class M>
nn::ModulePtr plain(const Shape&, const Options& o) {
  return std::make_shared<M>(o);
}
/// A network made for a number of features or channels.
template <class M>
nn::ModulePtr sized(const Shape& sample, const Options& o) {
  return std::make_shared<M>(sample[0], o);
}
template <int64_t n>
nn::ModulePtr cifar(const Shape& sample, const Options& o) {
  return std::make_shared<CifarResNet>(n, sample[0], o);
}
template <Block block, std::array<int64_t, 4> blocks>
nn::ModulePtr residual(const Shape&, const Options& o) {
  return std::make_shared<ResNet>(block, blocks, o);
}
template <VggDepths depths, bool norms>
nn::ModulePtr vgg(const Shape&, const Options& o) {
  return std::make_shared<Vgg>(depths, norms, o);
}
template <bool small_images>
nn::ModulePtr densenet(const Shape&, const Options& o) {
  return std::make_shared<DenseNet>(DenseNetOptions{.small_images = small_images}, o);
}

constexpr std::array<int64_t, 4> k18{2, 2, 2, 2}, k34{3, 4, 6, 3}, k101{3, 4, 23, 3};

/// The shape of a sample, with a letter for each size that the network leaves open.
std::string required(const Entry& e) {
  const std::string first = e.any_size ? "" : std::to_string(e.sample[0]);
  if (e.sample.rank() == 1) return fmt::format("[{}]", first.empty() ? "F" : first);
  return fmt::format("[{}, H, W]", first.empty() ? "C" : first);
}

}  // namespace

std::span<const Entry> entries() {
  static const Shape kDigit{1, 8, 8}, kColourDigit{3, 8, 8}, kLarge{3, 224, 224};
  static const Entry kEntries[] = {
      {"net", "Linear 10-20-10, batch norm between", Input::kComponents, {10}, false, plain<Net>},
      {"custom",
       "Linear 64-128-10, batch norm after both",
       Input::kVector,
       {64},
       false,
       plain<CustomModel>},
      {"my", "Conv 3-64, mean of pixels, Linear 64-10, batch norm after both", Input::kColour,
       kColourDigit, false, plain<MyModel>},
      {"cnn", "three Conv to 64 channels with batch norm, Linear 64-10", Input::kImage, kDigit,
       true, sized<Cnn>},
      {"mlp",
       "four Linear of width 512 with batch norm, Linear 512-10",
       Input::kVector,
       {64},
       true,
       sized<Mlp>},
      {"resnet20", "CIFAR's residual network of 20 layers", Input::kImage, kDigit, true, cifar<3>},
      {"resnet32", "CIFAR's residual network of 32 layers", Input::kImage, kDigit, true, cifar<5>},
      {"resnet44", "CIFAR's residual network of 44 layers", Input::kImage, kDigit, true, cifar<7>},
      {"resnet56", "CIFAR's residual network of 56 layers", Input::kImage, kDigit, true, cifar<9>},
      {"resnet110", "CIFAR's residual network of 110 layers", Input::kImage, kDigit, true,
       cifar<18>},
      {"densenet121_cifar",
       "DenseNet-121 for small images",
       Input::kColour,
       {3, 32, 32},
       false,
       densenet<true>},
      {"resnet18", "residual network of 18 layers", Input::kColour, kLarge, false,
       residual<Block::kBasic, k18>},
      {"resnet34", "residual network of 34 layers", Input::kColour, kLarge, false,
       residual<Block::kBasic, k34>},
      {"resnet50", "residual network of 50 layers", Input::kColour, kLarge, false,
       residual<Block::kBottleneck, k34>},
      {"resnet101", "residual network of 101 layers", Input::kColour, kLarge, false,
       residual<Block::kBottleneck, k101>},
      {"mobilenet_v2", "MobileNetV2: inverted residuals", Input::kColour, kLarge, false,
       plain<MobileNetV2>},
      {"densenet121", "DenseNet-121: densely connected", Input::kColour, kLarge, false,
       densenet<false>},
      {"vgg11", "VGG of 11 layers, without batch norm", Input::kColour, kLarge, false,
       vgg<kVgg11, false>},
      {"vgg11_bn", "VGG of 11 layers", Input::kColour, kLarge, false, vgg<kVgg11, true>},
      {"vgg13", "VGG of 13 layers, without batch norm", Input::kColour, kLarge, false,
       vgg<kVgg13, false>},
      {"vgg13_bn", "VGG of 13 layers", Input::kColour, kLarge, false, vgg<kVgg13, true>},
      {"vgg16", "VGG of 16 layers, without batch norm", Input::kColour, kLarge, false,
       vgg<kVgg16, false>},
      {"vgg16_bn", "VGG of 16 layers", Input::kColour, kLarge, false, vgg<kVgg16, true>},
      {"vgg19", "VGG of 19 layers, without batch norm", Input::kColour, kLarge, false,
       vgg<kVgg19, false>},
      {"vgg19_bn", "VGG of 19 layers", Input::kColour, kLarge, false, vgg<kVgg19, true>},
  };
  return kEntries;
}

const Entry& entry(const std::string& name) {
  const auto all = entries();
  const auto it =
      std::find_if(all.begin(), all.end(), [&](const Entry& e) { return e.name == name; });
  check<KeyError>(it != all.end(), "there is no model \"{}\"; there are {}", name, names());
  return *it;
}

std::string names() {
  std::string out;
  for (const Entry& e : entries()) out += (out.empty() ? "" : ", ") + std::string(e.name);
  return out;
}

nn::ModulePtr make(const std::string& name, const Shape& sample, const Options& options) {
  const Entry& e = entry(name);
  const Shape& x = sample.rank() == 0 ? e.sample : sample;
  // Images are told by their channels: height and width are checked by the layers they reach.
  check<ValueError>(x.rank() == e.sample.rank() && (e.any_size || x[0] == e.sample[0]),
                    "model {} takes samples of shape {}, got {}", name, required(e), x);
  check<ValueError>(options.classes >= 1, "a model needs at least one class, got {}",
                    options.classes);
  return e.build(x, options);
}

}  // namespace ballast::models

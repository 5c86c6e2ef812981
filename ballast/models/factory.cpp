#include "ballast/models/factory.h"

#include <algorithm>
#include <memory>

#include "ballast/models/convolutional.h"
#include "ballast/models/perceptrons.h"
#include "ballast/models/resnet.h"

namespace ballast::models {

std::span<const Entry> entries() {
  static const Entry kEntries[] = {
      {"net", "Linear 10-20-10, batch norm between", Input::kComponents, {10}, false},
      {"custom", "Linear 64-128-10, batch norm after both", Input::kVector, {64}, false},
      {"my",
       "Conv 3-64, mean of pixels, Linear 64-10, batch norm after both",
       Input::kColour,
       {3, 8, 8},
       false},
      {"cnn",
       "three Conv to 64 channels with batch norm, Linear 64-10",
       Input::kImage,
       {1, 8, 8},
       true},
      {"mlp",
       "four Linear of width 512 with batch norm, Linear 512-10",
       Input::kVector,
       {64},
       true},
      {"resnet20", "residual network of 20 layers with batch norm", Input::kImage, {1, 8, 8}, true},
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
  const Shape& x = sample.rank() == 0 ? e.digits : sample;
  // Images are told by their channels: their height and width may be anything.
  check<ValueError>(x.rank() == e.digits.rank() && (e.any_size || x[0] == e.digits[0]),
                    "model {} takes samples of shape {}, got {}", name, e.digits, x);
  check<ValueError>(options.classes >= 1, "a model needs at least one class, got {}",
                    options.classes);
  if (name == "net") return std::make_shared<Net>(options);
  if (name == "custom") return std::make_shared<CustomModel>(options);
  if (name == "my") return std::make_shared<MyModel>(options);
  if (name == "cnn") return std::make_shared<Cnn>(x[0], options);
  if (name == "mlp") return std::make_shared<Mlp>(x[0], options);
  return std::make_shared<ResNet20>(x[0], options);
}

}  // namespace ballast::models

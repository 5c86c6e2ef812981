#include "ballast/models/initial.h"

#include "ballast/nn/conv.h"
#include "ballast/nn/linear.h"

namespace ballast::models {
namespace {

void draw(const nn::Conv2d& conv, nn::init::FanMode mode) {
  nn::init::kaiming_normal_(conv.weight,
                            {.mode = mode, .nonlinearity = nn::init::Nonlinearity::kRelu});
}

void clear(const Tensor& bias) {
  if (bias.defined()) nn::init::zeros_(bias);
}

}  // namespace

void draw_convolutions(nn::Module& m, nn::init::FanMode mode) {
  for (const auto& [name, layer] : m.named_modules())
    if (const auto* conv = layer->as<nn::Conv2d>()) draw(*conv, mode);
}

void draw_convolutions_and_linear(nn::Module& m) {
  for (const auto& [name, layer] : m.named_modules()) {
    if (const auto* conv = layer->as<nn::Conv2d>()) {
      draw(*conv, nn::init::FanMode::kFanOut);
      clear(conv->bias);
    } else if (const auto* linear = layer->as<nn::Linear>()) {
      nn::init::normal_(linear->weight, 0.0, 0.01);
      clear(linear->bias);
    }
  }
}

}  // namespace ballast::models

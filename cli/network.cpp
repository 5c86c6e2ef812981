#include "cli/network.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cli/commands.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

Shape parse_shape(const std::string& text) {
  Shape out;
  size_t at = 0;
  while (at <= text.size()) {
    const size_t end = std::min(text.find('x', at), text.size());
    const std::string part = text.substr(at, end - at);
    if (part.empty() || part.size() > 9 || part.find_first_not_of("0123456789") != part.npos ||
        std::stoll(part) == 0)
      throw UsageError(fmt::format("--input: expected sizes such as 1x8x8, got {}", text));
    out.push_back(std::stoll(part));
    at = end + 1;
  }
  return out;
}

}  // namespace

void NetworkOptions::add_to(CLI::App& command) {
  command.add_option("--model", model, "Network: " + models::names())->type_name("NAME");
  command
      .add_option("--input", input,
                  "Shape of one sample, such as 1x8x8 (default: what the network is for)")
      ->type_name("SHAPE");
  command.add_option("--batch", batch, fmt::format("Samples in the batch (default {})", batch))
      ->type_name("N")
      ->check(at_least_one);
  command.add_option("--classes", classes, "Classes told apart (default 10)")
      ->type_name("N")
      ->check(at_least_one);
  command.add_option("--norm", norm, "batch or none: with or without batch norm (default batch)")
      ->type_name("KIND")
      ->check(CLI::IsMember({"batch", "none"}));
}

Shape NetworkOptions::sample(const char* command) const {
  if (model.empty())
    throw UsageError(fmt::format("{} needs --model, one of {}", command, models::names()));
  return input.empty() ? models::entry(model).sample : parse_shape(input);
}

Shape NetworkOptions::shape(const Shape& sample) const {
  Shape all{batch};
  for (int64_t d : sample) all.push_back(d);
  return all;
}

nn::ModulePtr NetworkOptions::make(const Shape& sample) const {
  return models::make(model, sample, {.batch_norm = norm == "batch", .classes = classes});
}

}  // namespace ballast::cli

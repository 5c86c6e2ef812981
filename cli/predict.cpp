// ballast predict: what a trained network says of single samples.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "ballast/base/error.h"
#include "ballast/data/digits.h"
#include "cli/commands.h"
#include "cli/run.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

struct Options {
  std::string run, data;
  std::vector<int64_t> index;
  bool json = false;
};

struct Prediction {
  int64_t index, label, predicted;
  std::vector<double> probabilities;
};

std::vector<double> softmax(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (float x : logits) p.push_back(std::exp(static_cast<double>(x) - largest));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& v : p) v /= sum;
  return p;
}

/// Logits (N, classes), row-major.
std::vector<float> logits_of(nn::Module& model, const data::ArrayDataset& d) {
  model.eval();
  NoGrad off;
  std::vector<float> out;
  data::Loader loader = evaluation_loader(d);
  for (const auto& [x, y] : loader) {
    const std::vector<float> part = model(x).values<float>();
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}

/// The classes that a reader wants to see: the three most likely, most likely first.
std::vector<std::string> bars(const Prediction& p) {
  std::vector<int64_t> order(p.probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return p.probabilities[a] > p.probabilities[b]; });
  order.resize(std::min<size_t>(order.size(), 3));
  std::vector<std::string> out;
  for (int64_t c : order) {
    std::string bar;
    for (int i = 0; i < std::lround(20 * p.probabilities[c]); ++i) bar += "█";
    out.push_back(fmt::format("{:>3} {:6.2f} % {}", c, 100 * p.probabilities[c], bar));
  }
  return out;
}

void print_digit(const Prediction& p, std::span<const float> pixels) {
  const std::vector<std::string> image = drawn(pixels, 8, 8), likely = bars(p);
  for (size_t i = 0; i < image.size(); ++i) {
    std::string right;
    if (i == 1)
      right = fmt::format("digit {}: {} ({})", p.index, p.predicted,
                          p.predicted == p.label ? "right" : fmt::format("it is a {}", p.label));
    if (i >= 3 && i - 3 < likely.size()) right = likely[i - 3];
    fmt::print("  {}  {}\n", image[i], right);
  }
  fmt::print("\n");
}

void print_row(const Prediction& p) {
  fmt::print("{}: {} (label {})  ", p.index, p.predicted, p.label);
  for (double q : p.probabilities) fmt::print(" {:.4f}", q);
  fmt::print("\n");
}

int predict(const Options& o) {
  if (o.run.empty()) throw UsageError("predict needs a run's folder");
  check<FileError>(std::filesystem::is_directory(o.run),
                   "{}: expected the folder of a run, there is none", o.run);
  const Settings s = read_settings(o.run);
  const std::string data = o.data.empty() ? s.data : source_name(o.data);
  const bool digits = data == "digits";
  data::ArrayDataset raw = digits ? data::digits_arrays(data::Split::kTest) : load_all(data);
  std::vector<int64_t> index = o.index;
  if (index.empty()) {  // a few digits to look at; all rows of a file
    index.resize(digits ? 4 : raw.size());
    std::iota(index.begin(), index.end(), 0);
  }
  for (int64_t i : index)
    if (i < 0 || i >= raw.size())
      throw UsageError(fmt::format("--index {}: {} has samples 0 to {}", i, data, raw.size() - 1));
  raw = data::select(raw, index);
  const data::ArrayDataset d = prepare_for(s, preparation_of(o.run, s), raw, data);
  const nn::ModulePtr model = make_model(s);
  load_run_weights(*model, o.run, s);
  const std::vector<float> logits = logits_of(*model, d);

  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (size_t i = 0; i < index.size(); ++i) {
    Prediction p{index[i], raw.labels.as<int64_t>()[i], 0, {}};
    p.probabilities = softmax(std::span(logits).subspan(i * s.classes, s.classes));
    p.predicted =
        std::max_element(p.probabilities.begin(), p.probabilities.end()) - p.probabilities.begin();
    if (o.json)
      all.push_back({{"index", p.index},
                     {"predicted", p.predicted},
                     {"label", p.label},
                     {"probabilities", p.probabilities}});
    else if (digits)
      print_digit(p, raw.inputs.as<float>().subspan(i * 64, 64));
    else
      print_row(p);
  }
  if (o.json) fmt::print("{}\n", all.dump());
  return kOk;
}

}  // namespace

Action add_predict(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  command.add_option("run", o->run, "Folder of a run")->type_name("RUN");
  command
      .add_option("--data", o->data,
                  "digits (the test digits), or a .csv, .npy or .npz file with labels (default: "
                  "the run's)")
      ->type_name("DATA");
  command
      .add_option("--index", o->index,
                  "Samples, from 0 (default: the first four digits, all rows of a file)")
      ->type_name("I...")
      ->check(whole<int64_t, INT64_MIN>);
  command.add_flag("--json", o->json, "Print JSON");
  return [o] { return predict(*o); };
}

}  // namespace ballast::cli

// ballast summary: a network's layers, one line each.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "cli/commands.h"
#include "cli/network.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

struct Row {
  std::string name, type;
  Shape output;
  int64_t parameters = 0, flops = 0;
};

/// Two for every multiply-add: of products, and of the scale and shift of batch normalization.
/// Activations, sums and pooling are not counted.
int64_t flops_of(nn::Module& m, const Tensor& y) {
  if (const auto* linear = dynamic_cast<nn::Linear*>(&m))
    return 2 * y.numel() * linear->weight.size(1);
  if (const auto* conv = dynamic_cast<nn::Conv2d*>(&m))
    return 2 * y.numel() * (conv->weight.numel() / conv->weight.size(0));
  if (dynamic_cast<nn::BatchNorm*>(&m)) return 2 * y.numel();
  return 0;
}

/// Takes a layer's place and notes what passes.
class Probe : public nn::Module {
 public:
  Probe(const std::string& name, nn::Module* layer, std::vector<Row>* rows)
      : name_(name), layer_(layer), parameters_(layer->num_parameters()), rows_(rows) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = layer_->forward(x);
    rows_->push_back({name_, layer_->type_name(), y.shape(), parameters_, flops_of(*layer_, y)});
    return y;
  }

 private:
  std::string name_;
  nn::Module* layer_;
  int64_t parameters_;  // asked of the layer while it still stands for itself
  std::vector<Row>* rows_;
};

/// The layers in the order they are called. Nothing is computed: shapes are known when an operation
/// is recorded.
std::vector<Row> trace(nn::Module& model, const Shape& input) {
  std::vector<Row> rows;
  const nn::NamedModules all = model.named_modules();
  for (const auto& [name, layer] : all)
    if (layer->named_children().empty()) layer->replace(Probe(name, layer.get(), &rows));
  model.eval();  // the probes too: a layer asks whatever stands in its place for its mode
  NoGrad off;
  model(zeros(input));
  return rows;
}

void print_table(const std::string& model, const Shape& input, const std::vector<Row>& rows,
                 int64_t parameters, int64_t flops) {
  fmt::print("{}: input {}\n\n", model, input);
  fmt::print("{:<26} {:<14} {:<20} {:>12} {:>16}\n", "layer", "type", "output", "parameters",
             "FLOPs");
  for (const Row& r : rows)
    fmt::print("{:<26} {:<14} {:<20} {:>12} {:>16}\n", r.name, r.type, r.output.str(),
               grouped(r.parameters), grouped(r.flops));
  fmt::print("{:<26} {:<14} {:<20} {:>12} {:>16}\n", "total", "", "", grouped(parameters),
             grouped(flops));
  fmt::print("\nFLOPs: two per multiply-add, of one forward pass over the batch.\n");
}

struct Options {
  NetworkOptions network;
  bool json = false;
};

int summarize(const Options& o) {
  const std::string& name = o.network.model;
  const Shape sample = o.network.sample("summary"), input = o.network.shape(sample);
  const auto model = o.network.make(sample);
  const int64_t parameters = model->num_parameters();
  const std::vector<Row> rows = trace(*model, input);
  int64_t flops = 0;
  for (const Row& r : rows) flops += r.flops;
  if (!o.json) {
    print_table(name, input, rows, parameters, flops);
    return kOk;
  }
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  auto dims = [](const Shape& s) { return std::vector<int64_t>(s.begin(), s.end()); };
  for (const Row& r : rows)
    layers.push_back({{"name", r.name},
                      {"type", r.type},
                      {"output", dims(r.output)},
                      {"parameters", r.parameters},
                      {"flops", r.flops}});
  const nlohmann::ordered_json out = {{"model", name},
                                      {"input", dims(input)},
                                      {"layers", layers},
                                      {"parameters", parameters},
                                      {"flops", flops}};
  fmt::print("{}\n", out.dump(2));
  return kOk;
}

}  // namespace

Action add_summary(CLI::App& command) {
  const auto o = std::make_shared<Options>();
  o->network.add_to(command);
  command.add_flag("--json", o->json, "Print JSON");
  return [o] { return summarize(*o); };
}

}  // namespace ballast::cli

#include "tests/support/module_db.h"

#include "ballast/io/npy.h"
#include "ballast/io/state.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/shape_ops.h"
#include "ballast/ops/view.h"
#include "tests/support/files.h"

namespace ballast::test {

using nlohmann::json;

namespace {

const io::NamedArrays& arrays() {
  static const io::NamedArrays file = io::read_npz(testing::golden("module_db.npz"));
  return file;
}

const json& list_of(const json& value) { return value.is_object() ? value.at("tuple") : value; }

}  // namespace

Tensor stored_tensor(const json& reference) {
  if (reference.is_null()) return {};
  const json& place = reference.at("tensor");
  const std::vector<int64_t> dims = place.at(2);
  const Shape shape{std::span<const int64_t>(dims)};
  const io::Array* all = io::find(arrays(), place.at(0));
  check(all, "no array {}", place.at(0).get<std::string>());
  Tensor t =
      ballast::clone(reshape(narrow(io::to_tensor(*all), 0, place.at(1), shape.numel()), shape));
  t.eval();
  t = t.detach();
  if (reference.value("grad", false)) t.set_requires_grad();
  return t;
}

Arguments::Arguments(const json& call) : call_(call) {}

const json* Arguments::find(size_t position, const std::string& name) {
  const json &positional = list_of(call_.at(0)), &named = call_.at(1);
  used_.insert(name);
  used_.insert(std::to_string(position));
  const json* found = position < positional.size() ? &positional[position]
                      : named.contains(name)       ? &named.at(name)
                                                   : nullptr;
  return found && found->is_null() ? nullptr : found;
}

bool Arguments::none(size_t position, const std::string& name) {
  const json &positional = list_of(call_.at(0)), &named = call_.at(1);
  return position < positional.size() ? positional[position].is_null()
                                      : named.contains(name) && named.at(name).is_null();
}

double Arguments::number(size_t position, const std::string& name,
                         std::optional<double> otherwise) {
  const json* v = find(position, name);
  return v ? v->get<double>() : otherwise.value();
}

int64_t Arguments::integer(size_t position, const std::string& name,
                           std::optional<int64_t> otherwise) {
  const json* v = find(position, name);
  return v ? v->get<int64_t>() : otherwise.value();
}

bool Arguments::flag(size_t position, const std::string& name, std::optional<bool> otherwise) {
  const json* v = find(position, name);
  return v ? v->get<bool>() : otherwise.value();
}

std::string Arguments::text(size_t position, const std::string& name,
                            const std::string& otherwise) {
  const json* v = find(position, name);
  return v ? v->get<std::string>() : otherwise;
}

std::vector<int64_t> Arguments::integers(size_t position, const std::string& name) {
  const json* v = find(position, name);
  if (!v) return {};
  if (v->is_number()) return {v->get<int64_t>()};
  std::vector<int64_t> out;
  for (const json& n : list_of(*v)) out.push_back(n.is_null() ? -1 : n.get<int64_t>());
  return out;
}

Tensor Arguments::tensor(size_t position, const std::string& name) {
  const json* v = find(position, name);
  return v ? stored_tensor(*v) : Tensor();
}

Reduction Arguments::reduction() {
  const std::string name = text(1000, "reduction", "mean");
  const std::map<std::string, Reduction> kinds = {{"mean", Reduction::kMean},
                                                  {"sum", Reduction::kSum},
                                                  {"none", Reduction::kNone},
                                                  {"batchmean", Reduction::kBatchMean}};
  return kinds.at(name);
}

std::vector<std::string> Arguments::unused() const {
  std::vector<std::string> out;
  for (size_t i = 0; i < list_of(call_.at(0)).size(); ++i)
    if (!used_.contains(std::to_string(i))) out.push_back(std::to_string(i));
  for (const auto& [name, value] : call_.at(1).items())
    if (!used_.contains(name)) out.push_back(name);
  return out;
}

const std::map<std::string, std::vector<json>>& module_samples() {
  static const std::map<std::string, std::vector<json>> samples = [] {
    const io::Array* text = io::find(arrays(), "samples");
    check(text, "module_db.npz has no samples");
    const std::span<uint8_t> bytes = text->as<uint8_t>();
    std::map<std::string, std::vector<json>> out;
    json all = json::parse(bytes.begin(), bytes.end());
    for (json& sample : all.at("samples")) out[sample.at("name")].push_back(std::move(sample));
    return out;
  }();
  return samples;
}

}  // namespace ballast::test

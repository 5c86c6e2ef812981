#include "cli/run.h"

#include <algorithm>
#include <filesystem>

#include "ballast/base/checksum.h"
#include "ballast/base/text.h"
#include "ballast/data/digits.h"
#include "ballast/data/file.h"
#include "ballast/io/safetensors.h"
#include "ballast/io/state.h"
#include "cli/commands.h"

namespace ballast::cli {
namespace {

io::Array array_of(const std::vector<double>& values, const Shape& shape) {
  return io::Array::of<double>(shape, values);
}

}  // namespace

std::string model_path(const std::string& run) { return run + "/model.safetensors"; }
std::string checkpoint_path(const std::string& run) { return run + "/checkpoint.safetensors"; }
std::string metrics_path(const std::string& run) { return run + "/metrics.jsonl"; }
std::string components_path(const std::string& run) { return run + "/components.safetensors"; }

std::string source_name(const std::string& data) {
  if (!is_utf8(data)) throw UsageError("--data: expected a path in UTF-8, got " + data);
  return data == "digits" ? data : std::filesystem::absolute(data).lexically_normal().string();
}

data::ArrayDataset load_all(const std::string& source) {
  return source == "digits" ? data::digits_arrays() : data::load_arrays(source);
}

nn::ModulePtr make_model(const Settings& s) {
  return models::make(s.model, s.sample, {.batch_norm = s.norm == "batch", .classes = s.classes});
}

namespace {

/// Writes a file of a run: with a checksum, and with `mark`, which says whose it is.
void write_marked(const std::string& path, const io::NamedArrays& arrays, const std::string& mark) {
  io::write_safetensors(path, arrays,
                        {{"format", "pt"}, {"run", mark}, {"checksum", io::checksum_of(arrays)}});
}

/// Throws FileError where the file is damaged or has another mark.
io::NamedArrays read_marked(const std::string& path, const std::string& mark) {
  io::SafeTensors file = io::read_safetensors(path);
  check<FileError>(file.metadata["checksum"] == io::checksum_of(file.tensors),
                   "{}: damaged: its checksum does not fit its content", path);
  check<FileError>(file.metadata["run"] == mark,
                   "{}: it belongs to a run with other settings than those in settings.json", path);
  return std::move(file.tensors);
}

/// Weights depend on the number of epochs, whatever the schedule.
std::string mark_of_weights(const Settings& s) {
  return fmt::format("{} {}", identity_of(s), s.epochs);
}

void load_into(nn::Module& model, const StateDict& state, const std::string& path) {
  try {
    model.load_state_dict(state);
  } catch (const Error& e) {
    fail<FileError>("{}: {}", path, e.what());
  }
}

}  // namespace

void save_run_weights(nn::Module& model, const std::string& run, const Settings& s) {
  io::NamedArrays arrays;
  for (const auto& [name, t] : model.state_dict()) arrays.emplace_back(name, io::to_array(t));
  write_marked(model_path(run), arrays, mark_of_weights(s));
}

void load_run_weights(nn::Module& model, const std::string& run, const Settings& s) {
  StateDict state;
  for (const auto& [name, a] : read_marked(model_path(run), mark_of_weights(s)))
    state.emplace_back(name, io::to_tensor(a));
  load_into(model, state, model_path(run));
}

void load_weights(nn::Module& model, const std::string& path) {
  load_into(model, load(path), path);
}

void write_components(const std::string& path, const data::Pca& pca, const Settings& s) {
  write_marked(path,
               {{"mean", array_of(pca.mean, {pca.features()})},
                {"components", array_of(pca.components, {pca.count(), pca.features()})},
                {"variance", array_of(pca.variance, {pca.count()})}},
               identity_of(s));
}

data::Pca read_components(const std::string& path, const Settings& s) {
  const io::NamedArrays arrays = read_marked(path, identity_of(s));
  auto get = [&](const char* name, int rank) {
    const io::Array* a = io::find(arrays, name);
    check<FileError>(a && a->dtype == DType::kFloat64 && a->shape.rank() == rank,
                     "{}: expected \"{}\", float64 of rank {}", path, name, rank);
    const auto values = a->as<double>();
    return std::vector<double>(values.begin(), values.end());
  };
  data::Pca pca{get("mean", 1), get("components", 2), get("variance", 1)};
  check<FileError>(pca.components.size() == pca.mean.size() * pca.variance.size(),
                   "{}: the sizes of \"mean\", \"components\" and \"variance\" disagree", path);
  return pca;
}

void check_labels(const data::ArrayDataset& d, int64_t classes, const std::string& source) {
  const auto labels = d.labels.as<int64_t>();
  const int64_t largest = labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end());
  check<FileError>(largest < classes,
                   "{}: label {} is out of range: expected 0 to {} (a model for {} classes)",
                   source, largest, classes - 1, classes);
}

data::ArrayDataset prepare_for(const Settings& s, const data::Preparation& prepare,
                               const data::ArrayDataset& d, const std::string& source) {
  data::ArrayDataset out;
  try {
    out = prepare(d);
  } catch (const ValueError& e) {
    fail<FileError>("{}: model {}: {}", source, s.model, e.what());
  }
  const models::Entry& e = models::entry(s.model);
  const Shape got = data::sample_shape(out.inputs);
  // Convolutions take images of any height and width, but as many channels as they were made for.
  const Shape& expected = s.sample.rank() == 0 ? e.sample : s.sample;
  const bool free = s.sample.rank() == 0 && e.any_size;
  check<FileError>(got.rank() == expected.rank() && (free || got[0] == expected[0]),
                   "{}: model {} expects samples of shape {}, got {}", source, s.model, expected,
                   got);
  return out;
}

data::Preparation preparation_of(const std::string& run, const Settings& s) {
  const models::Input kind = models::entry(s.model).input;
  if (kind != models::Input::kComponents) return {kind, {}};
  return {kind, read_components(components_path(run), s)};
}

data::Loader evaluation_loader(const data::ArrayDataset& d) {
  // Bounds the memory that activations take; a few hundred samples keep all cores busy.
  return data::Loader(data::TensorDataset(d), {.batch_size = 256});
}

std::string hash_of(const data::SplitArrays& d) {
  Checksum sum;
  for (const auto* part : {&d.train, &d.test})
    for (const io::Array* a : {&part->inputs, &part->labels})
      sum.add({a->data->data(), a->bytes()});
  return sum.hex();
}

}  // namespace ballast::cli

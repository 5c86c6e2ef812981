// A run: what `ballast train` was asked for, and the folder it leaves.
//
//   model.safetensors       the trained weights
//   checkpoint.safetensors  all that is needed to continue: weights, optimizer, generator, position
//   settings.json           what was asked for; decides everything when the run is continued
//   metrics.jsonl           a line per epoch
//   components.safetensors  the principal components, for a network that takes them
#pragma once

#include <string>

#include "ballast/data/loader.h"
#include "ballast/data/prepare.h"
#include "ballast/nn/module.h"
#include "cli/settings.h"

namespace ballast::cli {

std::string model_path(const std::string& run);
std::string checkpoint_path(const std::string& run);
std::string metrics_path(const std::string& run);
std::string components_path(const std::string& run);

/// "digits", or the absolute path of a file: a run may be continued from another folder.
std::string source_name(const std::string& data);
/// All samples of the digits or of a file.
data::ArrayDataset load_all(const std::string& source);

/// The network of a run, with fresh initial values.
nn::ModulePtr make_model(const Settings& s);
/// Writes the weights that the run `s` ends with, with a checksum and a mark of the run.
void save_run_weights(nn::Module& model, const std::string& run, const Settings& s);
/// Copies them into the run's model. Throws FileError with the file where it is damaged, is of a
/// run with other settings, or does not fit.
void load_run_weights(nn::Module& model, const std::string& run, const Settings& s);
/// Copies weights from a safetensors file into a model. Throws FileError with the file and what
/// does not fit.
void load_weights(nn::Module& model, const std::string& path);

/// Principal components to and from a file of the run `s`.
void write_components(const std::string& path, const data::Pca& pca, const Settings& s);
data::Pca read_components(const std::string& path, const Settings& s);

/// Throws FileError naming the first sample whose label the model has no class for.
void check_labels(const data::ArrayDataset& d, int64_t classes, const std::string& source);
/// Samples prepared, or a FileError that names the source and what the model takes.
data::ArrayDataset prepare_for(const Settings& s, const data::Preparation& prepare,
                               const data::ArrayDataset& d, const std::string& source);
/// The preparation that a run was trained with.
data::Preparation preparation_of(const std::string& run, const Settings& s);
/// Batches to evaluate on: the same for training's reports and `ballast eval`, so that their
/// numbers agree to the last bit.
data::Loader evaluation_loader(const data::ArrayDataset& d);
/// 64 bits over all values (Fowler, Noll & Vo's hash 1a), as hexadecimal digits.
std::string hash_of(const data::SplitArrays& d);

}  // namespace ballast::cli

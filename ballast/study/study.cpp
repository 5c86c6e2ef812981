#include "ballast/study/study.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "ballast/base/file.h"

namespace ballast::study {
namespace {

const char* name_of(Effort e) {
  constexpr const char* kNames[] = {"tiny", "quick", "full"};
  return kNames[static_cast<size_t>(e)];
}

std::vector<const Claim*> chosen(const std::vector<std::string>& names) {
  std::vector<const Claim*> out;
  for (const std::string& name : names) claim(name);
  for (const Claim& c : claims())
    if (names.empty() || std::find(names.begin(), names.end(), c.name) != names.end())
      out.push_back(&c);
  return out;
}

void make_folder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  check<FileError>(std::filesystem::is_directory(folder), "{}: the folder cannot be made: {}",
                   folder, error ? error.message() : "there is a file of that name");
}

}  // namespace

Report run(const Task& task, const Options& options) {
  const std::vector<const Claim*> wanted = chosen(options.claims);
  std::optional<FolderLock> lock;
  if (!options.folder.empty()) {
    make_folder(options.folder);
    lock.emplace(options.folder);
    for (const char* part : {"", "/figures"}) remove_leftovers(options.folder + part);
  }
  Runs runs(options.folder.empty() ? "" : options.folder + "/runs.jsonl");
  Lab lab(task, options.effort, runs, options.stop, options.progress);
  Report report{.model = task.model,
                .data = task.data,
                .effort = name_of(options.effort),
                .seeds = lab.seeds(),
                .command = options.command,
                .results = {},
                .pictures = {},
                .no_pictures = ""};
  for (const Claim* c : wanted) {
    const auto start = std::chrono::steady_clock::now();
    Result result{c, c->measure(lab)};
    lab.end();
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report.results.push_back(std::move(result));
    draw_pictures(report);
    if (!options.folder.empty()) write(report, options.folder);
    if (options.on_result) options.on_result(report.results.back());
  }
  return report;
}

Report run(const std::function<nn::ModulePtr()>& build, const data::SplitArrays& samples,
           const Options& options) {
  Task task{.model = "a network of your own",
            .data = "samples of your own",
            .make =
                [&](const Recipe& recipe) {
                  nn::ModulePtr network = build();
                  if (recipe.dropout > 0.0) add_dropout(*network, recipe.dropout);
                  replace_norms(*network, recipe);
                  return network;
                },
            .train = samples.train,
            .test = samples.test};
  task.classes = classes_of(samples);
  return run(task, options);
}

}  // namespace ballast::study

// `ballast`: trains, evaluates and inspects batch-normalized networks from the command line.

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>

#include "ballast/base/error.h"
#include "ballast/base/text.h"
#include "ballast/base/version.h"
#include "cli/commands.h"
#include "cli/text.h"

namespace ballast::cli {
namespace {

constexpr const char* kExamples = R"(Examples:
  ballast train --model cnn --data digits --epochs 10 --out runs/cnn
  ballast train --resume runs/cnn
  ballast eval runs/cnn
  ballast predict runs/cnn --data digits --index 0 7
  ballast inspect runs/cnn
  ballast summary --model resnet20 --input 3x32x32
  ballast explain --model resnet20 --input 3x32x32
  ballast study --quick

Exit codes: 0 done, 1 something failed (a file, the data), 2 wrong use, 130 and 143 stopped by a signal.)";

struct Command {
  const char *name, *summary, *examples;
  Action (*add)(CLI::App&);
};

constexpr Command kCommands[] = {
    {"train", "Train a network, or continue a run that was stopped",
     R"(Examples:
  ballast train --model net --data digits --out runs/net
  ballast train --model mlp --data table.csv --classes 3 --optimizer adam --lr 0.001 --out runs/mlp
  ballast train --resume runs/net)",
     add_train},
    {"eval", "Loss and accuracy of trained weights", R"(Examples:
  ballast eval runs/net
  ballast eval runs/net --data more.csv
  ballast eval weights.safetensors --model net --data digits --json)",
     add_eval},
    {"predict", "Class and probabilities of single samples", R"(Examples:
  ballast predict runs/net --data digits --index 0 7
  ballast predict runs/net --data table.csv --json)",
     add_predict},
    {"inspect", "What is wrong with a network's batch normalization, found by experiments",
     R"(Examples:
  ballast inspect runs/cnn
  ballast inspect runs/cnn --data photos.npz --json
  ballast inspect weights.safetensors --model resnet20 --data digits --batch-size 128)",
     add_inspect},
    {"summary", "Layers, shapes, parameters and FLOPs of a network", R"(Examples:
  ballast summary --model cnn
  ballast summary --model resnet20 --input 3x32x32 --batch 128 --json)",
     add_summary},
    {"explain", "The sweeps over memory that a step of a network is made of, measured", R"(Examples:
  ballast explain --model cnn
  ballast explain --model resnet18 --batch 16 --input 3x224x224 --classes 1000
  ballast explain --model resnet20 --batch 1 --input 3x32x32 --eval --json)",
     add_explain},
    {"study", "Measure what is said of batch normalization, with and without it", R"(Examples:
  ballast study --quick
  ballast study convergence learning-rate --model cnn
  ballast study --model nets.py:Net --data table.csv --out studies/net)",
     add_study},
};

/// All names that may begin with a dash here.
std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) out.push_back("--" + name);
    for (const std::string& name : option->get_snames()) out.push_back("-" + name);
  }
  return out;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& candidates) {
  const std::string best = closest(word, candidates);
  return best.empty() ? "" : fmt::format("; did you mean {}?", best);
}

/// Errors are one line each, of text that any terminal can show.
int complain(int code, const std::string& message) {
  std::string line;  // PyTorch's messages have several
  for (char c : as_utf8(message))
    if (c != '\n' && c != '\t')
      line += c;
    else if (!line.ends_with(' '))
      line += ' ';
  while (line.ends_with(' ')) line.pop_back();
  fmt::print(stderr, "ballast: {}\n", line);
  return code;
}

/// What is wrong with the use that `e` reports.
std::string explain(const CLI::ParseError& e, const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  const CLI::App& where = chosen.empty() ? app : *chosen.front();
  const std::string help =
      fmt::format(" ('ballast {}{}--help' tells more)", chosen.empty() ? "" : where.get_name(),
                  chosen.empty() ? "" : " ");
  if (!dynamic_cast<const CLI::ExtrasError*>(&e)) return e.what() + help;
  for (const std::string& word : app.remaining(true))
    if (word.starts_with("-")) {
      const std::string flag = word.substr(0, word.find('='));
      return fmt::format("unknown option {}{}{}", flag, did_you_mean(flag, flags_of(where)), help);
    }
  return fmt::format("unexpected argument {}{}", app.remaining(true).front(), help);
}

int run(int argc, char** argv) {
  CLI::App app("Batch-normalized neural networks, trained, diagnosed and deployed on CPUs.\n",
               "ballast");
  app.set_version_flag("--version", fmt::format("ballast {}", version()), "Print the version");
  app.footer(kExamples);
  app.get_formatter()->column_width(34);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);

  std::vector<std::string> names;
  std::vector<Action> actions;
  for (const Command& c : kCommands) {
    CLI::App* sub = app.add_subcommand(c.name, c.summary);
    sub->footer(c.examples);
    actions.push_back(c.add(*sub));
    names.push_back(c.name);
  }
  if (argc < 2) {
    fmt::print(stderr, "{}", app.help());
    return kUsage;
  }
  if (argv[1][0] != '-' && std::find(names.begin(), names.end(), argv[1]) == names.end())
    return complain(kUsage, fmt::format("unknown command {}{} (commands: {})", argv[1],
                                        did_you_mean(argv[1], names), fmt::join(names, ", ")));
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help and --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return complain(kUsage, explain(e, app));
  }
  for (size_t i = 0; i < actions.size(); ++i)
    if (app.got_subcommand(names[i])) return actions[i]();
  return kUsage;
}

}  // namespace
}  // namespace ballast::cli

int main(int argc, char** argv) {
  using namespace ballast::cli;
  std::signal(SIGXFSZ, SIG_IGN);  // beyond a file-size limit writing fails, with an error to report
  int code = kFailure;
  try {
    code = run(argc, argv);
  } catch (const UsageError& e) {
    return complain(kUsage, e.what());
  } catch (const ballast::KeyError& e) {  // a model that is not there
    return complain(kUsage, e.what());
  } catch (const std::bad_alloc&) {
    return complain(kFailure, "there is not enough memory");
  } catch (const std::exception& e) {
    return complain(kFailure, e.what());
  }
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    return complain(kFailure, "the output could not be written");
  return code;
}

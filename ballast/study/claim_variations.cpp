// How batch normalization is built in: before or after the activation, with or without the
// learnable scale and shift.
#include <fmt/format.h>

#include <optional>

#include "ballast/study/arms.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

constexpr double kTarget = 0.95;
/// Half a percentage point of test accuracy matters, and 10 % of the epochs.
constexpr double kAccuracyMargin = 0.5;
constexpr double kEpochsMargin = 0.1;

std::vector<double> epochs_of(const Arm& arm) {
  std::vector<double> out;
  for (const auto& curve : lists(arm.runs, "test_accuracy"))
    out.push_back(epochs_to(curve, kTarget));
  return out;
}

struct Setting {
  std::string name;
  std::optional<PlainShape> plain;  ///< none: the network under study
  double lr;
};

/// Plain networks of several depths.
std::vector<Setting> plain_settings(const Lab& lab) {
  return lab.pick<std::vector<Setting>>(
      {{"3 layers", PlainShape{}, 0.05}},
      {{"3 layers", PlainShape{}, 0.05}, {"10 layers", PlainShape{10, 50}, 0.02}},
      {{"3 layers, rate 0.02", PlainShape{}, 0.02},
       {"3 layers, rate 0.1", PlainShape{}, 0.1},
       {"10 layers, rate 0.02", PlainShape{10, 50}, 0.02},
       {"20 layers, rate 0.01", PlainShape{20, 50}, 0.01}});
}

/// The network under study.
std::vector<Setting> own_settings(const Lab& lab) {
  const std::vector<Setting> all{{"rate 0.02", {}, 0.02}, {"rate 0.1", {}, 0.1}};
  return lab.pick<std::vector<Setting>>({all[0]}, all, all);
}

struct Variation {
  const char *name, *first, *second;  ///< of the claim and of the two ways
  Recipe (*recipe)(bool first, const std::optional<PlainShape>&);
};

/// Two ways of building the same network, compared in accuracy and speed.
Finding compare(Lab& lab, const Variation& v, const std::vector<Setting>& settings) {
  const int64_t epochs = lab.pick(2, 12, 30);
  lab.begin(v.name, static_cast<int64_t>(settings.size()) * 2 * lab.seeds());
  Finding f;
  Table table{
      fmt::format("After {} epochs; epochs to {:.0f} % of the test samples", epochs, 100 * kTarget),
      {{"network"},
       {fmt::format("test accuracy, {}", v.first), "%"},
       {fmt::format("test accuracy, {}", v.second), "%"},
       {fmt::format("epochs, {}", v.first), "epochs"},
       {fmt::format("epochs, {}", v.second), "epochs"}},
      {}};
  Figure figure{v.name,
                "Test accuracy while training, " + settings.back().name,
                {"epoch"},
                percent_axis("test accuracy"),
                {}};
  for (const Setting& s : settings) {
    std::vector<Arm> arms;
    for (const bool first : {true, false})
      arms.push_back(train_arm(lab,
                               {.recipe = v.recipe(first, s.plain), .lr = s.lr, .epochs = epochs},
                               first ? v.first : v.second));
    arms[1].colour = 2;
    table.rows.push_back({s.name, arms[0].test_accuracy(), arms[1].test_accuracy(),
                          geometric_interval(epochs_of(arms[0])),
                          geometric_interval(epochs_of(arms[1]))});
    f.comparisons.push_back(
        {"test accuracy, " + s.name, gain(arms[0], arms[1]), kAccuracyMargin, "percentage points"});
    const Estimate ratio = paired_ratio(epochs_of(arms[1]), epochs_of(arms[0]));
    f.comparisons.push_back({"epochs to the target, " + s.name,
                             {ratio.mean - 1, ratio.low - 1, ratio.high - 1, ratio.n},
                             kEpochsMargin,
                             "of the other's epochs more"});
    figure.series.clear();
    for (const Arm& arm : arms) {
      Series line = line_of(arm);
      for (const Estimate& e : estimates(arm.runs, "test_accuracy"))
        line.add(static_cast<double>(line.x.size() + 1), percent(e));
      figure.series.push_back(std::move(line));
    }
    f.sentence += fmt::format(
        "{}{}: {} % {}, {} % {}", f.sentence.empty() ? "Test accuracy, " : "; ", s.name,
        text_of(arms[0].test_accuracy()), v.first, text_of(arms[1].test_accuracy()), v.second);
  }
  f.sentence += fmt::format(". {}.", tally(f.comparisons));
  f.verdict = judge(f.comparisons);
  f.tables.push_back(std::move(table));
  f.figures.push_back(std::move(figure));
  return f;
}

}  // namespace

Finding placement(Lab& lab) {
  const auto recipe = [](bool first, const std::optional<PlainShape>& plain) {
    Recipe r{.norm = Norm::kBatch, .plain = plain};
    r.plain->after_activation = !first;
    return r;
  };
  return compare(lab, {"placement", "before", "after", recipe}, plain_settings(lab));
}

Finding scale_and_shift(Lab& lab) {
  const auto recipe = [](bool first, const std::optional<PlainShape>& plain) {
    return Recipe{.norm = first ? Norm::kBatch : Norm::kFixed, .plain = plain};
  };
  return compare(lab, {"scale-and-shift", "learnt", "fixed", recipe},
                 lab.task().model == "plain" ? plain_settings(lab) : own_settings(lab));
}

}  // namespace ballast::study

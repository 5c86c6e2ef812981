// Normalizations against each other at small batch sizes.
#include <fmt/format.h>

#include "ballast/study/arms.h"
#include "ballast/study/batch_costs.h"
#include "ballast/study/claims.h"

namespace ballast::study {
namespace {

/// One percentage point of test accuracy matters.
constexpr double kMargin = 1.0;
constexpr int64_t kSmall = 8;

struct Variant {
  Norm norm;
  const char* name;
};
constexpr Variant kVariants[] = {{Norm::kBatch, "batch"}, {Norm::kNone, "none"},
                                 {Norm::kGhost, "ghost"}, {Norm::kRenorm, "renorm"},
                                 {Norm::kGroup, "group"}, {Norm::kLayer, "layer"}};

}  // namespace

Finding variants(Lab& lab) {
  const auto batches = lab.pick<std::vector<int64_t>>({4}, {2, 8, 64}, {2, 4, 8, 16, 64, 256});
  const int64_t epochs = lab.pick(1, 6, 15);
  lab.begin("variants", static_cast<int64_t>(batches.size() * std::size(kVariants)) * lab.seeds());
  Finding f;
  Table t{fmt::format("Test accuracy after {} epochs; ghost: virtual batches of {} samples", epochs,
                      kGhostBatch),
          {{"batch"}},
          {}};
  Figure figure{"variants",
                "Test accuracy by batch size, learning rate in proportion",
                {"batch size [samples]", true},
                {"test accuracy [%]"},
                {}};
  for (const Variant& v : kVariants) {
    t.columns.push_back({v.name, "%"});
    figure.series.push_back(
        {.name = v.name, .colour = static_cast<int>(figure.series.size()), .x = {}, .y = {}});
  }
  std::string best;
  for (const int64_t batch : batches) {
    std::vector<Arm> arms;
    std::vector<Cell> row{std::to_string(batch)};
    for (size_t i = 0; i < std::size(kVariants); ++i) {
      arms.push_back(train_arm(lab,
                               {.recipe = {.norm = kVariants[i].norm},
                                .lr = rate_of(batch),
                                .batch = batch,
                                .epochs = epochs},
                               kVariants[i].name));
      row.emplace_back(arms[i].test_accuracy());
      figure.series[i].add(static_cast<double>(batch), arms[i].test_accuracy());
      // A virtual batch that holds the whole one is batch normalization itself.
      const bool same = kVariants[i].norm == Norm::kGhost && batch <= kGhostBatch;
      if (i > 1 && batch <= kSmall && !same)
        f.comparisons.push_back(
            {fmt::format("{} against batch norm at batch {}", kVariants[i].name, batch),
             gain(arms[i], arms[0]), kMargin, "percentage points"});
    }
    t.rows.push_back(std::move(row));
    size_t first = 0;
    for (size_t i = 1; i < arms.size(); ++i)
      if (arms[i].test_accuracy().mean > arms[first].test_accuracy().mean) first = i;
    best += fmt::format("{}at {} {} ({} %)", best.empty() ? "" : ", ", batch, arms[first].name,
                        text_of(arms[first].test_accuracy()));
  }
  f.verdict = judge(f.comparisons);
  f.sentence = fmt::format("Best is {}; batch normalization reaches {} % at {}. {}.", best,
                           text_of(*t.rows[0][1].value), batches[0], tally(f.comparisons));
  f.tables.push_back(std::move(t));
  f.figures.push_back(std::move(figure));
  return f;
}

}  // namespace ballast::study

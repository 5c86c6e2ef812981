#include "ballast/study/study.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ballast/base/file.h"
#include "ballast/models/perceptrons.h"
#include "ballast/study/gnuplot.h"
#include "ballast/study/training.h"
#include "tests/support/files.h"

namespace ballast::study {
namespace {

using nlohmann::json;

bool has_gnuplot() { return std::system("command -v gnuplot >/dev/null 2>&1") == 0; }

const Task& digits() {
  static const Task kTask = task_of();
  return kTask;
}

Options tiny(std::vector<std::string> claims, std::string folder = "") {
  return {.claims = std::move(claims), .effort = Effort::kTiny, .folder = std::move(folder)};
}

/// The report as JSON, without what a clock measured.
json without_timing(const Report& report) {
  json j = json::parse(json_of(report));
  for (json& c : j["claims"]) c.erase("timing");
  return j;
}

class StudyClaim : public ::testing::TestWithParam<std::string> {};

TEST_P(StudyClaim, YieldsAWholeFinding) {
  const Report report = run(digits(), tiny({GetParam()}));
  ASSERT_EQ(report.results.size(), 1);
  const Finding& f = report.results[0].finding;
  EXPECT_FALSE(f.sentence.empty());
  EXPECT_FALSE(f.comparisons.empty());
  EXPECT_FALSE(f.tables.empty());
  EXPECT_FALSE(f.figures.empty());
  EXPECT_EQ(f.verdict, judge(f.comparisons));
  for (const Table& t : f.tables) {
    EXPECT_FALSE(t.rows.empty()) << t.caption;
    for (const auto& row : t.rows) EXPECT_EQ(row.size(), t.columns.size()) << t.caption;
  }
  for (const Figure& figure : f.figures) {
    EXPECT_FALSE(figure.x.label.empty());
    EXPECT_FALSE(figure.y.label.empty());
    for (const Series& s : figure.series) {
      EXPECT_FALSE(s.x.empty()) << figure.name << " " << s.name;
      EXPECT_EQ(s.x.size(), s.y.size());
      EXPECT_TRUE(s.low.empty() || s.low.size() == s.x.size());
    }
  }
  for (const Comparison& c : f.comparisons) {
    EXPECT_EQ(c.difference.n, 2) << c.setting;  // as many as there are seeds
    EXPECT_GT(c.margin, 0.0) << c.setting;
    EXPECT_FALSE(c.unit.empty()) << c.setting;
  }
}

std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const Claim& c : claims()) names.emplace_back(c.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(All, StudyClaim, ::testing::ValuesIn(all_names()), [](const auto& i) {
  std::string name;
  for (const char c : i.param)
    if (c != '-') name += c;
  return name;
});

TEST(Study, SameSeedsSameBits) {
  const json a = without_timing(run(digits(), tiny({"convergence", "gradient-flow"})));
  manual_seed(77);  // what was drawn before does not matter
  const json b = without_timing(run(digits(), tiny({"gradient-flow", "convergence"})));
  EXPECT_EQ(a, b);
}

TEST(Study, WhatIsMeasuredDoesNotDependOnOtherClaims) {
  const json both = without_timing(run(digits(), tiny({"convergence", "learning-rate"})));
  const json one = without_timing(run(digits(), tiny({"learning-rate"})));
  EXPECT_EQ(both["claims"][1], one["claims"][0]);
}

TEST(Study, ContinuesWhereItWasStopped) {
  const ::testing::TestInfo* self = ::testing::UnitTest::GetInstance()->current_test_info();
  ASSERT_NE(self, nullptr);
  const testing::Folder whole, stopped;
  const json expected = without_timing(run(digits(), tiny({"convergence"}, whole.path())));
  const std::string lines = read_file(whole / "runs.jsonl", 1 << 20);
  // Two runs were through when it was killed, and the third half written.
  const size_t second = lines.find('\n', lines.find('\n') + 1) + 1;
  std::ofstream(stopped / "runs.jsonl") << lines.substr(0, second + 40);
  EXPECT_EQ(without_timing(run(digits(), tiny({"convergence"}, stopped.path()))), expected);
  Runs runs(stopped / "runs.jsonl");
  EXPECT_EQ(runs.size(), Runs(whole / "runs.jsonl").size());
}

TEST(Study, KnownRunsAreNotMadeAgain) {
  Runs runs;
  Lab lab(digits(), Effort::kTiny, runs);
  int calls = 0;
  const auto measure = [&] {
    ++calls;
    return Numbers{{"n", {1.0, NAN, INFINITY, 0.1}}};
  };
  lab.measure("this", 0, measure);
  lab.measure("this", 0, measure);
  EXPECT_EQ(calls, 1);
  lab.measure("this", 1, measure);
  lab.measure("that", 0, measure);
  EXPECT_EQ(calls, 3);
}

TEST(Study, RunsComeBackFromTheirFileToTheBit) {
  const testing::Folder folder;
  const Numbers numbers{{"a", {0.1, 1.0 / 3.0, 1e-300}}, {"b", {NAN, INFINITY, -INFINITY}}};
  Runs(folder / "runs").add("run \"1\"", numbers);
  const Runs runs(folder / "runs");
  const Numbers* found = runs.find("run \"1\"");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->at("a"), numbers.at("a"));
  EXPECT_TRUE(std::isnan(found->at("b")[0]));
  EXPECT_EQ(found->at("b")[1], INFINITY);
  EXPECT_EQ(found->at("b")[2], -INFINITY);
}

TEST(Study, StopsBetweenSteps) {
  const testing::Folder folder;
  const std::atomic<bool> stop{true};
  Options options = tiny({"convergence"}, folder.path());
  options.stop = &stop;
  EXPECT_THROW(run(digits(), options), Stopped);
}

TEST(Study, UnknownClaimsAreToldBeforeAnythingIsMeasured) {
  EXPECT_EQ(testing::error_of<KeyError>([] { run(digits(), tiny({"speed"})); }),
            "there is no claim \"speed\"; there are " + claim_names());
}

TEST(Study, MeasuresANetworkOfOnesOwn) {
  const data::SplitArrays samples = data::prepared("digits", "net");
  const Report report =
      run([] { return std::make_shared<models::Net>(); }, samples, tiny({"convergence"}));
  EXPECT_EQ(report.results.size(), 1);
}

TEST(StudyNetwork, RecipesShareTheirInitialWeights) {
  for (const char* model : {"plain", "cnn"}) {
    const Task task = task_of(model);
    const auto weights = [&](const Recipe& recipe) {
      manual_seed(3);
      std::vector<std::vector<float>> out;
      for (const auto& [name, t] : task.build(recipe)->named_parameters())
        if (t.dim() > 1) out.push_back(t.values<float>());
      return out;
    };
    const auto batch = weights({});
    EXPECT_EQ(batch.size(), 4) << model;
    EXPECT_EQ(weights({.norm = Norm::kNone}), batch) << model;
    EXPECT_EQ(weights({.norm = Norm::kFixed, .dropout = 0.5}), batch) << model;
  }
}

TEST(StudyNetwork, ANetworkWithoutNormsHasNone) {
  const auto norms = [](const Recipe& recipe) {
    const auto network = task_of("cnn").build(recipe);
    int count = 0;
    for (const auto& [name, m] : network->named_modules())
      count += m->as<nn::BatchNorm2d>() != nullptr;
    return count;
  };
  EXPECT_EQ(norms({}), 3);
  EXPECT_EQ(norms({.norm = Norm::kNone}), 0);
}

TEST(StudyTraining, OrthogonalWeightsAreOrthonormal) {
  const auto network = task_of().build({.plain = PlainShape{.depth = 1, .width = 20}});
  Init{.kind = Init::kOrthogonal}.apply(*network);
  const Tensor w = network->parameters()[0];  // 20 x 64
  const auto v = w.data<float>();
  for (int a = 0; a < 20; ++a)
    for (int b = 0; b < 20; ++b) {
      double dot = 0;
      for (int i = 0; i < 64; ++i) dot += v[a * 64 + i] * v[b * 64 + i];
      EXPECT_NEAR(dot, a == b ? 1.0 : 0.0, 1e-6);
    }
}

TEST(StudyTraining, EpochsToATargetAreInterpolated) {
  EXPECT_DOUBLE_EQ(epochs_to({0.5, 0.9, 1.0}, 0.7), 1.5);
  EXPECT_DOUBLE_EQ(epochs_to({0.8, 0.9}, 0.4), 0.5);
  EXPECT_DOUBLE_EQ(epochs_to({0.1, 0.2}, 0.9), 2.0);
  EXPECT_FALSE(reached({0.1, 0.2}, 0.9));
}

TEST(StudyTraining, AskingByBatchLeavesTheRunningStatistics) {
  const Task& task = digits();
  const auto network = task.build({});
  const auto before = network->buffers()[0].values<float>();
  const data::TensorDataset samples(task.test);
  answers_by_batch(*network, samples, 32);
  EXPECT_EQ(network->buffers()[0].values<float>(), before);
}

TEST(StudyTraining, ADivergedRunKeepsItsForm) {
  const Numbers n =
      Training{.recipe = {.norm = Norm::kNone}, .lr = 1e9, .epochs = 4}.run(digits(), [] {});
  EXPECT_EQ(n.at("diverged").back(), 1.0);
  EXPECT_EQ(n.at("test_accuracy").size(), 4);
  EXPECT_EQ(n.at("train_loss").size(), 4);
  EXPECT_EQ(n.at("correct").size(), 360);
}

TEST(StudyReport, SaysWhyThereAreNoPictures) {
  Report report = run(digits(), tiny({"convergence"}));
  report.pictures.clear();
  report.no_pictures = "gnuplot <cannot> be started";
  EXPECT_NE(html_of(report).find("gnuplot &lt;cannot&gt; be started"), std::string::npos);
  EXPECT_NE(markdown_of(report).find("There are no pictures: gnuplot"), std::string::npos);
}

TEST(StudyReport, MissingGnuplotIsToldNotFatal) {
  const char* path = std::getenv("PATH");
  const std::string before = path ? path : "";
  ::setenv("PATH", "/nowhere", 1);
  const Report report = run(digits(), tiny({"convergence"}));
  ::setenv("PATH", before.c_str(), 1);
  EXPECT_TRUE(report.pictures.empty());
  EXPECT_NE(report.no_pictures.find("gnuplot-nox"), std::string::npos) << report.no_pictures;
}

TEST(StudyReport, PagesHoldEverythingThemselves) {
  const testing::Folder folder;
  run(digits(), tiny({"convergence", "learning-rate"}, folder.path()));
  const std::string html = read_file(folder / "report.html", 1 << 22);
  for (const char* outside : {"src=", "<script", "@import", "href=\"http"})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  EXPECT_NE(html.find("ballast study learning-rate"), std::string::npos);
  const json j = json::parse(read_file(folder / "report.json", 1 << 22));
  EXPECT_EQ(j["claims"].size(), 2);
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not there";
  EXPECT_NE(html.find("<svg"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder / "figures/convergence.svg"));
}

TEST(StudyFigure, PointsOfCategoriesAreNeitherJoinedNorOnWhite) {
  Figure figure{"f", "f", {"x"}, {"y"}, {{.name = "s", .x = {0, 1}, .y = {1, 2}}}};
  figure.ticks = {"a", "b"};
  EXPECT_NE(gnuplot_script(figure).find("0 1 1 1\n\n1 2 2 2\n\nEOD"), std::string::npos)
      << gnuplot_script(figure);
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not there";
  EXPECT_EQ(draw(figure).find("color='white'/>"), std::string::npos);
}

TEST(StudyFigure, TextsCannotLeaveTheirQuotes) {
  Figure figure{"f",
                "a < b",
                {"\"; system(\"false\")\n`false`"},
                {"y"},
                {{.name = "s\\", .x = {1, 2}, .y = {1, NAN}}}};
  const std::string script = gnuplot_script(figure);
  EXPECT_NE(script.find(R"(set xlabel "\"; system(\"false\")false" noenhanced offset)"),
            std::string::npos)
      << script;
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not there";
  const std::string svg = draw(figure);
  EXPECT_TRUE(svg.starts_with("<svg"));
  EXPECT_NE(svg.find("<title>a &lt; b</title>"), std::string::npos);
  EXPECT_NE(svg.find("currentColor"), std::string::npos);
}

}  // namespace
}  // namespace ballast::study

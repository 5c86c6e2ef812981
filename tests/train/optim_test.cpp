#include "ballast/train/optim.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "ballast/ops/create.h"
#include "ballast/ops/loss.h"
#include "ballast/ops/pointwise.h"
#include "ballast/train/lr_scheduler.h"
#include "tests/support/files.h"
#include "tests/support/nets.h"

namespace ballast::test {
namespace {

using nlohmann::json;
using testing::error_of;

// A reference, not a value: a loop over part of a temporary would outlive it.
const json& goldens() {
  static const json values = json::parse(std::ifstream(testing::golden("optim.json")));
  return values;
}

std::unique_ptr<optim::Optimizer> make(const json& run, const std::vector<Tensor>& params) {
  const json& o = run["options"];
  if (run["kind"] == "SGD")
    return std::make_unique<optim::SGD>(
        params, optim::SGDOptions{.lr = o["lr"],
                                  .momentum = o.value("momentum", 0.0),
                                  .dampening = o.value("dampening", 0.0),
                                  .weight_decay = o.value("weight_decay", 0.0),
                                  .nesterov = o.value("nesterov", false),
                                  .maximize = o.value("maximize", false)});
  auto fill = [&](auto options) {
    options.lr = o["lr"];
    options.betas = o.value("betas", options.betas);
    options.eps = o.value("eps", options.eps);
    options.weight_decay = o.value("weight_decay", options.weight_decay);
    options.amsgrad = o.value("amsgrad", false);
    options.maximize = o.value("maximize", false);
    return options;
  };
  if (run["kind"] == "Adam")
    return std::make_unique<optim::Adam>(params, fill(optim::AdamOptions()));
  return std::make_unique<optim::AdamW>(params, fill(optim::AdamWOptions()));
}

Tensor start(DType dtype) {
  std::vector<double> p(7);
  for (int i = 0; i < 7; ++i) p[i] = std::sin(i + 1);
  Tensor t = Tensor::from(p, {7}).to(dtype);
  return t.set_requires_grad();
}

Tensor gradient(int step, DType dtype) {
  std::vector<double> g(7);
  for (int i = 0; i < 7; ++i) g[i] = std::cos(2 * i + step);
  return Tensor::from(g, {7}).to(dtype);
}

void expect_five_steps(DType dtype, double tolerance) {
  for (const json& run : goldens().at("steps")) {
    Tensor p = start(dtype);
    const auto opt = make(run, {p});
    for (int t = 1; t <= 5; ++t) {
      p.set_grad(gradient(t, dtype));
      opt->step();
      const auto got = p.to(DType::kFloat64).values<double>();
      for (int i = 0; i < 7; ++i)
        EXPECT_NEAR(got[i], run["values"][t - 1][i].get<double>(), tolerance)
            << run["kind"] << run["options"] << " step " << t;
    }
  }
}

TEST(Optimizers, FollowPyTorchInDoublePrecision) { expect_five_steps(DType::kFloat64, 1e-14); }

// Values of order one after five steps of a few roundings each, 6e-8 apiece.
TEST(Optimizers, FollowPyTorchInSinglePrecision) { expect_five_steps(DType::kFloat32, 1e-6); }

TEST(Optimizers, ContinueFromASavedStateToTheSameBits) {
  for (const json& run : goldens().at("steps")) {
    Tensor p = start(DType::kFloat32), q = start(DType::kFloat32);
    const auto first = make(run, {p}), second = make(run, {q});
    auto step = [](optim::Optimizer& o, Tensor t, int at) {
      t.set_grad(gradient(at, DType::kFloat32));
      o.step();
    };
    for (int t = 1; t <= 3; ++t) step(*first, p, t);
    first->set_lr(0.03);
    const StateDict saved = first->state_dict();
    q.copy_(p);
    second->load_state_dict(saved);
    EXPECT_EQ(second->lr(), 0.03);
    for (int t = 4; t <= 6; ++t) {
      step(*first, p, t);
      step(*second, q, t);
    }
    EXPECT_EQ(p.values<float>(), q.values<float>()) << run["kind"] << run["options"];
  }
}

TEST(Optimizers, SavedStateIsACopy) {
  Tensor p = start(DType::kFloat32);
  optim::SGD opt({p}, {.lr = 0.1, .momentum = 0.9});
  p.set_grad(gradient(1, DType::kFloat32));
  opt.step();
  const StateDict saved = opt.state_dict();
  const auto before = saved[1].second.values<float>();
  EXPECT_EQ(saved[1].first, "state.0.momentum_buffer");
  opt.step();
  EXPECT_EQ(saved[1].second.values<float>(), before);
}

TEST(Optimizers, RefuseStateThatDoesNotFit) {
  Tensor p = start(DType::kFloat32);
  optim::SGD opt({p}, {.lr = 0.1, .momentum = 0.9});
  p.set_grad(gradient(1, DType::kFloat32));
  opt.step();
  StateDict state = opt.state_dict();
  state.emplace_back("state.0.exp_avg", zeros({7}));
  EXPECT_THROW(opt.load_state_dict(state), Error);
  state.pop_back();
  state[1].second = zeros({6});
  EXPECT_THROW(opt.load_state_dict(state), Error);
  state.pop_back();
  EXPECT_THROW(opt.load_state_dict(state), Error);
}

TEST(Optimizers, GroupsHaveTheirOwnOptions) {
  Tensor p = start(DType::kFloat32), q = start(DType::kFloat32);
  optim::SGD opt(
      std::vector<optim::SGD::Group>{{{p}, {.lr = 0.0}}, {{q}, {.lr = 1.0, .weight_decay = 1.0}}});
  const auto before = p.values<float>();
  p.set_grad(zeros({7}));
  q.set_grad(zeros({7}));
  opt.step();
  EXPECT_EQ(p.values<float>(), before);
  EXPECT_EQ(q.values<float>(), std::vector<float>(7, 0));
}

TEST(Optimizers, ParametersWithoutGradientStay) {
  Tensor p = start(DType::kFloat32), q = start(DType::kFloat32);
  optim::AdamW opt({p, q});
  p.set_grad(gradient(1, DType::kFloat32));
  opt.step();
  EXPECT_EQ(q.values<float>(), start(DType::kFloat32).values<float>());
  EXPECT_NE(p.values<float>(), q.values<float>());
  opt.zero_grad();
  EXPECT_FALSE(p.grad().defined());
}

TEST(Optimizers, ParametersRecordedBeforeAStepKeepTheirValueThere) {
  Tensor p = start(DType::kFloat32);
  optim::SGD opt({p}, {.lr = 0.1});
  const Tensor before = p * 1.0;
  p.set_grad(gradient(1, DType::kFloat32));
  opt.step();
  EXPECT_EQ(before.values<float>(), start(DType::kFloat32).values<float>());
  EXPECT_TRUE(p.requires_grad() && p.is_leaf());
}

TEST(Optimizers, RefuseBadOptionsAsPyTorchDoes) {
  Tensor p = start(DType::kFloat32);
  using optim::Adam, optim::SGD;
  EXPECT_EQ(error_of<ValueError>([&] { SGD({p}, {.lr = -1}); }), "Invalid learning rate: -1");
  EXPECT_EQ(error_of<ValueError>([&] { SGD({p}, {.momentum = -1}); }),
            "Invalid momentum value: -1");
  EXPECT_EQ(error_of<ValueError>([&] { SGD({p}, {.nesterov = true}); }),
            "Nesterov momentum requires a momentum and zero dampening");
  EXPECT_EQ(error_of<ValueError>([&] {
              Adam({p}, {.betas = {1.0, 0.9}});
            }),
            "Invalid beta parameter at index 0: 1");
  EXPECT_EQ(error_of<ValueError>([&] { Adam({p}, {.eps = -1}); }), "Invalid epsilon value: -1");
  EXPECT_EQ(error_of<ValueError>([&] { SGD(std::vector<Tensor>{}); }),
            "optimizer got an empty parameter list");
  EXPECT_EQ(error_of<ValueError>([&] { SGD(std::vector<Tensor>{p * 2.0}); }),
            "can't optimize a non-leaf Tensor");
  EXPECT_EQ(error_of<ValueError>([&] {
              SGD(std::vector<Tensor>{p, p});
            }),
            "some parameters appear in more than one parameter group");
}

std::unique_ptr<optim::LRScheduler> make_schedule(const json& run, optim::Optimizer& opt) {
  const json& o = run["options"];
  if (run["kind"] == "StepLR")
    return std::make_unique<optim::StepLR>(opt, o["step_size"], o["gamma"]);
  if (run["kind"] == "MultiStepLR")
    return std::make_unique<optim::MultiStepLR>(opt, o["milestones"], o["gamma"]);
  if (run["kind"] == "LinearLR") {
    optim::LinearLROptions options;
    options.start_factor = o.value("start_factor", options.start_factor);
    options.end_factor = o.value("end_factor", options.end_factor);
    options.total_iters = o.value("total_iters", options.total_iters);
    return std::make_unique<optim::LinearLR>(opt, options);
  }
  return std::make_unique<optim::CosineAnnealingLR>(opt, o["T_max"], o.value("eta_min", 0.0));
}

TEST(Schedules, FollowPyTorchAlsoAfterReloading) {
  for (const json& run : goldens().at("schedules")) {
    Tensor p = start(DType::kFloat32);
    optim::SGD opt({p}, {.lr = 0.1});
    auto schedule = make_schedule(run, opt);
    for (int epoch = 0; epoch < 30; ++epoch) {
      EXPECT_NEAR(opt.lr(), run["values"][epoch].get<double>(), 1e-13)
          << run["kind"] << run["options"] << " epoch " << epoch;
      if (epoch == 11) {
        const double lr = opt.lr();
        const StateDict saved = schedule->state_dict();
        opt.set_lr(0.1);
        schedule = make_schedule(run, opt);
        schedule->load_state_dict(saved);
        opt.set_lr(lr);
      }
      schedule->step();
    }
  }
}

TEST(Training, LowersTheLossOfNet) {
  manual_seed(1);
  Net net;
  optim::SGD opt(net.parameters(), {.lr = 0.1, .momentum = 0.9});
  const Tensor x = randn({64, 10}), y = randint(0, 10, {64});
  double first = 0, last = 0;
  for (int i = 0; i < 60; ++i) {
    const Tensor loss = cross_entropy(net(x), y);
    opt.zero_grad();
    loss.backward();
    opt.step();
    last = loss.item();
    if (i == 0) first = last;
  }
  EXPECT_LT(last, 0.5 * first);
}

}  // namespace
}  // namespace ballast::test

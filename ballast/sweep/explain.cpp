#include "ballast/sweep/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "ballast/base/buffer.h"
#include "ballast/base/threads.h"
#include "ballast/kernels/product.h"
#include "ballast/ops/conv.h"
#include "ballast/ops/matmul.h"
#include "ballast/sweep/record.h"

namespace ballast {
namespace {

using plan::Home;
using plan::Plan;
using plan::Value;

std::string sizes(const Shape& s) {
  std::string text;
  for (int64_t d : s) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text.empty() ? "1" : text;
}

/// The shapes of input, weight and output of a convolution or one of its derivatives, or null.
struct Convolution {
  const Shape *x = nullptr, *w = nullptr, *y = nullptr;
};
Convolution convolution(const Plan& p, const Value& v) {
  auto in = [&](int i) { return &p.values[v.in[i]].shape; };
  if (v.op == &conv2d_op()) return {in(0), in(1), &v.shape};
  if (v.op == &conv2d_input_grad_op()) return {&v.shape, in(1), in(0)};
  if (v.op == &conv2d_weight_grad_op()) return {in(1), &v.shape, in(0)};
  return {};
}

std::string name_of(const Plan& p, const Value& v) {
  const Convolution c = convolution(p, v);
  if (!c.x) return v.op->name();
  const auto& a = v.attributes.as<Conv2dAttributes>();
  std::string text =
      fmt::format("{} {}x{} {}->{}", v.op->name(), (*c.w)[2], (*c.w)[3], (*c.x)[1], (*c.y)[1]);
  if (a.stride[0] > 1) text += fmt::format(" /{}", a.stride[0]);
  if (a.groups > 1) text += fmt::format(" in {} groups", a.groups);
  return text;
}

int64_t flops_of(const Plan& p, const Value& v) {
  const Convolution c = convolution(p, v);
  if (c.x) return 2 * c.y->numel() * (*c.w)[1] * (*c.w)[2] * (*c.w)[3];
  if (v.op == &matmul_op()) {
    const auto& a = v.attributes.as<MatmulAttributes>();
    return 2 * v.shape.numel() * p.values[v.in[0]].shape[a.transpose_a ? 0 : 1];
  }
  return v.shape.numel();
}

SweepReport report(const Plan& p, const plan::Group& g, const sweep::Sweep& sweep) {
  const Value& root = p.values[g.values[0]];
  SweepReport r;
  r.name = name_of(p, root);
  r.shape = sizes(root.shape);
  r.kernel = sweep.kernel();
  std::set<int> read, inlined, made(g.values.begin(), g.values.end());
  for (int v : g.values) {
    const Value& w = p.values[v];
    if (v != g.values[0]) r.fused.emplace_back(w.op->name());
    if (w.home == Home::kMemory) r.bytes += w.bytes();
    const int64_t flops = flops_of(p, w);
    r.flops += flops;
    const double part = convolution(p, w).x ? sweep.multiplications() : 1;
    r.operations += static_cast<int64_t>(part * static_cast<double>(flops));
    plan::for_each_read(
        p, v, [&](int in) { read.insert(in); }, [&](int in) { inlined.insert(in); });
  }
  for (int v : read)
    if (!made.contains(v)) r.bytes += p.values[v].bytes();
  for (int v : inlined) {
    r.fused.emplace_back(std::string("<") + p.values[v].op->name());
    r.flops += p.values[v].shape.numel();
    r.operations += p.values[v].shape.numel();
  }
  if (root.view()) r.bytes = r.flops = r.operations = 0;
  return r;
}

struct Recorded {
  std::shared_ptr<const Plan> plan;  // null: an optimizer's update
  PlanReport report;
};

class Records final : public sweep::Record {
 public:
  void ran(std::shared_ptr<const Plan> plan,
           const std::vector<std::unique_ptr<sweep::Sweep>>& sweeps,
           const std::vector<double>& sweep_seconds, double seconds, int64_t lent_bytes) override {
    auto at = std::find_if(all.begin(), all.end(), [&](const auto& r) { return r.plan == plan; });
    if (at == all.end()) {
      Recorded fresh{plan, {}};
      for (size_t i = 0; i < plan->groups.size(); ++i)
        fresh.report.sweeps.push_back(::ballast::report(*plan, plan->groups[i], *sweeps[i]));
      for (int v : plan->leaves) fresh.report.inputs += plan->values[v].bytes();
      for (int v : plan->outputs) fresh.report.outputs += plan->values[v].bytes();
      fresh.report.temporary = plan->arena_bytes;
      fresh.report.lent = lent_bytes;
      all.push_back(std::move(fresh));
      at = all.end() - 1;
    }
    ran_again(at->report, sweep_seconds, seconds);
  }

  void updated(const char* optimizer, int64_t elements, int64_t parameter_bytes,
               int64_t state_bytes, double seconds) override {
    const std::string shape = std::to_string(elements);
    auto at = std::find_if(all.begin(), all.end(), [&](const Recorded& r) {
      return !r.plan && r.report.sweeps[0].name == optimizer && r.report.sweeps[0].shape == shape;
    });
    if (at == all.end()) {
      SweepReport s;
      s.name = optimizer;
      s.shape = shape;
      s.kernel = "update";
      s.bytes = 3 * parameter_bytes + 2 * state_bytes;  // parameters, gradients; both ways
      s.flops = s.operations = elements;
      PlanReport fresh;
      fresh.inputs = 2 * parameter_bytes + state_bytes;
      fresh.sweeps.push_back(std::move(s));
      all.push_back({nullptr, std::move(fresh)});
      at = all.end() - 1;
      optimizer_bytes += state_bytes;
    }
    ran_again(at->report, std::span(&seconds, 1), seconds);
  }

  std::vector<Recorded> all;
  int64_t optimizer_bytes = 0;  // that optimizers keep

 private:
  static void ran_again(PlanReport& r, std::span<const double> sweep_seconds, double seconds) {
    const double n = static_cast<double>(++r.runs);
    r.seconds += (seconds - r.seconds) / n;
    for (size_t i = 0; i < r.sweeps.size(); ++i)
      r.sweeps[i].seconds += (sweep_seconds[i] - r.sweeps[i].seconds) / n;
  }
};

thread_local Records* records = nullptr;

double seconds_of(auto&& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Roofline measure() {
  // A copy far larger than any cache; the best of five.
  constexpr int64_t kBytes = 64 << 20, kPieces = 64;
  const Ref<Buffer> from = Buffer::allocate(kBytes), to = Buffer::allocate(kBytes);
  std::memset(from->data(), 1, kBytes);
  double copy = 1e9, product = 1e9;
  for (int i = 0; i < 5; ++i)
    copy = std::min(copy, seconds_of([&] {
                      parallel_for(kPieces, 1e9, [&](int64_t k) {
                        constexpr int64_t n = kBytes / kPieces;
                        std::memcpy(to->data() + k * n, from->data() + k * n, n);
                      });
                    }));
  // Products whose operands stay in L1 and L2.
  constexpr int64_t kRows = 84, kColumns = 64, kDepth = 256;
  const int64_t pieces = 64 * num_threads();
  auto multiply = [&](int64_t) {
    thread_local std::vector<float> a(kRows * kDepth, 1e-3F),
        b(kernels::packed_size(kDepth, kColumns), 1e-3F), c(kRows * kColumns);
    const float *pa = a.data(), *pb = b.data();
    kernels::Product q{};
    q.rows = kRows;
    q.columns = kColumns;
    q.depth = q.sam = kDepth;
    q.sak = 1;
    q.a = &pa;
    q.b = &pb;
    q.sbk = kernels::panel_columns();
    q.panel = kDepth * q.sbk;
    q.c = c.data();
    q.ldc = kColumns;
    for (int k = 0; k < 8; ++k) kernels::product(q);
  };
  for (int i = 0; i < 5; ++i)
    product = std::min(product, seconds_of([&] { parallel_for(pieces, 1e9, multiply); }));
  return {2.0 * kBytes / copy,
          2.0 * kRows * kColumns * kDepth * 8 * static_cast<double>(pieces) / product};
}

}  // namespace

Recorder::Recorder() {
  check(!records, "Recorder: this thread has a recorder already");
  records = new Records;
  reset_peak_memory();
  sweep::record_of_this_thread() = records;
}
Recorder::~Recorder() {
  sweep::record_of_this_thread() = nullptr;
  delete records;
  records = nullptr;
}
std::vector<PlanReport> Recorder::plans() const {
  std::vector<PlanReport> out;
  for (const Recorded& r : records->all) out.push_back(r.report);
  return out;
}

MemoryReport Recorder::memory() const {
  MemoryReport m;
  m.optimizer = records->optimizer_bytes;
  m.peak = static_cast<int64_t>(memory_use().peak);
  const auto size = [](const PlanReport& r) { return r.inputs + r.outputs + r.temporary + r.lent; };
  const PlanReport* largest = nullptr;
  for (const Recorded& r : records->all)
    if (r.plan && (!largest || size(r.report) > size(*largest))) largest = &r.report;
  if (largest) {
    m.inputs = largest->inputs;
    m.outputs = largest->outputs;
    m.temporary = largest->temporary;
    m.lent = largest->lent;
  }
  m.other = m.peak - m.inputs - m.outputs - m.temporary - m.lent - m.optimizer;
  return m;
}

double Roofline::bound(const SweepReport& s) const {
  return std::max(static_cast<double>(s.bytes) / bytes_per_second,
                  static_cast<double>(s.operations) / flops_per_second);
}
const Roofline& roofline() {
  static const Roofline r = measure();
  return r;
}

std::string to_table(const PlanReport& plan) {
  const Roofline& roof = roofline();
  std::string out = fmt::format("{:>8} {:>6} {:>8} {:>9} {:>9} {:>8}  {}\n", "ms", "share", "bound",
                                "MB", "MFLOP", "GFLOP/s", "sweep");
  std::vector<const SweepReport*> order;
  for (const SweepReport& s : plan.sweeps) order.push_back(&s);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->seconds > b->seconds; });
  double sum = 0, bound = 0;
  for (const SweepReport* s : order) {
    sum += s->seconds;
    bound += roof.bound(*s);
  }
  for (const SweepReport* s : order)
    out +=
        fmt::format("{:8.3f} {:5.1f}% {:8.3f} {:9.2f} {:9.1f} {:8.1f}  {} [{}] {}  {}\n",
                    s->seconds * 1e3, 100 * s->seconds / std::max(sum, 1e-12), roof.bound(*s) * 1e3,
                    static_cast<double>(s->bytes) / 1e6, static_cast<double>(s->flops) / 1e6,
                    static_cast<double>(s->flops) / 1e9 / std::max(s->seconds, 1e-9), s->name,
                    s->kernel, s->shape, fmt::join(s->fused, " "));
  out += fmt::format(
      "{} sweeps, {:.3f} ms in them of {:.3f} ms (bound {:.3f} ms); memory: inputs {:.1f} MB, "
      "outputs {:.1f} MB, temporary {:.1f} MB, lent to sweeps {:.1f} MB\n",
      plan.sweeps.size(), sum * 1e3, plan.seconds * 1e3, bound * 1e3,
      static_cast<double>(plan.inputs) / 1e6, static_cast<double>(plan.outputs) / 1e6,
      static_cast<double>(plan.temporary) / 1e6, static_cast<double>(plan.lent) / 1e6);
  return out;
}

std::string to_line(const MemoryReport& m) {
  const auto mb = [](int64_t bytes) { return static_cast<double>(bytes) / 1e6; };
  return fmt::format(
      "peak {:.1f} MB: inputs (weights, batch) {:.1f}, outputs (gradients, statistics) {:.1f}, "
      "temporary {:.1f}, lent to sweeps {:.1f}, optimizers {:.1f}, other {:.1f}\n",
      mb(m.peak), mb(m.inputs), mb(m.outputs), mb(m.temporary), mb(m.lent), mb(m.optimizer),
      mb(m.other));
}

std::string to_json(const std::vector<PlanReport>& plans, const MemoryReport& m) {
  const Roofline& roof = roofline();
  nlohmann::ordered_json out = {{"bytes_per_second", roof.bytes_per_second},
                                {"flops_per_second", roof.flops_per_second},
                                {"memory",
                                 {{"peak", m.peak},
                                  {"inputs", m.inputs},
                                  {"outputs", m.outputs},
                                  {"temporary", m.temporary},
                                  {"lent", m.lent},
                                  {"optimizer", m.optimizer},
                                  {"other", m.other}}},
                                {"plans", nlohmann::ordered_json::array()}};
  for (const PlanReport& p : plans) {
    nlohmann::ordered_json plan = {{"runs", p.runs},
                                   {"seconds", p.seconds},
                                   {"memory",
                                    {{"inputs", p.inputs},
                                     {"outputs", p.outputs},
                                     {"temporary", p.temporary},
                                     {"lent", p.lent}}},
                                   {"sweeps", nlohmann::ordered_json::array()}};
    for (const SweepReport& s : p.sweeps)
      plan["sweeps"].push_back({{"name", s.name},
                                {"shape", s.shape},
                                {"kernel", s.kernel},
                                {"fused", s.fused},
                                {"bytes", s.bytes},
                                {"flops", s.flops},
                                {"operations", s.operations},
                                {"bound", roof.bound(s)},
                                {"seconds", s.seconds}});
    out["plans"].push_back(std::move(plan));
  }
  return out.dump(2);
}

}  // namespace ballast

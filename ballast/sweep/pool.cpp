// Pooling and its gradients, channels last: rows of pixels go past, each read once; a row of the
// result is made of the few that its windows cover.
#include "ballast/ops/pool.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "ballast/base/threads.h"
#include "ballast/kernels/pool.h"
#include "ballast/sweep/ends.h"
#include "ballast/sweep/sweep.h"
#include "ballast/sweep/window.h"

namespace ballast::sweep {
namespace {

// Floats of the result after which its epilogue runs: an L1.
constexpr int64_t kTaken = 8 * 1024;
// Larger windows (means over much of a large image) are left to plain loops.
constexpr int64_t kMaxTaps = 1024;

/// What an output reads along one dimension: inputs begin, begin + step, ..., and what a mean
/// divides each of them by. No later output reads an input before `first`. (That may be before
/// `begin`: of windows with gaps, which reach beyond an edge, the next may begin further out.)
struct Taps {
  int64_t begin = 0, step = 1, first = 0;
  std::vector<double> divisors;

  int64_t count() const { return static_cast<int64_t>(divisors.size()); }
  int64_t span() const { return divisors.empty() ? 0 : (count() - 1) * step + 1; }
  /// The one divisor of all of them, or 0.
  double divisor() const {
    const bool one = std::ranges::adjacent_find(divisors, std::not_equal_to()) == divisors.end();
    return one && !divisors.empty() ? divisors[0] : 0;
  }
};

/// Outputs first, first + every, ... whose taps are those of the first, moved on by `step` each.
struct TapRun {
  int64_t first, outputs, every, step;
  Taps taps;
};

/// A pool, or the gradient of a mean, along one dimension: outputs are sums (or maxima) of taps.
struct PoolAxis {
  /// Of `op`, whose windows lead from `in` to `out` elements.
  PoolAxis(const Op& op, const Attributes& a, int d, int64_t in, int64_t out) {
    taps.resize(out);
    for (int64_t i = 0; i < out; ++i) {
      const PoolWindow w = pool_window(op, a, d, i, in, out);
      taps[i].begin = w.begin;
      taps[i].step = w.step;
      for (int64_t x = w.begin; x < w.end; x += w.step)
        taps[i].divisors.push_back(static_cast<double>(w.count));
    }
    size = in;
    find_runs(1);
  }

  /// The other way round, for windows whose elements are neighbours.
  PoolAxis transposed() const {
    PoolAxis t;
    t.taps.resize(size);
    t.size = static_cast<int64_t>(taps.size());
    for (int64_t i = 0; i < t.size; ++i)
      for (int64_t k = 0; k < taps[i].count(); ++k) {
        Taps& to = t.taps[taps[i].begin + k];
        if (to.divisors.empty()) to.begin = i;
        to.divisors.push_back(taps[i].divisors[k]);
      }
    // Those that read nothing lie behind the others, or between them.
    for (size_t i = 1; i < t.taps.size(); ++i)
      if (t.taps[i].divisors.empty()) t.taps[i].begin = t.taps[i - 1].begin;
    int64_t every = 1;
    for (const TapRun& run : runs) every = std::max(every, run.step);
    t.find_runs(every);
    return t;
  }

  /// Inputs that are needed at a time.
  int64_t span() const {
    int64_t most = 1, end = 0;
    for (const Taps& t : taps) {
      if (t.count()) end = std::max(end, t.begin + t.span());
      most = std::max(most, end - t.first);
    }
    return most;
  }
  int64_t most_taps() const {
    int64_t most = 0;
    for (const Taps& t : taps) most = std::max(most, t.count());
    return most;
  }
  int64_t outputs() const { return static_cast<int64_t>(taps.size()); }

  int64_t size = 0;  // of the input
  std::vector<Taps> taps;
  std::vector<TapRun> runs;

 private:
  PoolAxis() = default;

  void find_runs(int64_t every) {
    int64_t first = size;
    for (auto t = taps.rbegin(); t != taps.rend(); ++t) {
      if (t->count()) first = std::min(first, t->begin);
      t->first = first;
    }
    for (int64_t f = 0; f < std::min(every, outputs()); ++f)
      for (int64_t o = f; o < outputs(); o += every) {
        if (o == f || !extends(runs.back(), taps[o]))
          runs.push_back({o, 0, every, 0, taps[o]});
        else if (runs.back().outputs == 1)
          runs.back().step = taps[o].begin - runs.back().taps.begin;
        ++runs.back().outputs;
      }
  }

  static bool extends(const TapRun& run, const Taps& t) {
    return t.step == run.taps.step && t.divisors == run.taps.divisors &&
           (run.outputs == 1 || t.begin == run.taps.begin + run.outputs * run.step);
  }
};

/// Rows and columns, and what is cut along them.
struct Pool {
  PoolAxis rows, columns;
  int64_t images, channels;

  WindowShape window() const { return {rows.size, columns.size, rows.span(), 0, columns.size}; }
  int64_t most_taps() const { return rows.most_taps() * columns.most_taps(); }
  double cost() const {
    return static_cast<double>(images * channels * rows.outputs() * columns.outputs()) *
           (1 + 0.25 * static_cast<double>(most_taps()));
  }
};

/// Scratch memory that is handed out bit by bit.
class Memory {
 public:
  Memory(std::initializer_list<int64_t> bytes) {
    int64_t all = 0;
    for (int64_t b : bytes) all += padded(b);
    at_ = scratch(static_cast<size_t>(all));
  }
  template <class T>
  T* take(int64_t n) {
    auto* out = reinterpret_cast<T*>(at_);
    at_ += padded(n * static_cast<int64_t>(sizeof(T)));
    return out;
  }

 private:
  static int64_t padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }
  std::byte* at_;
};

/// Maxima or weighted sums over windows; the gradient of means is one, too.
class PoolSweep final : public Sweep {
 public:
  PoolSweep(const plan::Plan& plan, const plan::Group& group, Pool pool, int x, bool maximum)
      : pool_(std::move(pool)),
        cut_(pool_.images, pool_.rows.outputs(), pool_.channels,
             pool_.window().kept * pool_.window().width),
        x_(plan, x),
        sink_(plan, group),
        maximum_(maximum) {}

  const char* kernel() const override { return "pool"; }
  void run(Pointers p, const Lent&) const override {
    run_pieces(
        sink_, p, cut_.pieces(), pool_.cost(),
        [&](const Sink::Run& result, int64_t slot, int64_t i) { piece(p, result, slot, i); });
  }

 private:
  void piece(Pointers p, const Sink::Run& result, int64_t slot, int64_t i) const {
    const auto [image, begin, end, c, n] = cut_.piece(i);
    const WindowShape shape = pool_.window();
    const int64_t floats = Window::floats(shape, n), taps = pool_.most_taps(), word = sizeof(void*),
                  width = pool_.columns.outputs();
    Memory memory{floats * 4, taps * word, taps * 4};
    Window window(shape, x_, p, c, n, memory.take<float>(floats));
    const float** x = memory.take<const float*>(taps);
    float* weights = memory.take<float>(taps);
    window.start(image, pool_.rows.taps[begin].first);
    const int64_t step = std::max<int64_t>(kTaken / (width * n), 1);
    for (int64_t r = begin; r < end; r += step) {
      const int64_t stop = std::min(r + step, end), first = (image * cut_.rows + r) * width;
      float* out = sink_.memory(p) + first * sink_.pitch() + c;
      for (int64_t k = r; k < stop; ++k, out += width * sink_.pitch())
        row(window, pool_.rows.taps[k], n, x, weights, out);
      result.take(slot, first, (stop - r) * width, c, n);
    }
  }

  void row(Window& window, const Taps& rows, int64_t n, const float** x, float* weights,
           float* out) const {
    for (const TapRun& run : pool_.columns.runs) {
      kernels::PoolRow q{};
      for (int64_t k = 0; k < rows.count(); ++k) {
        const float* from = window.row(rows.begin + k * rows.step);
        for (int64_t l = 0; l < run.taps.count(); ++l) {
          x[q.taps] = from + (run.taps.begin + l * run.taps.step) * window.pitch();
          weights[q.taps++] = static_cast<float>(1 / (rows.divisors[k] * run.taps.divisors[l]));
        }
      }
      q.outputs = run.outputs;
      q.channels = n;
      q.x = x;
      q.step = run.step * window.pitch();
      q.out = out + run.first * sink_.pitch();
      q.out_step = run.every * sink_.pitch();
      if (maximum_)
        kernels::max_pool_row(q);
      else if (const double divisor = rows.divisor() * run.taps.divisor(); divisor != 0)
        kernels::mean_pool_row(q, nullptr, static_cast<float>(divisor));
      else
        kernels::mean_pool_row(q, weights, 1.0f);
    }
  }

  Pool pool_;
  ImageCut cut_;
  Source x_;
  Sink sink_;
  bool maximum_;
};

/// Adds each gradient to the element that was its window's maximum. A piece of work makes a band of
/// the result and goes over all windows that reach into it.
class MaxPoolGradSweep final : public Sweep {
 public:
  MaxPoolGradSweep(const plan::Plan& plan, const plan::Group& group, Pool pool, int g, int x)
      : pool_(std::move(pool)),
        cut_(pool_.images, pool_.rows.size, pool_.channels,
             (pool_.window().kept + 1) * pool_.window().width),
        g_(plan, g),
        x_(plan, x),
        sink_(plan, group) {}

  const char* kernel() const override { return "pool"; }
  void run(Pointers p, const Lent&) const override {
    run_pieces(sink_, p, cut_.pieces(), 2 * pool_.cost(),
               [&](const Sink::Run& result, int64_t slot, int64_t i) {
                 Piece(*this, p, result, slot, i);
               });
  }

 private:
  struct Piece {
    Piece(const MaxPoolGradSweep& sweep, Pointers p, const Sink::Run& run, int64_t its_slot,
          int64_t i)
        : s(sweep), result(run), slot(its_slot), at(s.cut_.piece(i)), pitch(s.sink_.pitch()) {
      const WindowShape shape = s.pool_.window();
      const int64_t width = s.pool_.columns.outputs(), taps = s.pool_.most_taps(),
                    word = sizeof(void*);
      const WindowShape one_row{s.pool_.rows.outputs(), width, 1, 0, width};
      const int64_t x_floats = Window::floats(shape, at.n),
                    g_floats = Window::floats(one_row, at.n);
      Memory memory{x_floats * 4, g_floats * 4, taps * word, taps * word};
      Window x(shape, s.x_, p, at.c, at.n, memory.take<float>(x_floats));
      Window g(one_row, s.g_, p, at.c, at.n, memory.take<float>(g_floats));
      x_taps = memory.take<const float*>(taps);
      dx_taps = memory.take<float*>(taps);
      image = s.sink_.memory(p) + at.image * shape.rows * shape.columns * pitch + at.c;
      zeroed = taken = at.begin;
      go(x, g);
    }

    void go(Window& x, Window& g) {
      bool first = true;
      for (int64_t i = 0; i < s.pool_.rows.outputs(); ++i) {
        const Taps& rows = s.pool_.rows.taps[i];
        if (rows.first >= at.end) break;
        if (rows.begin + rows.span() <= at.begin || rows.begin >= at.end) continue;
        if (first) {
          x.start(at.image, rows.first);
          g.start(at.image, i);
          first = false;
        }
        finish(rows.first, false);
        zero(rows.begin + rows.span());
        spread(x, g.row(i), g.pitch(), rows);
      }
      finish(at.end, true);
    }

    void zero(int64_t end) {
      for (; zeroed < std::min(end, at.end); ++zeroed)
        for (int64_t j = 0; j < s.pool_.columns.size; ++j)
          std::fill_n(row(zeroed) + j * pitch, at.n, 0.0f);
    }

    /// Rows before `end` have all their gradients.
    void finish(int64_t end, bool all) {
      const int64_t width = s.pool_.columns.size;
      if (!all && (end - taken) * width * at.n < kTaken) return;
      zero(end);
      result.take(slot, (at.image * s.pool_.rows.size + taken) * width, (end - taken) * width, at.c,
                  at.n);
      taken = end;
    }

    void spread(Window& x, const float* g, int64_t g_pitch, const Taps& rows) {
      for (const TapRun& run : s.pool_.columns.runs) {
        kernels::MaxPoolGradRow q{};
        for (int64_t k = 0; k < rows.count(); ++k) {
          const int64_t r = rows.begin + k * rows.step;
          const float* from = x.row(r);
          const bool mine = r >= at.begin && r < at.end;
          for (int64_t l = 0; l < run.taps.count(); ++l) {
            const int64_t column = run.taps.begin + l * run.taps.step;
            x_taps[q.taps] = from + column * x.pitch();
            dx_taps[q.taps++] = mine ? row(r) + column * pitch : nullptr;
          }
        }
        q.outputs = run.outputs;
        q.channels = at.n;
        q.x = x_taps;
        q.dx = dx_taps;
        q.step = run.step * x.pitch();
        q.dx_step = run.step * pitch;
        q.g = g + run.first * g_pitch;
        q.g_step = run.every * g_pitch;
        kernels::max_pool_grad_row(q);
      }
    }

    float* row(int64_t r) const { return image + r * s.pool_.columns.size * pitch; }

    const MaxPoolGradSweep& s;
    const Sink::Run& result;
    int64_t slot;
    ImageCut::Piece at;
    int64_t pitch;
    float* image;
    const float** x_taps;
    float** dx_taps;
    int64_t zeroed, taken;  // rows before these are cleared, and have been given to the epilogue
  };

  Pool pool_;
  ImageCut cut_;
  Source g_, x_;
  Sink sink_;
};

}  // namespace

std::unique_ptr<Sweep> build_pool(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& v = plan.values[group.values[0]];
  const bool maximum = v.op == &max_pool2d_op(), spread = v.op == &max_pool2d_grad_op();
  const bool mean = v.op == &avg_pool2d_op() || v.op == &adaptive_avg_pool2d_op();
  const bool gradient = v.op == &avg_pool2d_grad_op() || v.op == &adaptive_avg_pool2d_grad_op();
  if (!maximum && !spread && !mean && !gradient) return nullptr;
  const Shape& operand = plan.values[v.in[0]].shape;
  if (v.dtype != DType::kFloat32 || v.shape.numel() == 0 || operand.numel() == 0) return nullptr;
  const bool back = spread || gradient;
  const Shape &x = back ? v.shape : operand, &y = back ? operand : v.shape;
  auto axis = [&](int d) {
    const PoolAxis a(*v.op, v.attributes, d, x[2 + d], y[2 + d]);
    return gradient ? a.transposed() : a;
  };
  Pool pool{axis(0), axis(1), x[0], x[1]};
  if (pool.most_taps() > kMaxTaps) return nullptr;
  if (spread)
    return std::make_unique<MaxPoolGradSweep>(plan, group, std::move(pool), v.in[0], v.in[1]);
  return std::make_unique<PoolSweep>(plan, group, std::move(pool), v.in[0], maximum);
}

}  // namespace ballast::sweep

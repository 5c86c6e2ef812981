#include <algorithm>

#include "ballast/sweep/ends.h"
#include "ballast/sweep/pieces.h"

namespace ballast::sweep {
namespace {

// Elements of one tile, the piece of work a thread takes: 64 KB an operand, a few to an L2. Where
// rows are summed, there are more of them: merging the sums of two tiles costs as much as a dozen.
constexpr int64_t kTile = 16 * 1024, kSummedRows = 256;

/// Chains of pointwise operations, and sums over rows, that read nothing but memory.
class PointwiseSweep final : public Sweep {
 public:
  PointwiseSweep(const plan::Plan& plan, const plan::Group& group)
      : sink_(plan, group),
        rows_(sink_.rows(), 1, balanced(ceil_div(sink_.rows(), tile_rows()))),
        columns_(sink_.columns(), 1, ceil_div(sink_.columns(), kTile)) {}

  const char* kernel() const override { return "pointwise"; }
  void run(Pointers p, const Lent&) const override {
    // Sums over no rows are written, too.
    if (columns_.count == 0) return;
    const int64_t pieces = rows_.count ? rows_.parts * columns_.parts : 0;
    const double cost = static_cast<double>(rows_.count * columns_.count) * sink_.cost();
    const auto take = [&](const Sink::Run& run, int64_t slot, int64_t i) {
      const int64_t r = i % rows_.parts, c = i / rows_.parts;
      run.take(slot, rows_.begin(r), rows_.size(r), columns_.begin(c), columns_.size(c));
    };
    // What is read here a product has just made, or sums have just been taken of.
    run_pieces(sink_, p, pieces, cost, take, sink_.sums() ? Order::kForwards : Order::kBackwards);
  }

 private:
  int64_t tile_rows() const {
    return std::max(kTile / std::max<int64_t>(sink_.columns(), 1),
                    sink_.sums() ? kSummedRows : int64_t{1});
  }

  Sink sink_;
  Parts rows_, columns_;
};

}  // namespace

std::unique_ptr<Sweep> build_pointwise(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& root = plan.values[group.values[0]];
  if (!plan::made_by_rows(plan, root) && !plan::sums_rows(plan, root)) return nullptr;
  return std::make_unique<PointwiseSweep>(plan, group);
}

}  // namespace ballast::sweep

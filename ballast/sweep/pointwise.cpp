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
      : sink_(plan, group), rows_(sink_.rows()), columns_(sink_.columns()) {
    row_step_ = std::max<int64_t>(kTile / std::max<int64_t>(columns_, 1), 1);
    column_step_ = std::min(columns_, kTile);
    if (sink_.sums()) row_step_ = std::max(row_step_, kSummedRows);
    const int64_t pieces = balanced(ceil_div(rows_, row_step_));
    row_step_ = std::max<int64_t>(ceil_div(rows_, std::max<int64_t>(pieces, 1)), 1);
    row_pieces_ = ceil_div(rows_, row_step_);
  }

  const char* kernel() const override { return "pointwise"; }
  void run(Pointers p, const Lent&) const override {
    // Sums over no rows are written, too.
    if (columns_ == 0) return;
    const int64_t pieces = row_pieces_ * ceil_div(columns_, column_step_);
    const double cost = static_cast<double>(rows_ * columns_) * sink_.cost();
    run_pieces(sink_, p, pieces, cost, [&](const Sink::Run& run, int64_t slot, int64_t i) {
      const int64_t row = i % row_pieces_ * row_step_, c = i / row_pieces_ * column_step_;
      run.take(slot, row, std::min(row_step_, rows_ - row), c,
               std::min(column_step_, columns_ - c));
    });
  }

 private:
  Sink sink_;
  int64_t rows_, columns_, row_step_, column_step_, row_pieces_;
};

}  // namespace

std::unique_ptr<Sweep> build_pointwise(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& root = plan.values[group.values[0]];
  if (!plan::made_by_rows(plan, root) && !plan::sums_rows(plan, root)) return nullptr;
  return std::make_unique<PointwiseSweep>(plan, group);
}

}  // namespace ballast::sweep

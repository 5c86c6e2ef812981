// Which values one sweep makes. Products take over what is made of their rows (epilogues); values
// made by rows are computed by whoever reads them where that costs less memory traffic than storing
// them (prologues); what is left is a sweep of its own.
#include <algorithm>

#include "ballast/ops/conv.h"
#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

// Values of a group, and instructions a reader may have to run for an operand: a program's
// registers are blocks of 2 KB in L1.
constexpr size_t kMaxGroup = 24;
constexpr int kMaxInlined = 24;

class Grouping {
 public:
  Grouping(Plan& plan, const Options& options)
      : plan_(plan),
        prologues_(options.fast && options.fuse_prologue),
        epilogues_(options.fast && options.fuse_epilogue),
        pointwise_(options.fast && options.fuse_pointwise),
        pairs_(options.fast && options.winograd && options.pair_gradients),
        fast_(options.fast),
        readers_(plan.values.size()),
        group_of_(plan.values.size(), -1),
        pinned_(plan.values.size()),
        reads_(plan.values.size()) {}

  void run() {
    const int n = static_cast<int>(plan_.values.size());
    for (int i = 0; i < n; ++i)
      for (int in : plan_.values[i].in) readers_[in].push_back(i);
    for (int i = 0; i < n; ++i) pinned_[i] = pinned(i);
    for (int i = 0; i < n; ++i)
      if (plan_.values[i].op) place(i);
    count_reads();
    for (int i = 0; i < n; ++i)
      if (waiting(i)) inline_or_store(i);
    for (Group& g : groups_) choose_homes(g);
    plan_.groups = std::move(groups_);
  }

 private:
  struct Cost {
    double loads = 0;  // tensors of the value's size
    int instructions = 0;
  };

  bool by_rows(int i) const { return made_by_rows(plan_, plan_.values[i]); }
  bool sums(int i) const { return sums_rows(plan_, plan_.values[i]); }
  /// Made by rows, and neither in a group nor inlined yet.
  bool waiting(int i) const {
    const Value& v = plan_.values[i];
    return v.op && group_of_[i] < 0 && v.home == Home::kMemory && by_rows(i);
  }

  /// What a fast kernel of a product reads and makes by rows.
  uint32_t ends(const Value& v) const {
    if (!v.op || v.dtype != DType::kFloat32 || v.shape.numel() == 0) return 0;
    return v.op->by_rows(v.attributes);
  }

  /// Whether reader `r` can run a chain for its operand `i`.
  bool can_inline_into(int r, int i) const {
    const Value& v = plan_.values[r];
    const bool rows = by_rows(r), row_sums = sums(r);
    for (int k = 0; k < v.in.size(); ++k) {
      if (v.in[k] != i) continue;
      if (rows       ? operand_mode(plan_, v, k) != OperandMode::kFull
          : row_sums ? k > 1
                     : !has_input(ends(v), k))
        return false;
    }
    return true;
  }

  /// Whether value `i` must be in memory.
  bool pinned(int i) const {
    const Value& v = plan_.values[i];
    if (v.output) return true;
    return std::any_of(readers_[i].begin(), readers_[i].end(),
                       [&](int r) { return !can_inline_into(r, i); });
  }

  void place(int i) {
    const bool rows = fast_ && by_rows(i), row_sums = fast_ && sums(i);
    if (rows || row_sums) {
      const int g = joinable(i, row_sums);
      if (g >= 0) return add(i, g);
      if (rows) return;  // waits: see inline_or_store
    }
    const int pair = pairs_ ? other_gradient(i) : -1;
    if (pair < 0) {
      start(i);
    } else if (plan_.values[i].op == &conv2d_weight_grad_op()) {
      add(i, group_of_[pair]);
    } else {
      put_first(i, group_of_[pair]);
    }
  }

  /// The other gradient of the convolution that `i` is one of, in a group that may make both; or
  /// -1.
  int other_gradient(int i) const {
    const Value& v = plan_.values[i];
    const bool of_weight = v.op == &conv2d_weight_grad_op();
    if (!of_weight && v.op != &conv2d_input_grad_op()) return -1;
    for (int r : readers_[v.in[0]]) {
      const Value& w = plan_.values[r];
      const int g = group_of_[r];
      if (g < 0 || w.op != (of_weight ? &conv2d_input_grad_op() : &conv2d_weight_grad_op()) ||
          second_product(plan_, groups_[g]) >= 0 ||
          !(of_weight ? share_a_sweep(w, v) : share_a_sweep(v, w)))
        continue;
      if (std::none_of(v.in.begin(), v.in.end(), [&](int in) { return needs(in, g); })) return r;
    }
    return -1;
  }

  /// Whether a sweep makes both gradients in one pass: their convolution keeps the size of images,
  /// and weights are so few that both products' operands and sums stay in an L2.
  bool share_a_sweep(const Value& input_grad, const Value& weight_grad) const {
    const Attributes same(Conv2dAttributes{{1, 1}, {1, 1}, {1, 1}, 1});
    constexpr int64_t kWeights = 32 * 32 * 9;
    const Shape& w = weight_grad.shape;
    return input_grad.attributes == same && weight_grad.attributes == same &&
           input_grad.dtype == DType::kFloat32 && w[2] == 3 && w[3] == 3 && w.numel() <= kWeights &&
           w == plan_.values[input_grad.in[1]].shape &&
           input_grad.shape == plan_.values[weight_grad.in[1]].shape;
  }

  /// Begins a group; returns its number.
  int start(int i) {
    groups_.emplace_back();
    const int g = static_cast<int>(groups_.size()) - 1;
    add(i, g);
    return g;
  }

  void add(int i, int g) {
    groups_[g].values.push_back(i);
    group_of_[i] = g;
  }

  /// What the other values of group g are made of, or beside.
  void put_first(int i, int g) {
    groups_[g].values.insert(groups_[g].values.begin(), i);
    group_of_[i] = g;
  }

  /// A group that makes an operand of `i` and may make `i` as well, or -1: the latest.
  int joinable(int i, bool row_sums) const {
    const Value& v = plan_.values[i];
    const Traits::Kind kind = v.op->traits().kind;
    if (!row_sums && kind != Traits::Kind::kPointwise) return -1;
    int best = -1;
    for (int k = 0; k < v.in.size() && (!row_sums || k < 2); ++k) {
      const int in = v.in[k], g = group_of_[in];
      if (g <= best || groups_[g].values.size() >= kMaxGroup) continue;
      if (!row_sums && operand_mode(plan_, v, k) != OperandMode::kFull) continue;
      if (open_to(g, in) && others_are_there(v, g, row_sums) && (row_sums || pays(i, in, g)))
        best = g;
    }
    return best;
  }

  /// Whether group g may make more of its value `in`.
  bool open_to(int g, int in) const {
    const int root = groups_[g].values[0];
    if (sums(in)) return false;
    if (by_rows(root) || sums(root)) return pointwise_ && by_rows(in);
    return epilogues_ && (in == root || by_rows(in)) && ends(plan_.values[root]) & Traits::kOutput;
  }

  /// Storing `i` instead of its operand costs nothing; beside it, a pass over memory.
  bool pays(int i, int in, int g) const {
    if (pinned_[i]) return true;
    return !pinned_[in] && std::all_of(readers_[in].begin(), readers_[in].end(),
                                       [&](int r) { return r == i || group_of_[r] == g; });
  }

  /// Operands of `v` that group g makes are read by rows; the others do not need g.
  bool others_are_there(const Value& v, int g, bool row_sums) const {
    for (int k = 0; k < v.in.size(); ++k) {
      const int in = v.in[k];
      if (group_of_[in] == g) {
        if (sums(in) || (in != groups_[g].values[0] && !by_rows(in)) ||
            (row_sums ? k > 1 : operand_mode(plan_, v, k) != OperandMode::kFull))
          return false;
      } else if (needs(in, g)) {
        return false;
      }
    }
    return true;
  }

  /// Whether value `i` can only be made after group g. Groups depend on each other as wholes: a
  /// value made long before g may belong to a group that has grown a reader of g since.
  bool needs(int i, int g) const {
    std::vector<int> stack;
    ++stamp_;
    seen_.resize(plan_.values.size());
    auto push = [&](int value) {
      if (seen_[value] == stamp_) return;
      seen_[value] = stamp_;
      stack.push_back(value);
    };
    push(i);
    while (!stack.empty()) {
      const int value = stack.back();
      stack.pop_back();
      const int h = group_of_[value];
      if (h == g) return true;
      if (h < 0) {
        for (int in : plan_.values[value].in) push(in);
        continue;
      }
      for (int w : groups_[h].values)
        for (int in : plan_.values[w].in) push(in);
    }
    return false;
  }

  /// How often the memory of what waits would be read, were it stored.
  void count_reads() {
    for (int i = static_cast<int>(readers_.size()) - 1; i >= 0; --i) {
      std::vector<int> groups;
      for (int r : readers_[i]) {
        if (waiting(r) && full_operands(r) == 1 && !pinned_[r]) {
          const Value& v = plan_.values[r];
          const bool part = v.op->traits().kind == Traits::Kind::kSlice;
          reads_[i] += part ? reads_[r] * static_cast<double>(v.shape[1]) /
                                  static_cast<double>(plan_.values[i].shape[1])
                            : reads_[r];
        } else if (group_of_[r] < 0 ||
                   std::find(groups.begin(), groups.end(), group_of_[r]) == groups.end()) {
          reads_[i] += 1;
          groups.push_back(group_of_[r]);
        }
      }
    }
  }

  int full_operands(int i) const {
    const Value& v = plan_.values[i];
    int n = 0;
    for (int k = 0; k < v.in.size(); ++k) n += operand_mode(plan_, v, k) == OperandMode::kFull;
    return n;
  }

  /// What computing `i` as it is read costs.
  Cost cost(int i, bool top) const {
    const Value& v = plan_.values[i];
    if (!top && v.home != Home::kInlined) return {1, 0};
    Cost c{0, 1};
    const double columns = v.shape.rank() > 1 ? static_cast<double>(v.shape[1]) : 1;
    for (int k = 0; k < v.in.size(); ++k) {
      if (operand_mode(plan_, v, k) != OperandMode::kFull) continue;
      const Cost in = cost(v.in[k], false);
      const bool part = v.op->traits().kind == Traits::Kind::kConcatenate;
      c.loads += part ? in.loads * static_cast<double>(plan_.values[v.in[k]].shape[1]) / columns
                      : in.loads;
      // Of the inputs of a concatenation each column reads one.
      c.instructions =
          part ? std::max(c.instructions, in.instructions) : c.instructions + in.instructions;
    }
    return c;
  }

  /// Reading it from memory costs a pass per reader after one to read what it is made of, one to
  /// write it and (as caches fetch what is written) one more.
  void inline_or_store(int i) {
    const Cost c = cost(i, true);
    const double stored = c.loads + 2 + reads_[i], inlined = c.loads * reads_[i];
    if (prologues_ && !pinned_[i] && inlined < stored && c.instructions <= kMaxInlined) {
      plan_.values[i].home = Home::kInlined;
      return;
    }
    // Its moments, which read nothing else, are taken in the same pass.
    if (pointwise_)
      for (int r : readers_[i])
        if (sums(r) && plan_.values[r].in.size() == 1 && groups_[group_of_[r]].values[0] == r) {
          return put_first(i, group_of_[r]);
        }
    const int g = start(i);
    if (pointwise_) absorb(g);
  }

  /// A chain that is stored takes in what waits behind it: several results of one pass.
  void absorb(int g) {
    for (size_t k = 0; k < groups_[g].values.size(); ++k)
      for (int r : readers_[groups_[g].values[k]]) {
        if (groups_[g].values.size() >= kMaxGroup) return;
        if (!waiting(r) || (prologues_ && !pinned_[r]) || r < groups_[g].values.back()) continue;
        if (joinable(r, false) == g) add(r, g);
      }
  }

  /// What nobody outside of the group reads needs no memory.
  void choose_homes(const Group& g) {
    auto inside = [&](int r) { return group_of_[r] == group_of_[g.values[0]]; };
    bool stored = false;
    for (int v : g.values) {
      if (!by_rows(v)) continue;
      if (!plan_.values[v].output && !readers_[v].empty() &&
          std::all_of(readers_[v].begin(), readers_[v].end(), inside))
        plan_.values[v].home = Home::kFused;
      else
        stored = true;
    }
    // A product's result is finished in place, where a program reads it and nobody else.
    const int root = g.values[0];
    Value& v = plan_.values[root];
    if (stored && g.values.size() > 1 && !by_rows(root) && !sums(root) && !v.output &&
        std::all_of(readers_[root].begin(), readers_[root].end(),
                    [&](int r) { return inside(r) && by_rows(r); }))
      v.home = Home::kFused;
  }

  Plan& plan_;
  bool prologues_, epilogues_, pointwise_, pairs_, fast_;
  std::vector<std::vector<int>> readers_;
  std::vector<int> group_of_;
  std::vector<char> pinned_;
  std::vector<double> reads_;
  std::vector<Group> groups_;
  mutable std::vector<uint32_t> seen_;
  mutable uint32_t stamp_ = 0;
};

}  // namespace

void make_groups(Plan& plan, const Options& options) { Grouping(plan, options).run(); }

}  // namespace ballast::plan

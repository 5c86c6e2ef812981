#include <algorithm>

#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

// A program's registers are blocks in L1 (see kernels/pointwise-inl.h): 24 blocks of 1 KB leave
// room.
constexpr size_t kMaxProgram = 16;

class Grouping {
 public:
  Grouping(Plan& plan, bool fuse) : plan_(plan), fuse_(fuse), group_of_(plan.values.size(), -1) {}

  void run() {
    for (size_t i = 0; i < plan_.values.size(); ++i) {
      const Value& v = plan_.values[i];
      if (!v.op) continue;
      int g = fuse_ && programmable(v) ? joinable(static_cast<int>(i)) : -1;
      if (g < 0) {
        g = static_cast<int>(groups_.size());
        groups_.emplace_back();
      }
      groups_[g].values.push_back(static_cast<int>(i));
      group_of_[i] = g;
    }
    schedule();
  }

 private:
  bool programmable(const Value& v) const {
    if (v.op->traits().kind != Traits::Kind::kPointwise || v.dtype != DType::kFloat32) return false;
    for (int i = 0; i < v.in.size(); ++i)
      if (operand_mode(plan_, v, i) == OperandMode::kNo) return false;
    return true;
  }

  /// A group that makes an operand of value i and may make i as well, or -1.
  int joinable(int i) const {
    const Value& v = plan_.values[i];
    for (int in : v.in) {
      const int g = group_of_[in];
      if (g < 0 || groups_[g].values.size() >= kMaxProgram) continue;
      const Value& head = plan_.values[groups_[g].values[0]];
      if (!programmable(head) || !(head.shape == v.shape) || head.layout != v.layout) continue;
      if (operands_are_full_or_outside(v, g) && !reached_around(v, g)) return g;
    }
    return -1;
  }

  /// What a program makes it can read only element by element.
  bool operands_are_full_or_outside(const Value& v, int g) const {
    for (int k = 0; k < v.in.size(); ++k)
      if (group_of_[v.in[k]] == g && operand_mode(plan_, v, k) != OperandMode::kFull) return false;
    return true;
  }

  /// Whether v depends on group g also through values outside of it: joining would make a cycle.
  /// Groups depend on each other as wholes: a value made long before g may belong to a group that
  /// has grown a reader of g since.
  bool reached_around(const Value& v, int g) const {
    std::vector<int> stack;
    std::vector<char> seen(groups_.size());
    auto push = [&](int value) {
      const int h = group_of_[value];
      if (h < 0 || seen[h]) return;
      seen[h] = 1;
      stack.push_back(h);
    };
    for (int in : v.in)
      if (group_of_[in] != g) push(in);
    while (!stack.empty()) {
      const int h = stack.back();
      stack.pop_back();
      if (h == g) return true;
      for (int w : groups_[h].values)
        for (int in : plan_.values[w].in) push(in);
    }
    return false;
  }

  /// Orders the groups so that each comes after those it reads from.
  void schedule() {
    std::vector<char> done(groups_.size());
    std::vector<std::pair<int, bool>> stack;
    for (size_t start = 0; start < groups_.size(); ++start) {
      stack.push_back({static_cast<int>(start), false});
      while (!stack.empty()) {
        auto [g, expanded] = stack.back();
        stack.pop_back();
        if (expanded) {
          plan_.groups.push_back(groups_[g]);
          continue;
        }
        if (done[g]) continue;
        done[g] = 1;
        stack.push_back({g, true});
        for (int v : groups_[g].values)
          for (int in : plan_.values[v].in)
            if (group_of_[in] >= 0 && !done[group_of_[in]]) stack.push_back({group_of_[in], false});
      }
    }
  }

  Plan& plan_;
  bool fuse_;
  std::vector<int> group_of_;
  std::vector<Group> groups_;
};

}  // namespace

void make_groups(Plan& plan, bool fuse) { Grouping(plan, fuse).run(); }

}  // namespace ballast::plan

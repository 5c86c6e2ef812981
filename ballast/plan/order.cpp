// The order in which groups run: of those whose operands are there, the one that leaves the least
// memory in use. A weight's gradient is computed as soon as it can be, and what it was computed
// from is gone.
#include <algorithm>
#include <set>

#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

class Ordering {
 public:
  explicit Ordering(Plan& plan) : plan_(plan), maker_(plan.values.size(), -1) {}

  void run() {
    const size_t n = plan_.groups.size();
    for (size_t g = 0; g < n; ++g)
      for (int v : plan_.groups[g].values) maker_[v] = static_cast<int>(g);
    reads_.resize(n);
    readers_.resize(n);
    readers_left_.resize(plan_.values.size());
    std::vector<int> waits_for(n);
    for (size_t g = 0; g < n; ++g) {
      std::set<int> before;
      for (int v : plan_.groups[g].values)
        for_each_read(plan_, v, [&](int in) {
          if (maker_[in] == static_cast<int>(g)) return;
          if (maker_[in] >= 0) before.insert(maker_[in]);
          reads_[g].insert(root(in));
        });
      waits_for[g] = static_cast<int>(before.size());
      for (int h : before) readers_[h].push_back(static_cast<int>(g));
      for (int v : reads_[g]) ++readers_left_[v];
    }
    // By their first value: the order in which the operations were recorded, if nothing else tells.
    std::set<std::pair<int, int>> ready;
    auto push = [&](int g) { ready.insert({plan_.groups[g].values[0], g}); };
    for (size_t g = 0; g < n; ++g)
      if (waits_for[g] == 0) push(static_cast<int>(g));
    std::vector<Group> order;
    while (!ready.empty()) {
      const auto at = best(ready);
      const int g = at->second;
      ready.erase(at);
      for (int v : reads_[g]) --readers_left_[v];
      for (int h : readers_[g])
        if (--waits_for[h] == 0) push(h);
      order.push_back(std::move(plan_.groups[g]));
    }
    check(order.size() == n, "plan: groups wait for each other");
    plan_.groups = std::move(order);
  }

 private:
  /// Whose memory a value is in.
  int root(int v) const {
    while (plan_.values[v].view()) v = plan_.values[v].in[0];
    return v;
  }

  int64_t arena_bytes(int v) const {
    const Value& w = plan_.values[v];
    return w.op && !w.output && !w.view() && w.home == Home::kMemory ? w.bytes() : 0;
  }

  /// How much more memory is in use after group g has run.
  int64_t growth(int g) const {
    int64_t bytes = 0;
    for (int v : plan_.groups[g].values) bytes += arena_bytes(v);
    for (int v : reads_[g])
      if (readers_left_[v] == 1) bytes -= arena_bytes(v);
    return bytes;
  }

  template <class Ready>
  typename Ready::iterator best(const Ready& ready) const {
    auto choice = ready.begin();
    int64_t least = growth(choice->second);
    for (auto i = std::next(ready.begin()); i != ready.end() && least > 0; ++i) {
      const int64_t bytes = growth(i->second);
      if (bytes < least) {
        least = bytes;
        choice = i;
      }
    }
    return choice;
  }

  Plan& plan_;
  std::vector<int> maker_;                 // by value: its group
  std::vector<std::set<int>> reads_;       // by group: values in memory
  std::vector<std::vector<int>> readers_;  // by group: groups
  std::vector<int> readers_left_;          // by value: groups that have yet to run
};

}  // namespace

void order_groups(Plan& plan) { Ordering(plan).run(); }

}  // namespace ballast::plan

#include <algorithm>

#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

constexpr int64_t kAlign = 64;

struct Life {
  int value, from, to;
  int64_t bytes;
};

}  // namespace

// Values are placed one by one, largest first, each at the lowest offset where it overlaps none
// that lives at the same time (Pisarchyk & Lee 2020, "greedy by size").
void place_memory(Plan& plan, bool share) {
  auto& values = plan.values;
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i].view()) {
      const int in = values[i].in[0];
      values[i].alias = values[in].alias >= 0 ? values[in].alias : in;
    }
  auto root = [&](int v) { return values[v].alias >= 0 ? values[v].alias : v; };
  std::vector<char> outside(values.size());
  for (int out : plan.outputs) outside[root(out)] = 1;

  std::vector<Life> lives(values.size(), Life{-1, -1, -1, 0});
  for (int g = 0; g < static_cast<int>(plan.groups.size()); ++g)
    for (int v : plan.groups[g].values) {
      for_each_read(plan, v, [&](int in) { lives[root(in)].to = g; });
      if (values[v].home != Home::kMemory) continue;
      Life& life = lives[root(v)];
      if (life.from < 0) life.from = g;
      life.to = std::max(life.to, g);
    }
  std::vector<Life> temporary;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i].op || values[i].alias >= 0 || outside[i] || values[i].home != Home::kMemory)
      continue;
    if (!share) lives[i] = {-1, 0, static_cast<int>(plan.groups.size()), 0};
    lives[i].value = static_cast<int>(i);
    lives[i].bytes = (std::max<int64_t>(values[i].bytes(), 1) + kAlign - 1) / kAlign * kAlign;
    temporary.push_back(lives[i]);
  }
  std::stable_sort(temporary.begin(), temporary.end(),
                   [](const Life& a, const Life& b) { return a.bytes > b.bytes; });
  std::vector<Life> placed;  // by offset
  for (const Life& life : temporary) {
    int64_t offset = 0;
    for (const Life& other : placed) {
      if (other.to < life.from || life.to < other.from) continue;
      const int64_t start = values[other.value].offset;
      if (offset + life.bytes <= start) break;
      offset = std::max(offset, start + other.bytes);
    }
    values[life.value].offset = offset;
    plan.arena_bytes = std::max(plan.arena_bytes, offset + life.bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [&](int64_t o, const Life& l) { return o < values[l.value].offset; }),
        life);
  }
}

}  // namespace ballast::plan

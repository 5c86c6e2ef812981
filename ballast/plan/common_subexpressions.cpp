#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "ballast/plan/plan.h"

namespace ballast::plan {
namespace {

/// Everything that makes a value what it is, as bytes: two values with equal bytes are equal.
std::string identity(const Value& v) {
  std::string s;
  auto put = [&](const void* p, size_t n) { s.append(static_cast<const char*>(p), n); };
  put(&v.op, sizeof v.op);
  put(&v.dtype, sizeof v.dtype);
  const auto bytes = v.attributes.bytes();
  put(bytes.data(), bytes.size());
  put(v.shape.begin(), v.shape.rank() * sizeof(int64_t));
  s.push_back('|');
  for (int in : v.in) put(&in, sizeof in);
  return s;
}

}  // namespace

void common_subexpressions(Plan& plan) {
  std::unordered_map<std::string, int> seen;
  std::vector<int> same(plan.values.size());
  for (size_t i = 0; i < plan.values.size(); ++i) {
    Value& v = plan.values[i];
    same[i] = static_cast<int>(i);
    if (!v.op) continue;
    for (int& in : v.in) in = same[in];
    // An output keeps memory of its own; it may still serve as the one others are replaced by.
    auto [it, fresh] = seen.try_emplace(identity(v), static_cast<int>(i));
    if (!fresh && !v.output) same[i] = it->second;
  }
  drop_and_sort(plan);
}

}  // namespace ballast::plan

// PyTorch's own test samples for its layers, and what PyTorch computed on them
// (scripts/golden/module_db.py).
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ballast/nn/options.h"
#include "ballast/ops/loss.h"

namespace ballast::test {

/// A tensor of the file; undefined for null.
Tensor stored_tensor(const nlohmann::json& reference);

/// The arguments of a call, by position or by name. What is never asked for is noticed.
class Arguments {
 public:
  explicit Arguments(const nlohmann::json& call);

  const nlohmann::json* find(size_t position, const std::string& name);
  bool given(size_t position, const std::string& name) { return find(position, name) != nullptr; }
  /// Whether the argument is there and None.
  bool none(size_t position, const std::string& name);
  double number(size_t position, const std::string& name, std::optional<double> otherwise = {});
  int64_t integer(size_t position, const std::string& name, std::optional<int64_t> otherwise = {});
  bool flag(size_t position, const std::string& name, std::optional<bool> otherwise = {});
  std::string text(size_t position, const std::string& name, const std::string& otherwise = "");
  /// Whole numbers: one alone, or several. None among them is -1.
  std::vector<int64_t> integers(size_t position, const std::string& name);
  /// The same for each of `Rank` dimensions.
  template <int Rank>
  nn::Sizes<Rank> sizes(size_t position, const std::string& name,
                        std::optional<int64_t> otherwise = {}) {
    if (!given(position, name)) return otherwise.value();
    const std::vector<int64_t> v = integers(position, name);
    if (v.size() == 1) return v[0];
    std::array<int64_t, Rank> out;
    for (int d = 0; d < Rank; ++d) out[d] = v.at(d);
    return out;
  }
  Tensor tensor(size_t position, const std::string& name);
  Reduction reduction();

  /// What nobody asked for.
  std::vector<std::string> unused() const;

 private:
  const nlohmann::json& call_;
  std::set<std::string> used_;
};

/// All samples, by layer.
const std::map<std::string, std::vector<nlohmann::json>>& module_samples();

}  // namespace ballast::test

// Values made by real PyTorch: scripts/golden/layers.py writes them and says what they mean.
#pragma once

#include <array>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::test {

/// The cases of one operation in a file of tests/golden/. Throws where there are none.
const nlohmann::json& layer_cases(const std::string& operation,
                                  const std::string& file = "layers.json");

/// Runs `f` on the inputs of `golden` in float64 and expects PyTorch's shape, values and gradients.
void expect_case(const nlohmann::json& golden,
                 const std::function<Tensor(const std::vector<Tensor>&)>& f);

/// Expects `got` to hold `want`, which is stored with ten digits.
void expect_values(const Tensor& got, const nlohmann::json& want, const std::string& what);

/// An option that PyTorch takes as one number or one per dimension.
std::array<int64_t, 2> pair_of(const nlohmann::json& options, const char* name,
                               std::array<int64_t, 2> otherwise);

}  // namespace ballast::test

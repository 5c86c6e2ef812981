// Values and gradients of operations as PyTorch computes them (scripts/golden/ops_b.py).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::test {

/// Expects `f` of the case's inputs to have PyTorch's shape, type, values and gradients, to within
/// `tolerance` of the larger of 1 and the value. The inputs are float64: what remains are a few
/// roundings, 1e-16 each.
void expect_golden(const std::string& name,
                   const std::function<Tensor(const std::vector<Tensor>&)>& f,
                   double tolerance = 1e-13);
/// The same for functions of one tensor.
void expect_golden(const std::string& name, Tensor (*f)(const Tensor&));

/// Expects `got` to have the shape, type and values stored under `group` (an object or a list).
void expect_stored(const std::string& group, const std::string& key, const Tensor& got,
                   double tolerance = 0);

/// Tensors, and how PyTorch prints them.
std::vector<std::pair<Tensor, std::string>> printed();
/// How PyTorch prints arange(3000.0) as (3, 10, 100).
std::string summarized();

}  // namespace ballast::test

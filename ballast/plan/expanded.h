// A pass within the normal form.
#pragma once

#include "ballast/plan/plan.h"

namespace ballast::plan {

/// Works on the elements that expanded tensors repeat, not on the repetitions: operations by
/// element and slices of an expanded tensor are expansions of those of the small one, and its sums
/// are sums of the small one, some number of times.
void lift_expansions(Plan& plan);

}  // namespace ballast::plan

// Running kernels as compiled for every vector target that this machine has.
#pragma once

#include <functional>

namespace ballast::test {

/// Calls `f` once for each target, while kernels run as compiled for it; on this thread only, with
/// no other thread in a kernel. Failures name the target.
void for_each_target(const std::function<void()>& f);

}  // namespace ballast::test

#include "tests/support/targets.h"

#include <gtest/gtest.h>

#include "hwy/highway.h"

namespace ballast::test {

void for_each_target(const std::function<void()>& f) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
}

}  // namespace ballast::test

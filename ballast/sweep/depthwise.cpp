#include "ballast/sweep/sweep.h"

namespace ballast::sweep {

std::unique_ptr<Sweep> build_depthwise(const plan::Plan&, const plan::Group&) { return nullptr; }

}  // namespace ballast::sweep

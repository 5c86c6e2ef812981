// What a batch size costs and brings: error of statistics, noise of gradients, time, memory.
#pragma once

#include "ballast/study/finding.h"
#include "ballast/study/lab.h"

namespace ballast::study {

/// The learning rate for a batch size: in proportion to it, at most 0.2 (Goyal et al. 2017,
/// arXiv:1706.02677).
double rate_of(int64_t batch);

/// How often `add_costs` measures.
int64_t cost_measurements(const Lab& lab);
/// Appends tables, figures and sentences.
void add_costs(Lab& lab, Finding& f);

}  // namespace ballast::study

// Random numbers that are drawn by rejection: each takes as many draws as it takes.
#pragma once

#include <span>

#include "ballast/base/random.h"

namespace ballast {

/// Replaces each `shape[i]` >= 0 by a number of the gamma distribution of this shape and rate 1, as
/// `torch._standard_gamma`: the method of Marsaglia and Tsang ("A simple method for generating
/// gamma variables", 2000), for shapes below 1 by way of shape + 1. No result is below the least
/// positive float. NaN stays NaN. Throws Error where a shape is negative.
void standard_gamma(std::span<double> shape, Generator& generator);

/// Replaces each `rate[i]` >= 0 by a whole number of the Poisson distribution, as `torch.poisson`:
/// products of uniform numbers below a rate of 10, else the transformed rejection of Hörmann ("The
/// transformed rejection method for generating Poisson random variables", 1993). Throws Error where
/// a rate is negative or not a number.
void poisson(std::span<double> rate, Generator& generator);

}  // namespace ballast

// What the rules of diagnosis share. Not part of the public interface.
#pragma once

#include <string>
#include <vector>

#include "ballast/study/diagnose.h"

namespace ballast::study {

using Faults = std::vector<Fault>;
using Layers = std::vector<const LayerMeasurement*>;

// Distances are in standard deviations of a channel. Networks trained on the digits with a learning
// rate that ends low keep below 0.12 beyond chance (MLP, CNN, ResNet-20, several seeds and batch
// sizes); from 0.2 on recalibrating them changed what they say.
constexpr double kDistance = 0.2;

/// Whether the running statistics are the initial ones.
bool never_updated(const LayerMeasurement& l);
/// Layers whose record (running statistics that were updated) disagrees with the data, beyond
/// chance.
Layers off_record(const Measurements& m);
std::vector<std::string> names(const Layers& layers);
/// "bn1", "bn1 and 4 more layers".
std::string some(const std::vector<std::string>& layers);
/// Whether a change of the network that leads to `loss` would be for the better, as far as is
/// known.
bool helps(const Measurements& m, double loss);
/// "; the loss would be ..."; nothing where no loss is known.
std::string losses(const Measurements& m, double loss);
/// Channels whose ReLU never opens, or whose weight is near 0.
std::vector<int64_t> dead_channels(const LayerMeasurement& l);

/// The rules that look at the record, and at dead channels, which may explain it.
void judge_record(const Measurements& m, Faults& out);

}  // namespace ballast::study

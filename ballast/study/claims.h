// What is said of batch normalization, each with the experiment that measures it.
#pragma once

#include <span>
#include <string>

#include "ballast/study/finding.h"
#include "ballast/study/lab.h"

namespace ballast::study {

struct Claim {
  const char* name;        ///< "convergence"
  const char* title;       ///< "Fewer epochs to an accuracy"
  const char* statement;   ///< what is said
  const char* method;      ///< what is measured
  const char* literature;  ///< what was found before, with references
  Finding (*measure)(Lab&);
  /// Why plain networks of the study's own are measured, whatever network the study is of; null:
  /// the study's network is.
  const char* own_networks = nullptr;
};

/// All claims, in the order of a report.
std::span<const Claim> claims();
/// The claim called `name`. Throws KeyError, which lists what there is.
const Claim& claim(const std::string& name);
/// "convergence, overfitting, ..."
std::string claim_names();

// One file each, or per family.
Finding convergence(Lab& lab);
Finding learning_rate(Lab& lab);
Finding gradient_flow(Lab& lab);
Finding overfitting(Lab& lab);
Finding input_distributions(Lab& lab);
Finding initialization(Lab& lab);
Finding placement(Lab& lab);
Finding scale_and_shift(Lab& lab);
Finding extremes(Lab& lab);
Finding batch_size(Lab& lab);
Finding covariate_shift(Lab& lab);
Finding smoothness(Lab& lab);
Finding generalization(Lab& lab);
Finding co_adaptation(Lab& lab);
Finding variants(Lab& lab);

/// The rates and epochs of `convergence`, whose trainings others look at, too.
std::vector<double> convergence_rates(const Lab& lab);
int64_t convergence_epochs(const Lab& lab);

}  // namespace ballast::study

// Plans made with passes switched off, and how far what they compute is apart.
#pragma once

#include <cmath>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ballast/plan/plan.h"

namespace ballast::test {

/// While it lives, plans of this thread are made with these options.
class WithOptions {
 public:
  explicit WithOptions(const plan::Options& options)
      : before_(std::exchange(plan::options(), options)) {}
  ~WithOptions() { plan::options() = before_; }
  WithOptions(const WithOptions&) = delete;
  WithOptions& operator=(const WithOptions&) = delete;

 private:
  plan::Options before_;
};

/// All passes but one.
inline plan::Options without(bool plan::Options::*pass) {
  plan::Options o;
  o.*pass = false;
  return o;
}

/// Nothing but the fast kernels, or not even these.
inline plan::Options bare(bool fast = true) {
  plan::Options o;
  for (const plan::Pass& p : plan::kPasses) o.*p.option = false;
  o.fast = fast;
  return o;
}

/// What `f` makes of the options that a new thread reads where `variable` is `value`, or the error.
/// (Options are read once per thread.)
template <class F>
std::string with_environment(const char* variable, const char* value, const F& f) {
  setenv(variable, value, 1);
  std::string said;
  std::thread([&] {
    try {
      said = f(plan::options());
    } catch (const ValueError& e) {
      said = e.what();
    }
  }).join();
  unsetenv(variable);
  return said;
}

/// The norm of a, or of a - b.
inline double norm_of(const std::vector<float>& a, const std::vector<float>* b = nullptr) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i)
    sum += std::pow(static_cast<double>(a[i]) - (b ? (*b)[i] : 0.0F), 2);
  return std::sqrt(sum);
}

}  // namespace ballast::test

// Learning-rate schedules, by PyTorch's recursive formulas.
#pragma once

#include <string>
#include <vector>

#include "ballast/train/optim.h"

namespace ballast::optim {

/// Changes the learning rates of an optimizer, which must outlive it, once an epoch.
class LRScheduler {
 public:
  virtual ~LRScheduler() = default;

  /// Sets the rates of the next epoch.
  void step();
  int64_t last_epoch() const { return last_epoch_; }
  /// The kind with its options: "StepLR(step_size=3, gamma=0.1)".
  virtual std::string str() const = 0;

  /// "last_epoch" (int64 scalar) and "base_lrs" (float64, one per group). The rates themselves are
  /// in the optimizer's state.
  StateDict state_dict() const;
  /// Throws Error where a name is missing or the number of groups differs.
  void load_state_dict(const StateDict& state);

 protected:
  explicit LRScheduler(Optimizer& optimizer);
  /// Sets the rates of epoch 0. Called by the constructors of the schedules.
  void start() { step(); }
  /// The rate of epoch `last_epoch()` from that of the epoch before and the initial one.
  virtual double next(double lr, double base_lr) const = 0;

 private:
  Optimizer* optimizer_;
  std::vector<double> base_lrs_;
  int64_t last_epoch_ = -1;
};

/// Multiplied by gamma every step_size epochs.
class StepLR final : public LRScheduler {
 public:
  StepLR(Optimizer& optimizer, int64_t step_size, double gamma = 0.1);
  std::string str() const override;

 protected:
  double next(double lr, double base_lr) const override;

 private:
  int64_t step_size_;
  double gamma_;
};

/// Multiplied by gamma at each of the given epochs (twice where one is given twice).
class MultiStepLR final : public LRScheduler {
 public:
  MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma = 0.1);
  std::string str() const override;

 protected:
  double next(double lr, double base_lr) const override;

 private:
  std::vector<int64_t> milestones_;
  double gamma_;
};

/// From start_factor to end_factor times the initial rate, in equal steps, over total_iters epochs.
struct LinearLROptions {
  double start_factor = 1.0 / 3.0, end_factor = 1.0;
  int64_t total_iters = 5;
};
class LinearLR final : public LRScheduler {
 public:
  explicit LinearLR(Optimizer& optimizer, LinearLROptions options = {});
  std::string str() const override;

 protected:
  double next(double lr, double base_lr) const override;

 private:
  LinearLROptions options_;
};

/// eta_min + (lr - eta_min)*(1 + cos(pi*epoch/t_max))/2 (Loshchilov & Hutter 2017,
/// arXiv:1608.03983, without restarts).
class CosineAnnealingLR final : public LRScheduler {
 public:
  CosineAnnealingLR(Optimizer& optimizer, int64_t t_max, double eta_min = 0.0);
  std::string str() const override;

 protected:
  double next(double lr, double base_lr) const override;

 private:
  int64_t t_max_;
  double eta_min_;
};

}  // namespace ballast::optim

#include "ballast/train/lr_scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ballast::optim {

using std::numbers::pi;

LRScheduler::LRScheduler(Optimizer& optimizer) : optimizer_(&optimizer) {
  for (size_t g = 0; g < optimizer.num_groups(); ++g) base_lrs_.push_back(optimizer.lr(g));
}

void LRScheduler::step() {
  ++last_epoch_;
  for (size_t g = 0; g < base_lrs_.size(); ++g)
    optimizer_->set_lr(next(optimizer_->lr(g), base_lrs_[g]), g);
}

StateDict LRScheduler::state_dict() const {
  return {{"last_epoch", Tensor::from(std::span<const int64_t>(&last_epoch_, 1), Shape{})},
          {"base_lrs", Tensor::from(std::span<const double>(base_lrs_),
                                    Shape{static_cast<int64_t>(base_lrs_.size())})}};
}

void LRScheduler::load_state_dict(const StateDict& state) {
  Tensor epoch, rates;
  for (const auto& [name, t] : state) {
    if (name == "last_epoch") epoch = t;
    if (name == "base_lrs") rates = t;
  }
  check(epoch.defined() && rates.defined(), "loaded scheduler state needs last_epoch and base_lrs");
  check(rates.numel() == static_cast<int64_t>(base_lrs_.size()),
        "loaded scheduler state has {} parameter groups, the optimizer has {}", rates.numel(),
        base_lrs_.size());
  base_lrs_ = rates.to(DType::kFloat64).values<double>();
  last_epoch_ = epoch.item<int64_t>();
}

StepLR::StepLR(Optimizer& optimizer, int64_t step_size, double gamma)
    : LRScheduler(optimizer), step_size_(step_size), gamma_(gamma) {
  check<ValueError>(step_size > 0, "StepLR: step_size must be positive, got {}", step_size);
  start();
}

std::string StepLR::str() const {
  return fmt::format("StepLR(step_size={}, gamma={})", step_size_, gamma_);
}

double StepLR::next(double lr, double) const {
  return last_epoch() == 0 || last_epoch() % step_size_ != 0 ? lr : lr * gamma_;
}

MultiStepLR::MultiStepLR(Optimizer& optimizer, std::vector<int64_t> milestones, double gamma)
    : LRScheduler(optimizer), milestones_(std::move(milestones)), gamma_(gamma) {
  start();
}

std::string MultiStepLR::str() const {
  return fmt::format("MultiStepLR(milestones=[{}], gamma={})", fmt::join(milestones_, ", "),
                     gamma_);
}

double MultiStepLR::next(double lr, double) const {
  const auto times = std::ranges::count(milestones_, last_epoch());
  return times == 0 ? lr : lr * std::pow(gamma_, static_cast<double>(times));
}

LinearLR::LinearLR(Optimizer& optimizer, LinearLROptions options)
    : LRScheduler(optimizer), options_(options) {
  check<ValueError>(options.start_factor > 0 && options.start_factor <= 1,
                    "Starting multiplicative factor expected to be greater than 0 and less or "
                    "equal to 1.");
  check<ValueError>(options.end_factor >= 0 && options.end_factor <= 1,
                    "Ending multiplicative factor expected to be between 0 and 1.");
  start();
}

std::string LinearLR::str() const {
  return fmt::format("LinearLR(start_factor={}, end_factor={}, total_iters={})",
                     options_.start_factor, options_.end_factor, options_.total_iters);
}

double LinearLR::next(double lr, double) const {
  const auto& [from, to, iterations] = options_;
  if (last_epoch() == 0) return lr * from;
  if (last_epoch() > iterations) return lr;
  const auto before = static_cast<double>(last_epoch() - 1);
  return lr * (1 + (to - from) / (static_cast<double>(iterations) * from + before * (to - from)));
}

CosineAnnealingLR::CosineAnnealingLR(Optimizer& optimizer, int64_t t_max, double eta_min)
    : LRScheduler(optimizer), t_max_(t_max), eta_min_(eta_min) {
  check<ValueError>(t_max > 0, "CosineAnnealingLR: t_max must be positive, got {}", t_max);
  start();
}

std::string CosineAnnealingLR::str() const {
  return fmt::format("CosineAnnealingLR(t_max={}, eta_min={})", t_max_, eta_min_);
}

double CosineAnnealingLR::next(double lr, double base_lr) const {
  const int64_t epoch = last_epoch();
  if (epoch == 0) return lr;
  const auto t = static_cast<double>(t_max_);
  if ((epoch - 1 - t_max_) % (2 * t_max_) == 0)
    return lr + (base_lr - eta_min_) * (1 - std::cos(pi / t)) / 2;
  return (1 + std::cos(pi * static_cast<double>(epoch) / t)) /
             (1 + std::cos(pi * static_cast<double>(epoch - 1) / t)) * (lr - eta_min_) +
         eta_min_;
}

}  // namespace ballast::optim

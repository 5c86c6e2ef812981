#include "ballast/train/metrics.h"

#include <unistd.h>

#include <algorithm>

namespace ballast::train {

int64_t correct_count(const Tensor& logits, const Tensor& labels) {
  check<ValueError>(logits.dim() == 2 && labels.dim() == 1 && logits.size(0) == labels.size(0),
                    "accuracy: expected logits (N, C) and labels (N), got shapes {} and {}",
                    logits.shape(), labels.shape());
  if (is_half(logits.dtype())) return correct_count(logits.to(DType::kFloat32), labels);
  const auto label = labels.data<int64_t>();
  const int64_t n = logits.size(0), classes = logits.size(1);
  return dispatch_floating(logits.dtype(), "accuracy", [&](auto zero) {
    const auto row = logits.data<decltype(zero)>();
    int64_t correct = 0;
    for (int64_t i = 0; i < n; ++i) {
      const auto begin = row.begin() + i * classes;
      correct += std::max_element(begin, begin + classes) - begin == label[i];
    }
    return correct;
  });
}

double accuracy(const Tensor& logits, const Tensor& labels) {
  return static_cast<double>(correct_count(logits, labels)) / static_cast<double>(labels.numel());
}

Progress::Progress(std::string label, int64_t total, std::FILE* out)
    : label_(std::move(label)), total_(total), out_(out), terminal_(::isatty(::fileno(out)) != 0) {}

std::string Progress::line(int64_t done, const std::string& note) const {
  constexpr int64_t kWidth = 24;
  const int64_t filled =
      total_ > 0 ? std::clamp<int64_t>(kWidth * done / total_, 0, kWidth) : kWidth;
  const std::string bar = std::string(filled, '#') + std::string(kWidth - filled, '.');
  return fmt::format("{} [{}] {}/{}{}{}", label_, bar, done, total_, note.empty() ? "" : "  ",
                     note);
}

void Progress::update(int64_t done, const std::string& note) {
  if (terminal_) {
    const auto now = std::chrono::steady_clock::now();
    if (open_ && done < total_ && now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    open_ = true;
    // Back to the line's start, and whatever was longer there before is erased.
    fmt::print(out_, "\r{}\x1b[K", line(done, note));
    std::fflush(out_);
    return;
  }
  const int64_t tenths = total_ > 0 ? 10 * done / total_ : 10;
  if (tenths == tenths_) return;
  tenths_ = tenths;
  fmt::print(out_, "{} {}/{}{}{}\n", label_, done, total_, note.empty() ? "" : "  ", note);
}

void Progress::finish() {
  if (open_) fmt::print(out_, "\n");
  open_ = false;
}

}  // namespace ballast::train

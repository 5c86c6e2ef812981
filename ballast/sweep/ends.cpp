#include "ballast/sweep/ends.h"

#include <cstring>

namespace ballast::sweep {

Rows::Rows(const plan::Value& v) {
  const int rank = v.shape.rank();
  const bool last = v.layout == Layout::kChannelsLast && rank >= 3;
  columns = rank == 0 ? 1 : last ? v.shape[1] : v.shape.back();
  count = columns ? v.shape.numel() / columns : 0;
}

class Program {};

Source::Source(const plan::Plan& plan, int value)
    : rows_(plan.values[value]), value_(value), pitch_(rows_.columns) {}
Source::Source(Source&&) noexcept = default;
Source& Source::operator=(Source&&) noexcept = default;
Source::~Source() = default;

const float* Source::memory(Pointers p) const {
  return value_ >= 0 ? reinterpret_cast<const float*>(p[value_]) + offset_ : nullptr;
}

void Source::read(Pointers p, int64_t row, int64_t rows, int64_t c, int64_t n, float* to,
                  int64_t ld) const {
  const float* from = memory(p) + row * pitch_ + c;
  for (int64_t r = 0; r < rows; ++r) std::memcpy(to + r * ld, from + r * pitch_, n * sizeof(float));
}

struct Sink::Parts {
  Rows rows;
  int value;
};

Sink::Sink(const plan::Plan& plan, const plan::Group& group)
    : parts_(new Parts{Rows(plan.values[group.values[0]]), group.values[0]}) {}
Sink::Sink(Sink&&) noexcept = default;
Sink::~Sink() = default;

int64_t Sink::rows() const { return parts_->rows.count; }
int64_t Sink::columns() const { return parts_->rows.columns; }
float* Sink::memory(Pointers p) const { return reinterpret_cast<float*>(p[parts_->value]); }
int64_t Sink::pitch() const { return parts_->rows.columns; }

Sink::Run::Run(const Sink& sink, Pointers p, int64_t pieces)
    : sink_(sink), p_(p), pieces_(pieces) {}
void Sink::Run::take(int64_t, int64_t, int64_t, int64_t, int64_t) const {}
void Sink::Run::finish() const {}

}  // namespace ballast::sweep

#include "ballast/sweep/convert.h"

#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/kernels/transpose.h"
#include "ballast/sweep/sweep.h"

namespace ballast::sweep {
namespace {

// Floats that a piece of work copies: 64 KB, which fit an L2 twice.
constexpr int64_t kTile = 16 * 1024;

class ConvertSweep final : public Sweep {
 public:
  ConvertSweep(const Shape& shape, bool to_channels_last, int in, int out)
      : shape_(shape), to_channels_last_(to_channels_last), in_(in), out_(out) {}

  const char* kernel() const override { return "transpose"; }
  void run(Pointers p, const Lent&) const override {
    convert_layout(shape_, to_channels_last_, reinterpret_cast<const float*>(p[in_]),
                   reinterpret_cast<float*>(p[out_]));
  }

 private:
  Shape shape_;
  bool to_channels_last_;
  int in_, out_;
};

}  // namespace

void convert_layout(const Shape& s, bool to_channels_last, const float* in, float* out) {
  int64_t rows = s[1], columns = s.span_numel(2, s.rank());
  const int64_t size = rows * columns;
  if (s.numel() == 0) return;
  if (!to_channels_last) std::swap(rows, columns);
  // Bands of whole cache lines along the longer side.
  const bool down = rows > columns;
  const int64_t length = down ? rows : columns;
  const int64_t band = std::max<int64_t>(kTile / std::min(rows, columns) / 16, 1) * 16;
  const int64_t bands = (length + band - 1) / band;
  parallel_for(s[0] * bands, 2.0 * static_cast<double>(s.numel()), [&](int64_t i) {
    const int64_t begin = i % bands * band, n = std::min(band, length - begin);
    const float* from = in + i / bands * size;
    float* to = out + i / bands * size;
    if (down)
      kernels::transpose(from + begin * columns, columns, n, columns, to + begin, rows);
    else
      kernels::transpose(from + begin, columns, rows, n, to + begin * rows, rows);
  });
}

void convert_layout(const Operand& in, const Operand& out, bool to_channels_last) {
  if (in.dtype == DType::kFloat32)
    return convert_layout(in.shape, to_channels_last, in.as<float>(), out.as<float>());
  const Attributes a(plan::ConvertAttributes{to_channels_last});
  plan::convert_layout_op().reference(Call{{&in, 1}, out, a});
}

std::unique_ptr<Sweep> build_convert(const plan::Plan& plan, int value) {
  const plan::Value& v = plan.values[value];
  if (v.op != &plan::convert_layout_op() || v.dtype != DType::kFloat32) return nullptr;
  const bool to_channels_last = v.attributes.as<plan::ConvertAttributes>().to_channels_last;
  return std::make_unique<ConvertSweep>(v.shape, to_channels_last, v.in[0], value);
}

}  // namespace ballast::sweep

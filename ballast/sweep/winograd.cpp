// How Winograd's sweeps cut images into tiles, and read them.
#include "ballast/sweep/winograd.h"

#include <algorithm>

#include "ballast/ops/conv.h"
#include "ballast/sweep/winograd_conv.h"
#include "ballast/sweep/winograd_weight_grad.h"

namespace ballast::sweep {
namespace winograd {

Geometry geometry(const plan::Plan& plan, const plan::Value& v) {
  const bool forward = v.op == &conv2d_op(), input_grad = v.op == &conv2d_input_grad_op(),
             weight_grad = v.op == &conv2d_weight_grad_op();
  Geometry none{};
  if (v.dtype != DType::kFloat32 || !(forward || input_grad || weight_grad)) return none;
  auto shape = [&](int i) -> const Shape& { return plan.values[v.in[i]].shape; };
  const Shape& w = weight_grad ? v.shape : shape(1);
  const auto& a = v.attributes.as<Conv2dAttributes>();
  if (a.direct || w[2] != 3 || w[3] != 3 || a.groups != 1 || v.shape.numel() == 0 ||
      shape(0).numel() == 0 || shape(1).numel() == 0)
    return none;
  for (int d : {0, 1})
    if (a.stride[d] != 1 || a.dilation[d] != 1) return none;
  const Shape& x = weight_grad ? shape(1) : shape(0);
  const Shape& y = weight_grad ? shape(0) : v.shape;
  Geometry g{x[0], x[2], x[3], x[1], y[2], y[3], y[1], {a.padding[0], a.padding[1]}};
  if (input_grad)
    for (int64_t& pad : g.pad) pad = 2 - pad;
  return g;
}

int tile_size(const Geometry& g) {
  // In multiply-adds of a product at its peak; fitted to times on one core of a Zen 3 (AVX2) over
  // images of 1 to 56 pixels a side, 1 to 128 of them, and 1 to 512 channels. Both algorithms make
  // whole vectors of channels, products at 1/1.2 of the peak. A tile costs its products and, for
  // each coordinate, its transforms (14 a channel) and 300 for the rest; a pixel of the direct
  // convolution, for each tap, 90 for the rest. Weights are transformed at 22 an element, every
  // time in deep layers; elsewhere they are kept for as long as they stay the same, and 10 is what
  // packing them for the direct convolution costs.
  const auto weights = static_cast<double>(g.in * g.out);
  const auto product = 1.2 * static_cast<double>(g.in * round_up(g.out, 8));
  const auto channels = static_cast<double>(round_up(g.in, 8) + round_up(g.out, 8));
  const double weight = g.in * g.out > kDeep ? 22 : 12;
  double best = 9 * (product + 90) * static_cast<double>(g.images * g.out_height * g.out_width);
  int chosen = 0;
  for (int m : {4, 2}) {
    const Tiling t(g, m);
    const double cost = t.coordinates() * (weight * weights + static_cast<double>(t.tiles()) *
                                                                  (product + 14 * channels + 300));
    if (cost < best) {
      best = cost;
      chosen = m;
    }
  }
  return chosen;
}

Blocks::Blocks(const Tiling& tiling, int64_t most) : rows_(tiling.rows), columns_(tiling.across) {
  count_across_ = ceil_div(columns_, most + most / 6);
  count_down_ = ceil_div(rows_, std::max<int64_t>(most / columns_, 1));
  if (count_across_ == 1) count_down_ = balanced(count_down_);
  // As equal as they can be; of few rows that may be fewer parts.
  across_ = ceil_div(columns_, count_across_);
  down_ = ceil_div(rows_, count_down_);
  count_across_ = ceil_div(columns_, across_);
  count_down_ = ceil_div(rows_, down_);
}

Block Blocks::operator[](int64_t i) const {
  const int64_t row = i / count_across_ * down_, column = i % count_across_ * across_;
  return {row, std::min(rows_, row + down_), column, std::min(across_, columns_ - column)};
}

int64_t Reader::floats(const Source& source, const Window& w, int64_t across, Pointers p) {
  if (source.memory(p)) return 0;
  return w.kept() * std::min(w.width, (across - 1) * w.step + w.span) * source.columns();
}

void Reader::fetch(const Source& source, const Window& w, const Tiling& tiling, const Block& b,
                   Pointers p, kernels::Fetch& list) {
  const auto line = [&](int64_t r, int64_t offset) {
    return tiling.image(r) * w.height +
           std::clamp<int64_t>(r % tiling.down * w.step - w.pad[0] + offset, 0, w.height - 1);
  };
  const int64_t first = line(b.row, 0), last = line(b.end - 1, w.span - 1);
  const bool whole = b.across == tiling.across;
  const int64_t left = b.column * w.step - w.pad[1];
  const int64_t end = std::clamp<int64_t>(left + (b.across - 1) * w.step + w.span, 0, w.width);
  fetch_lines(source, p, first, last, w.width, whole ? 0 : std::clamp<int64_t>(left, 0, end),
              whole ? w.width : end, 0, source.columns(), list);
}

Reader::Reader(const Source& source, Pointers p, const Window& w, float* memory)
    : source_(source), p_(p), w_(w), in_memory_(source.memory(p)), memory_(memory) {
  pitch_ = in_memory_ ? source.pitch() : source.columns();
  kept_ = w.kept();
  // Rows new to tiles r are r*step - pad + span - step onwards.
  offset_ = w.pad[0] - w.span + w.step + kept_;
  std::fill_n(held_, kMostRows, -1);
}

void Reader::hold(int64_t first, int64_t end, int64_t width) {
  for (int64_t row = first, count; row < end; row += count) {
    const int64_t to = place(row);
    count = 1;
    if (held_[to] == row) continue;
    if (width == w_.width)
      while (row + count < end && to + count < kept_ && held_[to + count] != row + count) ++count;
    source_.read(p_, (image_ * w_.height + row) * w_.width + begin_, count * width, 0, pitch_,
                 memory_ + to * width * pitch_, pitch_);
    for (int64_t i = 0; i < count; ++i) held_[to + i] = row + i;
  }
}

kernels::TilesRead Reader::operator()(const Tiling& tiling, const Block& b, int64_t r) {
  const int64_t image = tiling.image(r), across = b.across;
  // Pixels [begin, end) of a row are needed; there may be none.
  const int64_t left = b.column * w_.step - w_.pad[1], top = r % tiling.down * w_.step - w_.pad[0];
  const int64_t end = std::clamp<int64_t>(left + (across - 1) * w_.step + w_.span, 0, w_.width);
  const int64_t begin = std::clamp<int64_t>(left, 0, end), width = end - begin;
  if (image != image_ || begin != begin_) std::fill_n(held_, kMostRows, -1);
  image_ = image;
  begin_ = begin;
  if (!in_memory_ && width > 0)
    hold(std::max<int64_t>(top, 0), std::min(top + w_.span, w_.height), width);
  for (int64_t i = 0; i < w_.span; ++i) {
    const int64_t row = top + i;
    if (row < 0 || row >= w_.height)
      rows_[i] = nullptr;
    else if (in_memory_)
      rows_[i] = in_memory_ + ((image * w_.height + row) * w_.width + begin) * pitch_;
    else
      rows_[i] = memory_ + place(row) * width * pitch_;
  }
  return {rows_, pitch_, width, left - begin, across, source_.columns()};
}

void transform_input(const Tiling& tiling, const Block& b, Reader& reader,
                     kernels::Transformed to) {
  for (int64_t r = b.row; r < b.end; ++r, to.at += b.across * to.tile)
    kernels::winograd_input(tiling.m, reader(tiling, b, r), to);
}

}  // namespace winograd

std::unique_ptr<Sweep> build_winograd(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& v = plan.values[group.values[0]];
  const winograd::Geometry g = winograd::geometry(plan, v);
  if (!g.images || !plan::options().winograd) return nullptr;
  const int m = winograd::tile_size(g);
  if (!m) return nullptr;
  const auto fitting = [](auto sweep) -> std::unique_ptr<Sweep> {
    return sweep->fits() ? std::move(sweep) : nullptr;
  };
  if (v.op != &conv2d_weight_grad_op())
    return fitting(std::make_unique<winograd::ConvSweep>(plan, group, g, m));
  if (group.values.size() > 1) return nullptr;
  return fitting(std::make_unique<winograd::WeightGradSweep>(plan, group.values[0], g, m));
}

}  // namespace ballast::sweep

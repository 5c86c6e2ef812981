// The gradient of a convolution's weights: dw[o][c][tap] = sum over pixels of g[o] * x[c] at the
// tap. Summed as (tap, c) x o, a band of pixels at a time: the band is A, in which taps and
// channels are offsets, the gradient's pixels, packed, are B. Where every pixel has one tap, x and
// g change roles, unless that leaves few columns: the sums are then dw as it lies.
#include <vector>

#include "ballast/base/threads.h"
#include "ballast/kernels/transpose.h"
#include "ballast/sweep/conv.h"

namespace ballast::sweep {
namespace {

// Pixels of an area: a panel of B is 64 bytes x 200 (with AVX-512, 128), a third of an L1 (half of
// one of 48 KB), and images of 7 or 14 pixels a side are cut evenly.
constexpr int64_t kAreaPixels = 200;
// Channels of the band at a time: 200 pixels x 96 are 75 KB of an L2.
constexpr int64_t kBandChannels = 96;
// Pixels further apart than this many floats share too few sets of an L1 to be read in place.
constexpr int64_t kFarPixels = 256;
// Rows and columns of the result share the operands they are made of: with so many, reading costs
// little.
constexpr int64_t kEnough = 512, kFew = 128;
// The sum is cut into slabs of at least this many pixels, whose accumulators stay below 4 MB
// together.
constexpr int64_t kSlabPixels = 256, kSlabFloats = 1024 * 1024;
// And of at most so many, however many slabs that makes: rounding errors of a slab, whose areas are
// added up in float32, then stay below 1e-5. Slabs are added up in double.
constexpr int64_t kMostSlabPixels = int64_t{1} << 20;

// Columns of the sums that are added up at a time: two neighbouring cache lines, which processors
// fetch together.
constexpr int64_t kTogether = 32;
// Of sums that lie as the result does, so many: 64 KB.
constexpr int64_t kSumsFloats = 16 * 1024;

/// to = the sum over `slabs`, `apart` floats from each other, of `n` floats, at most kTogether.
void add_slabs(const float* from, int64_t slabs, int64_t apart, int64_t n, float* to) {
  double sums[kTogether] = {};
  for (int64_t s = 0; s < slabs; ++s, from += apart) {
    if (n == kTogether)
      for (int64_t i = 0; i < kTogether; ++i) sums[i] += from[i];
    else
      for (int64_t i = 0; i < n; ++i) sums[i] += from[i];
  }
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<float>(sums[i]);
}

class WeightGradSweep final : public Sweep {
 public:
  WeightGradSweep(const plan::Plan& plan, const plan::Group& group, const ConvShape& g)
      : g_(g),
        swapped_(g.single() && (g.in >= kFew || g.in >= g.out)),
        b_(plan, plan.values[group.values[0]].in[swapped_ ? 1 : 0]),
        a_(plan, plan.values[group.values[0]].in[swapped_ ? 0 : 1]),
        sink_(plan, group),
        b_window_{g.out_height, g.out_width, g.out_height, g.out_width, 1, 1, 0, 0, 0, 0},
        a_window_{g.height,        g.width,
                  g.out_height,    g.out_width,
                  g.a.stride[0],   g.a.stride[1],
                  -g.a.padding[0], (g.kernel_height - 1) * g.a.dilation[0] - g.a.padding[0],
                  -g.a.padding[1], (g.kernel_width - 1) * g.a.dilation[1] - g.a.padding[1]},
        areas_(1, 1, 1, 0),
        size_(g.out * g.in_group * g.taps()),
        rows_(1, 1, 1),
        columns_(1, 1, 1),
        slabs_(1, 1, 1) {
    if (swapped_) {
      std::swap(g_.in, g_.out);
      std::swap(g_.in_group, g_.out_group);
      std::swap(a_window_, b_window_);
    }
    in_place_ = a_window_.inside() && a_.pitch() * a_window_.column_step <= kFarPixels;
    const int64_t wanted =
        std::min<int64_t>(static_cast<int64_t>(g.operations() / kPieceOperations), kEnoughPieces);
    divide(kEnough, wanted);
    const int64_t left = ceil_div(wanted, rows_.parts * columns_.parts);
    const int64_t pixels = g.images * g.out_height * g.out_width;
    const int64_t slabs =
        std::max({std::min({left, std::max<int64_t>(kSlabFloats / size_, 1), pixels / kSlabPixels}),
                  ceil_div(pixels, kMostSlabPixels), int64_t{1}});
    // The same number of areas for each slab.
    const int64_t areas = ceil_div(ceil_div(pixels, kAreaPixels), slabs) * slabs;
    areas_ = Areas(g.images * g.out_height, g.out_width, ceil_div(pixels, areas), areas);
    slabs_ = Parts(areas_.count(), 1, slabs);
    divide(kFew, ceil_div(wanted, slabs_.parts));
  }

  const char* kernel() const override { return "direct"; }
  int64_t temporary_bytes() const override {
    return in_result() ? 0 : slabs_.parts * size_ * static_cast<int64_t>(sizeof(float));
  }
  void run(Pointers p, const Lent& lent) const override {
    auto* sums = in_result() ? sink_.memory(p) : reinterpret_cast<float*>(lent.temporary);
    const int64_t parts = rows_.parts * columns_.parts;
    parallel_for(slabs_.parts * parts, g_.operations() / 16, [&](int64_t i) {
      piece(p, i / parts, i / columns_.parts % rows_.parts, i % columns_.parts, sums);
    });
    add_up(p, sums);
  }

 private:
  /// Whether the sums are the result where it lies.
  bool in_result() const { return swapped_ && slabs_.parts == 1; }

  /// Cuts the result so that pieces keep `enough` rows and columns. Groups are cut only between
  /// each other.
  void divide(int64_t enough, int64_t wanted) {
    if (g_.a.groups > 1) {
      rows_ = Parts(g_.a.groups, 1, wanted);
      return;
    }
    rows_ = Parts(g_.in, 1, std::min(wanted, g_.taps() * g_.in / enough));
    columns_ = Parts(g_.out, kernels::panel_columns(),
                     std::min(ceil_div(wanted, rows_.parts), g_.taps() * g_.out / enough));
  }

  /// Adds up a slab's areas for some of the input's channels (or groups) and the output's.
  void piece(Pointers p, int64_t slab, int64_t row_part, int64_t column_part, float* sums) const {
    const bool grouped = g_.a.groups > 1;
    const int64_t o = columns_.begin(column_part),
                  columns = grouped ? g_.out_group : columns_.size(column_part);
    for (int64_t i = slabs_.begin(slab); i < slabs_.begin(slab + 1); ++i) {
      const bool first = i == slabs_.begin(slab);
      // While an area is multiplied, what the next one reads is fetched.
      kernels::Fetch fetch;
      if (i + 1 < slabs_.begin(slab + 1))
        fetch_ahead(p, areas_[i + 1], row_part, o, columns, fetch);
      fetch.divide(
          (grouped ? rows_.size(row_part) : 1) *
          kernels::product_blocks(g_.taps() * (grouped ? g_.in_group : rows_.size(row_part)),
                                  columns, areas_[i].rows * areas_[i].columns));
      float* to = sums + slab * size_;
      for (int64_t r = 0; r < rows_.size(row_part); ++r) {
        const int64_t group = grouped ? rows_.begin(row_part) + r : 0;
        if (grouped)
          add(p, areas_[i], group, 0, g_.in_group, 0, columns, first, to, fetch);
        else
          add(p, areas_[i], 0, rows_.begin(row_part), rows_.size(row_part), o, columns, first, to,
              fetch);
        if (!grouped) break;
      }
    }
  }

  /// The operands of an area.
  void fetch_ahead(Pointers p, const Area& area, int64_t row_part, int64_t o, int64_t columns,
                   kernels::Fetch& list) const {
    const bool grouped = g_.a.groups > 1;
    const int64_t first = rows_.begin(row_part), count = rows_.size(row_part);
    sweep::fetch(b_window_, area, b_, p, grouped ? first * g_.out_group : o,
                 grouped ? count * g_.out_group : columns, list);
    sweep::fetch(a_window_, area, a_, p, grouped ? first * g_.in_group : first,
                 grouped ? count * g_.in_group : count, list);
  }

  /// Packs the pixels of an area, columns [c, c+n) of B.
  void pack(Pointers p, const Area& area, int64_t c, int64_t n, float* panels) const {
    const int64_t pixels = area.rows * area.columns, step = b_window_.column_step;
    if (b_window_.row_step == 1 && step == 1 && area.columns == b_window_.width)
      return pack_rows(b_, p, area.row * area.columns, 1, pixels, c, n, 0, pixels, panels);
    for (int64_t r = 0; r < area.rows; ++r)
      pack_rows(b_, p, pixel(b_window_, area.row + r, area.column), step, area.columns, c, n,
                r * area.columns, pixels, panels);
  }

  /// The pixel, counted over all images, that is the first one a position of the grid reads.
  static int64_t pixel(const Window& w, int64_t row, int64_t column) {
    return (row / w.grid_height * w.height + row % w.grid_height * w.row_step + w.top) * w.width +
           column * w.column_step + w.left;
  }

  /// Channels [c, c+n) and columns [o, o+columns) of a group.
  void add(Pointers p, const Area& area, int64_t group, int64_t c, int64_t n, int64_t o,
           int64_t columns, bool first, float* sums, kernels::Fetch& fetch) const {
    const Band band(a_window_, area);
    const Parts bands(n, kernels::block_rows(), ceil_div(n, kBandChannels));
    const int64_t widest = std::min(n, ceil_div(ceil_div(n, bands.unit), bands.parts) * bands.unit);
    const int64_t pixels = area.rows * area.columns, rows = g_.taps() * widest;
    const int64_t packed = kernels::packed_size(pixels, columns), pitch = spread(widest, 32);
    const float* memory = in_place_ ? a_.memory(p) : nullptr;
    const int64_t floats = ceil_div(packed + (memory ? 0 : band.pixels() * pitch), 2) * 2;
    std::byte* space =
        scratch(floats * sizeof(float) + (2 * rows + 2 * area.rows) * sizeof(int64_t));
    auto* panels = reinterpret_cast<float*>(space);
    float* read = panels + packed;
    auto* a_rows = reinterpret_cast<int64_t*>(panels + floats);
    int64_t* c_rows = a_rows + rows;
    auto** a = reinterpret_cast<const float**>(c_rows + rows);
    const float** b = a + area.rows;
    const int64_t wide = kernels::panel_columns();
    pack(p, area, group * g_.out_group + o, columns, panels);
    for (int64_t i = 0; i < bands.parts; ++i) {
      const int64_t from = c + bands.begin(i), channels = bands.size(i);
      if (!memory) band.read(a_, p, group * g_.in_group + from, channels, read, pitch);
      const int64_t floats_of_pixel = memory ? a_.pitch() : pitch,
                    line = (memory ? a_window_.width : band.width()) * floats_of_pixel;
      tabulate(line, floats_of_pixel, from, channels, a_rows, c_rows);
      for (int64_t r = 0; r < area.rows; ++r) {
        const int64_t row = area.row + r;
        a[r] = memory ? memory + group * g_.in_group + from +
                            pixel(a_window_, row, area.column) * floats_of_pixel
                      : read + band.line(row) * line;
        b[r] = panels + r * area.columns * wide;
      }
      kernels::Product q{};
      q.rows = g_.taps() * channels;
      q.columns = columns;
      q.depth = area.columns;
      q.batch = static_cast<int>(area.rows);
      q.a = a;
      q.sam = 1;
      q.a_rows = a_rows;
      if (g_.taps() == 1) {  // channels, one after the other
        for (int64_t r = 0; r < area.rows; ++r) a[r] += a_rows[0];
        q.a_rows = nullptr;
      }
      q.sak = a_window_.column_step * floats_of_pixel;
      q.b = b;
      q.sbk = wide;
      q.panel = pixels * wide;
      q.c = sums + group * g_.in_group * g_.taps() * g_.out_group + o;
      q.c_rows = c_rows;
      q.accumulate = !first;
      q.fetch = &fetch;
      kernels::product(q);
    }
  }

  /// Where the rows (tap, channel) of the product lie in the image, and in the sums of a group.
  void tabulate(int64_t line, int64_t pixel, int64_t c, int64_t channels, int64_t* a_rows,
                int64_t* c_rows) const {
    for (int64_t t = 0; t < g_.taps(); ++t) {
      const int64_t from = t / g_.kernel_width * g_.a.dilation[0] * line +
                           t % g_.kernel_width * g_.a.dilation[1] * pixel;
      for (int64_t k = 0; k < channels; ++k) {
        *a_rows++ = from + k;
        *c_rows++ = (t * g_.in_group + c + k) * g_.out_group;
      }
    }
  }

  /// Rows of all slabs, which lie as those of the result do.
  void add_up_rows(Pointers p, const float* sums) const {
    const int64_t width = sink_.columns();
    const Parts parts(sink_.rows(), 1, ceil_div(size_, kSumsFloats));
    const auto block = [&](const Sink::Run& out, int64_t slot, int64_t i) {
      const int64_t row = parts.begin(i), rows = parts.size(i);
      float* to = sink_.memory(p) + row * width;
      if (!in_result())
        for (int64_t at = 0, n = rows * width; at < n; at += kTogether)
          add_slabs(sums + row * width + at, slabs_.parts, size_, std::min(kTogether, n - at),
                    to + at);
      out.take(slot, row, rows, 0, width);
    };
    run_pieces(sink_, p, parts.parts, static_cast<double>(size_ * slabs_.parts), block);
  }

  /// (group, tap, c, o) of all slabs -> (o, c, tap).
  void add_up(Pointers p, const float* sums) const {
    if (swapped_) return add_up_rows(p, sums);
    const int64_t columns = g_.out_group, each = g_.in_group * g_.taps();
    const int64_t blocks = ceil_div(columns, kTogether), width = sink_.columns();
    const auto block = [&](const Sink::Run& out, int64_t slot, int64_t i) {
      const int64_t group = i / blocks, o = i % blocks * kTogether;
      const int64_t count = std::min(kTogether, columns - o);
      const int64_t first = (group * columns + o) * each;
      add_up(sums + group * each * columns + o, count, sink_.memory(p) + first);
      // A sink's row lies within the weights of one o.
      out.take(slot, first / width, count * each / width, 0, width);
    };
    run_pieces(sink_, p, g_.a.groups * blocks, static_cast<double>(size_ * slabs_.parts), block);
  }

  /// The same for `count` values of o, kTogether at most.
  void add_up(const float* from, int64_t count, float* to) const {
    constexpr int64_t kRows = 64;  // 8 KB of sums are transposed at a time
    const int64_t in = g_.in_group, taps = g_.taps(), each = in * taps;
    float rows[kRows * kTogether];
    for (int64_t e = 0, c = 0, t = 0; e < each; e += kRows) {
      const int64_t n = std::min(kRows, each - e);
      for (int64_t i = 0; i < n; ++i) {
        add_slabs(from + (t * in + c) * g_.out_group, slabs_.parts, size_, count,
                  rows + i * kTogether);
        if (++t == taps) {
          t = 0;
          ++c;
        }
      }
      kernels::transpose(rows, kTogether, n, count, to + e, each);
    }
  }

  ConvShape g_;
  bool swapped_;
  // The gradient and x, and what the positions of the gradient's grid read of each; the other way
  // round where `swapped_`, as are the channels of g_.
  Source b_, a_;
  Sink sink_;
  Window b_window_, a_window_;
  Areas areas_;
  bool in_place_;
  int64_t size_;
  Parts rows_, columns_, slabs_;
};

}  // namespace

std::unique_ptr<Sweep> build_weight_grad(const plan::Plan& plan, const plan::Group& group,
                                         const ConvShape& g) {
  return std::make_unique<WeightGradSweep>(plan, group, g);
}

}  // namespace ballast::sweep

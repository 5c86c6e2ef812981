// Convolution and the gradient of its input: one product for each band of pixels, in which a tap of
// the kernel is an offset.
#include "ballast/sweep/conv.h"

#include <vector>

#include "ballast/base/threads.h"
#include "ballast/kernels/transpose.h"

namespace ballast::sweep {
namespace {

// Floats of the result that a piece makes before its epilogue sees them: 192 KB of an L2.
constexpr int64_t kMade = kPieceRows * kPieceColumns;

/// Element `index` of the kernel, and the pixel it reads relative to its position's.
struct Tap {
  int64_t index, row, column;
};

/// Outputs that read the same taps. A convolution is one phase, the gradient of the input of one
/// with stride s is s*s: position (i, j) of the grid makes pixels (i*s + row, j*s + column).
struct Phase {
  int64_t row, column;
  std::vector<Tap> taps;  // those of a row from left to right
  int64_t run;            // this many lie side by side: with their channels, they are one tap
  int64_t packed;         // where its weights start
};

/// Taps of one row that are neighbours, for all rows alike; 1 if some are not.
int64_t run_of(const std::vector<Tap>& taps) {
  size_t run = 1;
  while (run < taps.size() && taps[run].row == taps[0].row) ++run;
  for (size_t t = 0; t < taps.size(); ++t)
    if (taps[t].column != taps[t / run * run].column + static_cast<int64_t>(t % run)) return 1;
  return static_cast<int64_t>(run);
}

std::vector<Phase> forward_phase(const ConvShape& g) {
  Phase phase{0, 0, {}, 1, 0};
  for (int64_t i = 0; i < g.kernel_height; ++i)
    for (int64_t j = 0; j < g.kernel_width; ++j)
      phase.taps.push_back({i * g.kernel_width + j, i * g.a.dilation[0] - g.a.padding[0],
                            j * g.a.dilation[1] - g.a.padding[1]});
  return {phase};
}

std::vector<Phase> gradient_phases(const ConvShape& g) {
  std::vector<Phase> phases;
  for (int64_t r = 0; r < std::min(g.a.stride[0], g.height); ++r)
    for (int64_t c = 0; c < std::min(g.a.stride[1], g.width); ++c) {
      Phase phase{r, c, {}, 1, 0};
      for (int64_t i = g.kernel_height; i-- > 0;)
        for (int64_t j = g.kernel_width; j-- > 0;) {
          const int64_t row = r + g.a.padding[0] - i * g.a.dilation[0];
          const int64_t column = c + g.a.padding[1] - j * g.a.dilation[1];
          if (row % g.a.stride[0] == 0 && column % g.a.stride[1] == 0)
            phase.taps.push_back(
                {i * g.kernel_width + j, row / g.a.stride[0], column / g.a.stride[1]});
        }
      phases.push_back(std::move(phase));
    }
  return phases;
}

class ConvSweep final : public Sweep {
 public:
  ConvSweep(const plan::Plan& plan, const plan::Group& group, const ConvShape& g, bool forward)
      : g_(g),
        forward_(forward),
        source_(plan, plan.values[group.values[0]].in[0]),
        sink_(plan, group),
        weights_(plan.values[group.values[0]].in[1]),
        bias_(plan.values[group.values[0]].in.size() > 2 ? plan.values[group.values[0]].in[2] : -1),
        phases_(forward ? forward_phase(g) : gradient_phases(g)),
        window_(window()),
        depth_(forward ? g.in_group : g.out_group),
        columns_(forward ? g.out_group : g.in_group),
        out_height_(forward ? g.out_height : g.height),
        out_width_(forward ? g.out_width : g.width),
        row_step_(forward ? 1 : g.a.stride[0]),
        column_step_(forward ? 1 : g.a.stride[1]),
        wanted_(std::min<int64_t>(static_cast<int64_t>(g.operations() / kPieceOperations),
                                  kEnoughPieces)),
        areas_(
            g.images * window_.grid_height, window_.grid_width, kPieceRows,
            std::max(wanted_, balanced(ceil_div(g.images * window_.grid_height * window_.grid_width,
                                                kPieceRows)))),
        channels_(channel_parts()) {
    for (Phase& phase : phases_) {
      phase.run = run_of(phase.taps);
      phase.packed = packed_;
      packed_ += g.a.groups * packed_group(phase);
    }
  }

  int64_t prepared_bytes() const override { return packed_ * static_cast<int64_t>(sizeof(float)); }
  std::vector<int> prepared_from() const override { return {weights_}; }
  void prepare(Pointers p, std::byte* prepared) const override {
    const auto* w = reinterpret_cast<const float*>(p[weights_]);
    const int64_t panels = ceil_div(columns_, kernels::panel_columns());
    for (const Phase& phase : phases_) {
      if (phase.taps.empty()) continue;
      parallel_for(g_.a.groups * panels, 2.0 * static_cast<double>(packed_), [&](int64_t i) {
        pack(phase, w, i / panels, i % panels, reinterpret_cast<float*>(prepared) + phase.packed);
      });
    }
  }

  const char* kernel() const override { return "direct"; }
  void run(Pointers p, const Lent& lent) const override {
    const int64_t pieces = areas_.count() * channels_.parts;
    run_pieces(sink_, p, pieces, g_.operations() / 16,
               [&](const Sink::Run& out, int64_t slot, int64_t i) {
                 piece(p, reinterpret_cast<const float*>(lent.prepared), out, slot, i);
               });
  }

 private:
  /// What one piece works on: groups, and the columns of each; and where things are.
  struct Piece {
    int64_t slot, group, groups, column, columns;
    Area area;
    const float* image;   // the pixel that position (0, 0) reads first
    int64_t line, pixel;  // floats from one line of the image, and from one pixel, to the next
    // Where the positions of each phase read and write: phase f has those numbered starts[f] up to
    // starts[f+1].
    int64_t *starts, *a_rows, *c_rows;
    // What is made, so many columns at a time: row r of the result at made + (r - row)*pitch.
    float* made;
    int64_t row, pitch, together;
    const float **a, **b;
    kernels::Fetch* fetch;
  };

  Window window() const {
    const int64_t step[2] = {forward_ ? g_.a.stride[0] : 1, forward_ ? g_.a.stride[1] : 1};
    Window w{forward_ ? g_.height : g_.out_height,
             forward_ ? g_.width : g_.out_width,
             forward_ ? g_.out_height : ceil_div(g_.height, g_.a.stride[0]),
             forward_ ? g_.out_width : ceil_div(g_.width, g_.a.stride[1]),
             step[0],
             step[1],
             INT64_MAX,
             INT64_MIN,
             INT64_MAX,
             INT64_MIN};
    for (const Phase& phase : phases_)
      for (const Tap& t : phase.taps) {
        w.top = std::min(w.top, t.row);
        w.bottom = std::max(w.bottom, t.row);
        w.left = std::min(w.left, t.column);
        w.right = std::max(w.right, t.column);
      }
    if (w.top > w.bottom) w.top = w.bottom = w.left = w.right = 0;
    return w;
  }

  bool grouped() const { return g_.a.groups > 1; }

  /// Panels of columns, or groups, in parts.
  Parts channel_parts() const {
    const int64_t left = ceil_div(wanted_, areas_.count());
    if (grouped()) return Parts(g_.a.groups, 1, left);
    return Parts(columns_, kernels::panel_columns(), std::min(left, columns_ / kFewColumns));
  }

  int64_t packed_group(const Phase& phase) const {
    return kernels::packed_size(depth_ * static_cast<int64_t>(phase.taps.size()), columns_);
  }

  /// A panel of a group's weights: depth runs over taps, then channels.
  void pack(const Phase& phase, const float* w, int64_t group, int64_t panel, float* to) const {
    const int64_t wide = kernels::panel_columns(), taps = static_cast<int64_t>(phase.taps.size());
    // Weights are (out, in/group, taps).
    const int64_t out_stride = g_.in_group * g_.taps(), in_stride = g_.taps();
    const int64_t sbk = forward_ ? in_stride : out_stride, sbn = forward_ ? out_stride : in_stride;
    const int64_t n = panel * wide, width = std::min(wide, columns_ - n);
    w += group * g_.out_group * out_stride + n * sbn;
    to += group * packed_group(phase) + n * depth_ * taps;
    if (g_.taps() == 1 && taps == 1) return kernels::pack_b(w, sbk, sbn, depth_, width, to);
    // The kernels of one or several channels lie together: they are transposed, then rows go where
    // their taps are.
    const int64_t kernel = g_.taps(), together = forward_ ? ceil_div(128, kernel) : 1;
    auto* rows = reinterpret_cast<float*>(scratch(together * kernel * wide * sizeof(float)));
    if (width < wide) std::fill_n(rows, together * kernel * wide, 0.0f);
    for (int64_t k0 = 0; k0 < depth_; k0 += together) {
      const int64_t count = std::min(together, depth_ - k0);
      kernels::transpose(w + k0 * sbk, sbn, width, count * kernel, rows, wide);
      for (int64_t t = 0; t < taps; ++t)
        for (int64_t k = 0; k < count; ++k)
          std::copy_n(rows + (k * kernel + phase.taps[t].index) * wide, wide,
                      to + (t * depth_ + k0 + k) * wide);
    }
  }

  void piece(Pointers p, const float* weights, const Sink::Run& out, int64_t slot,
             int64_t index) const {
    const int64_t part = index % channels_.parts;
    const int64_t begin = channels_.begin(part), size = channels_.size(part);
    Piece at{};
    at.slot = slot;
    at.group = grouped() ? begin : 0;
    at.groups = grouped() ? size : 1;
    at.column = grouped() ? 0 : begin;
    at.columns = grouped() ? columns_ : size;
    at.area = areas_[index / channels_.parts];

    const Band band(window_, at.area);
    const float* memory = window_.inside() ? source_.memory(p) : nullptr;
    const int64_t channels = at.groups * depth_, pitch = spread(channels, 256),
                  phases = static_cast<int64_t>(phases_.size());
    const int64_t floats = memory ? 0 : ceil_div(band.pixels() * pitch, 2) * 2;
    const int64_t positions = at.area.rows * at.area.columns * phases;
    const int64_t raw = place_result(p, at, positions);
    std::byte* space = scratch((floats + raw) * sizeof(float) +
                               (phases + 1 + 2 * positions + 2 * g_.taps()) * sizeof(int64_t));
    auto* read = reinterpret_cast<float*>(space);
    if (raw > 0) at.made = read + floats;
    at.starts = reinterpret_cast<int64_t*>(read + floats + raw);
    at.a_rows = at.starts + phases + 1;
    at.c_rows = at.a_rows + positions;
    at.a = reinterpret_cast<const float**>(at.c_rows + positions);
    at.b = at.a + g_.taps();
    if (memory) {
      at.pixel = source_.pitch();
      at.line = window_.width * at.pixel;
      at.image = memory + at.group * depth_ + window_.top * at.line + window_.left * at.pixel;
    } else {
      band.read(source_, p, at.group * depth_, channels, read, pitch);
      at.pixel = pitch;
      at.line = band.width() * pitch;
      at.image = read;
    }
    tabulate(at, memory ? nullptr : &band);
    kernels::Fetch fetch;
    fetch_ahead(p, out, at, index, fetch);
    at.fetch = &fetch;
    multiply(p, weights, out, at);
  }

  /// Where the piece writes: into the result, or, where that takes it from there, into so many
  /// floats of scratch memory.
  int64_t place_result(Pointers p, Piece& at, int64_t positions) const {
    const int64_t wide = kernels::panel_columns();
    // Those of all groups together.
    at.together = grouped()
                      ? at.columns
                      : std::max(kMade / std::max<int64_t>(positions, 1) / wide, int64_t{2}) * wide;
    if (!sink_.takes_raw()) {
      at.made = sink_.memory(p);
      at.pitch = sink_.pitch();
      return 0;
    }
    int64_t end = 0;
    at.row = INT64_MAX;
    for_rows(at, [&](int64_t row, int64_t rows) {
      at.row = std::min(at.row, row);
      end = row + rows;
    });
    at.together = std::min(at.together, at.columns);
    at.pitch = spread(ceil_div(at.together, wide) * wide, 256);
    return ceil_div((end - at.row) * at.pitch, 2) * 2;
  }

  /// What the epilogue of a piece reads, and the prologue of the next.
  void fetch_ahead(Pointers p, const Sink::Run& out, const Piece& at, int64_t index,
                   kernels::Fetch& list) const {
    const int64_t c = at.group * columns_ + at.column,
                  channels = grouped() ? at.groups * columns_ : at.columns;
    for_rows(at, [&](int64_t row, int64_t rows) { out.fetch(row, rows, c, channels, list); });
    const int64_t next = index / channels_.parts + 1;
    if (index % channels_.parts == channels_.parts - 1 && next < areas_.count())
      sweep::fetch(window_, areas_[next], source_, p, 0,
                   (grouped() ? channels_.size(0) : 1) * depth_, list);
    int64_t blocks = 0;
    for (size_t f = 0; f < phases_.size(); ++f)
      blocks += kernels::product_blocks(at.starts[f + 1] - at.starts[f], at.columns,
                                        depth_ * static_cast<int64_t>(phases_[f].taps.size()));
    list.divide(at.groups * blocks);
  }

  /// Where the positions of the piece read (in memory, unless there is a band) and write.
  void tabulate(const Piece& at, const Band* band) const {
    const Area& area = at.area;
    const int64_t pixel = step() * at.pixel, made = column_step_ * at.pitch;
    int64_t n = 0;
    for (size_t f = 0; f < phases_.size(); ++f) {
      at.starts[f] = n;
      for (int64_t row = area.row; row < area.row + area.rows; ++row) {
        const int64_t image = row / window_.grid_height, i = row % window_.grid_height;
        const int64_t y = i * row_step_ + phases_[f].row;
        if (y >= out_height_) continue;
        const int64_t line = band ? band->line(row) : image * window_.height + i * window_.row_step;
        const int64_t from = line * at.line + (band ? 0 : area.column * pixel);
        const int64_t x = area.column * column_step_ + phases_[f].column;
        const int64_t to = ((image * out_height_ + y) * out_width_ + x - at.row) * at.pitch;
        const int64_t count =
            std::clamp<int64_t>(ceil_div(out_width_ - x, column_step_), 0, area.columns);
        for (int64_t j = 0; j < count; ++j) {
          at.a_rows[n + j] = from + j * pixel;
          at.c_rows[n + j] = to + j * made;
        }
        n += count;
      }
    }
    at.starts[phases_.size()] = n;
  }
  int64_t step() const { return window_.column_step; }

  void multiply(Pointers p, const float* weights, const Sink::Run& out, const Piece& at) const {
    for (int64_t c = 0; c < at.columns; c += at.together) {
      const int64_t n = std::min(at.together, at.columns - c);
      for (int64_t group = 0; group < at.groups; ++group)
        for (size_t f = 0; f < phases_.size(); ++f)
          multiply(p, weights, at, f, group, at.column + c, n);
      if (grouped())
        take(out, at, at.group * columns_, at.groups * columns_);
      else
        take(out, at, at.column + c, n);
    }
  }

  /// Columns [c, c+n) of one group, for one phase.
  void multiply(Pointers p, const float* weights, const Piece& at, size_t f, int64_t group,
                int64_t c, int64_t n) const {
    if (at.starts[f] == at.starts[f + 1]) return;
    const Phase& phase = phases_[f];
    const int64_t wide = kernels::panel_columns(), taps = static_cast<int64_t>(phase.taps.size());
    const int64_t run = at.pixel == depth_ ? phase.run : 1;
    const float* packed =
        weights + phase.packed + (at.group + group) * packed_group(phase) + c * depth_ * taps;
    // One row of positions is a row of the product's after the other; others are looked up.
    const bool regular = at.area.rows == 1;
    const int64_t *a_rows = at.a_rows + at.starts[f], *c_rows = at.c_rows + at.starts[f];
    const float* image = at.image + group * depth_ + (regular ? a_rows[0] : 0);
    for (int64_t t = 0; t < taps; t += run) {
      at.a[t / run] = image + (phase.taps[t].row - window_.top) * at.line +
                      (phase.taps[t].column - window_.left) * at.pixel;
      at.b[t / run] = packed + t * depth_ * wide;
    }
    const int64_t channel = (at.group + group) * columns_ + c;
    kernels::Product q{};
    q.rows = at.starts[f + 1] - at.starts[f];
    q.columns = n;
    q.depth = run * depth_;
    q.batch = static_cast<int>(taps / run);
    q.a = at.a;
    q.sam = step() * at.pixel;
    q.sak = 1;
    q.b = at.b;
    q.sbk = wide;
    q.panel = depth_ * taps * wide;
    q.c = at.made + (sink_.takes_raw() ? 0 : channel) + (regular ? c_rows[0] : 0);
    q.ldc = column_step_ * at.pitch;
    if (!regular) {
      q.a_rows = a_rows;
      q.c_rows = c_rows;
    }
    q.fetch = at.fetch;
    q.bias = bias_ >= 0 ? reinterpret_cast<const float*>(p[bias_]) + channel : nullptr;
    kernels::product(q);
  }

  /// Gives the epilogue columns [c, c+n) of all pixels that the piece has made.
  void take(const Sink::Run& out, const Piece& at, int64_t c, int64_t n) const {
    for_rows(at, [&](int64_t row, int64_t rows) {
      out.take(at.slot, row, rows, c, n, at.made + (row - at.row) * at.pitch, at.pitch);
    });
  }

  /// Calls f(row, rows) for the rows of the result that the piece makes.
  template <class F>
  void for_rows(const Piece& at, const F& f) const {
    const Area& area = at.area;
    const int64_t x = area.column * column_step_;
    const int64_t columns = std::min(area.columns * column_step_, out_width_ - x);
    const auto pixel_row = [&](int64_t row) {  // of the result, counted over all images
      return row / window_.grid_height * out_height_ +
             std::min(row % window_.grid_height * row_step_, out_height_);
    };
    // The row after the last of an image is the first of the next.
    const int64_t first = pixel_row(area.row),
                  last = std::min(
                      pixel_row(area.row + area.rows - 1) + row_step_,
                      ((area.row + area.rows - 1) / window_.grid_height + 1) * out_height_);
    if (columns == out_width_) return f(first * out_width_, (last - first) * out_width_);
    for (int64_t y = first; y < last; ++y) f(y * out_width_ + x, columns);
  }

  ConvShape g_;
  bool forward_;
  Source source_;
  Sink sink_;
  int weights_, bias_;
  std::vector<Phase> phases_;
  Window window_;
  int64_t depth_, columns_;         // channels summed over, and made, of a group
  int64_t out_height_, out_width_;  // of the result
  int64_t row_step_, column_step_;  // from a position's pixels of the result to the next one's
  int64_t wanted_;                  // pieces
  Areas areas_;
  Parts channels_;
  int64_t packed_ = 0;
};

}  // namespace

std::unique_ptr<Sweep> build_conv(const plan::Plan& plan, const plan::Group& group) {
  const plan::Value& v = plan.values[group.values[0]];
  auto shape = [&](int i) -> const Shape& { return plan.values[v.in[i]].shape; };
  const auto geometry = [&](const Shape& x, const Shape& w, const Shape& y) {
    return ConvShape(x, w, y, v.attributes.as<Conv2dAttributes>());
  };
  const bool forward = v.op == &conv2d_op(), data = v.op == &conv2d_input_grad_op(),
             weight = v.op == &conv2d_weight_grad_op();
  if (!(forward || data || weight) || v.dtype != DType::kFloat32) return nullptr;
  if (v.shape.numel() == 0 || shape(0).numel() == 0 || shape(1).numel() == 0) return nullptr;
  if (forward)
    return std::make_unique<ConvSweep>(plan, group, geometry(shape(0), shape(1), v.shape), true);
  if (data)
    return std::make_unique<ConvSweep>(plan, group, geometry(v.shape, shape(1), shape(0)), false);
  return build_weight_grad(plan, group, geometry(shape(1), v.shape, shape(0)));
}

}  // namespace ballast::sweep

// Both gradients of a convolution in one sweep: the gradient of its output is read and made once,
// and what the epilogue of the one reads is often the other's operand.
#include <algorithm>

#include "ballast/base/threads.h"
#include "ballast/ops/conv.h"
#include "ballast/sweep/winograd_conv.h"
#include "ballast/sweep/winograd_weight_grad.h"

namespace ballast::sweep {
namespace winograd {
namespace {

class GradsSweep final : public Sweep {
 public:
  GradsSweep(const plan::Plan& plan, const plan::Group& input_grad, int weight_grad,
             const Geometry& of_input, const Geometry& of_weight, int m)
      : input_(plan, input_grad, of_input, m), weight_(plan, weight_grad, of_weight, m) {}

  bool fits() const {
    return input_.fits() && weight_.fits() && !input_.deep() && weight_.slabs() > 0;
  }

  int64_t prepared_bytes() const override { return input_.prepared_bytes(); }
  std::vector<int> prepared_from() const override { return input_.prepared_from(); }
  void prepare(Pointers p, std::byte* to) const override { input_.prepare(p, to); }
  int64_t temporary_bytes() const override { return weight_.temporary_bytes(); }

  const char* kernel() const override { return weight_.kernel(); }
  double multiplications() const override { return weight_.multiplications(); }
  void run(Pointers p, const Lent& lent) const override {
    auto* sums = reinterpret_cast<float*>(lent.temporary);
    const int64_t slabs = weight_.slabs();
    const Sink::Run out(input_.sink(), p, slabs);
    parallel_for(slabs, input_.cost() + weight_.cost(), [&](int64_t i) {
      slab(p, lent.prepared, out, i, sums + i * weight_.slab_floats());
    });
    out.finish();
    weight_.write(p, sums);
  }

 private:
  void slab(Pointers p, const std::byte* prepared, const Sink::Run& out, int64_t i,
            float* sums) const {
    const Blocks& blocks = weight_.blocks();
    const Tiling& tiling = weight_.tiling();
    const Source &dy = input_.source(), &x = weight_.source();
    const Parts slabs = weight_.blocks_of_slabs();
    const int64_t first = slabs.begin(i), end = slabs.begin(i + 1);
    const int64_t tiles = blocks.tiles(), across = blocks.across();
    // Once the gradient of the input is made, x takes its operands' place.
    const int64_t floats = std::max(input_.space_floats(tiles), weight_.x_floats(tiles)),
                  dy_floats = weight_.dy_floats(tiles),
                  pixels = std::max(Reader::floats(dy, input_.window(), across, p),
                                    Reader::floats(x, weight_.window(), across, p));
    auto* memory = reinterpret_cast<float*>(scratch((floats + dy_floats + pixels) * sizeof(float)));
    const ConvSweep::Space space = input_.space(memory, tiles);
    const WeightGradSweep::Operands operands = weight_.operands(memory, memory + floats, tiles);
    float* reader_memory = memory + floats + dy_floats;
    for (int64_t k = first; k < end; ++k) {
      const Block b = blocks[k];
      Reader dy_reader(dy, p, input_.window(), reader_memory);
      output_grad(b, dy_reader, space.v, operands.dy);
      kernels::Fetch taken, next;
      input_.fetch(b, out, taken);
      Reader::fetch(x, weight_.window(), tiling, b, p, taken);
      input_.finish(p, prepared, space, b, taken, out, i);
      Reader x_reader(x, p, weight_.window(), reader_memory);
      transform_input(tiling, b, x_reader, operands.x);
      if (k + 1 < end) Reader::fetch(dy, input_.window(), tiling, blocks[k + 1], p, next);
      weight_.add(operands, b.tiles(), k == first, sums, next);
    }
  }

  /// Transforms the output's gradient for both products.
  void output_grad(const Block& b, Reader& dy, kernels::Transformed for_input,
                   kernels::Transformed for_weight) const {
    const Tiling& tiling = weight_.tiling();
    for (int64_t r = b.row; r < b.end; ++r) {
      kernels::TilesRead tiles = dy(tiling, b, r);
      kernels::winograd_input(tiling.m, tiles, for_input);
      // Padding is 1: the tiles' own pixels begin in the second row and column.
      ++tiles.rows;
      ++tiles.column;
      kernels::winograd_output_grad(tiling.m, tiles, for_weight);
      for_input.at += b.across * for_input.tile;
      for_weight.at += b.across * for_weight.tile;
    }
  }

  ConvSweep input_;
  WeightGradSweep weight_;
};

std::unique_ptr<Sweep> build(const plan::Plan& plan, const plan::Group& input_grad,
                             int weight_grad) {
  const Geometry of_input = geometry(plan, plan.values[input_grad.values[0]]),
                 of_weight = geometry(plan, plan.values[weight_grad]);
  if (!of_input.images || !of_weight.images || of_input.pad[0] != 1 || of_input.pad[1] != 1)
    return nullptr;
  const int m = tile_size(of_input);
  if (!m || tile_size(of_weight) != m) return nullptr;
  auto sweep = std::make_unique<GradsSweep>(plan, input_grad, weight_grad, of_input, of_weight, m);
  return sweep->fits() ? std::move(sweep) : nullptr;
}

}  // namespace
}  // namespace winograd

std::unique_ptr<Sweep> build_winograd_grads(const plan::Plan& plan, const plan::Group& input_grad,
                                            int weight_grad) {
  return plan::options().winograd ? winograd::build(plan, input_grad, weight_grad) : nullptr;
}

}  // namespace ballast::sweep

#include "ballast/ops/recurrent.h"

#include <gtest/gtest.h>

#include "ballast/base/threads.h"
#include "ballast/grad/grad.h"
#include "ballast/ops/create.h"
#include "ballast/ops/matmul.h"
#include "ballast/ops/packed_sequence.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "ballast/ops/reduce.h"
#include "ballast/ops/shape_ops.h"
#include "tests/support/files.h"
#include "tests/support/gradcheck.h"
#include "tests/support/targets.h"

namespace ballast::test {
namespace {

using testing::error_of;

/// A layer's sizes and options; `lengths`: of packed sequences.
struct Case {
  RecurrentCell cell = RecurrentCell::kLstm;
  int64_t steps = 3, batch = 2, in = 3, hidden = 4, projection = 0, layers = 1;
  bool bias = true, bidirectional = false, batch_first = false;
  std::vector<int64_t> lengths = {};

  bool lstm() const { return cell == RecurrentCell::kLstm; }
  int64_t out() const { return projection > 0 ? projection : hidden; }
  int64_t directions() const { return bidirectional ? 2 : 1; }
  int64_t each() const { return 2 + (bias ? 2 : 0) + (projection > 0 ? 1 : 0); }
  RecurrentOptions options() const {
    return {.cell = cell,
            .layers = layers,
            .bias = bias,
            .bidirectional = bidirectional,
            .batch_first = batch_first};
  }
  /// x (steps, batch, in), h, c of an LSTM, then the weights.
  std::vector<Tensor> inputs() const {
    uint64_t seed = 1;
    const auto make = [&](const Shape& s) { return uniform(s, seed++); };
    std::vector<Tensor> t{make({steps, batch, in}), make({layers * directions(), batch, out()})};
    if (lstm()) t.push_back(make({layers * directions(), batch, hidden}));
    const int64_t rows = gates_of(cell) * hidden;
    for (int64_t layer = 0; layer < layers; ++layer)
      for (int64_t d = 0; d < directions(); ++d) {
        t.push_back(make({rows, layer == 0 ? in : out() * directions()}));
        t.push_back(make({rows, out()}));
        for (int i = 0; i < (bias ? 2 : 0); ++i) t.push_back(make({rows}));
        if (projection > 0) t.push_back(make({projection, hidden}));
      }
    return t;
  }
  int64_t first_weight() const { return lstm() ? 3 : 2; }
};

std::vector<Tensor> defined_ones(const Recurrent& r) {
  std::vector<Tensor> out{r.output, r.h};
  if (r.c.defined()) out.push_back(r.c);
  return out;
}

/// The layer by its one operation; packed sequences are padded again.
std::vector<Tensor> by_sequence(const Case& k, const std::vector<Tensor>& t) {
  const std::vector<Tensor> weights(t.begin() + k.first_weight(), t.end());
  RecurrentOptions o = k.options();
  const Tensor c = k.lstm() ? t[2] : Tensor();
  if (k.lengths.empty()) {
    if (!k.batch_first) return defined_ones(recurrent(t[0], t[1], c, weights, o));
    Recurrent r = recurrent(transpose(t[0], 0, 1), t[1], c, weights, o);
    r.output = transpose(r.output, 0, 1);
    return defined_ones(r);
  }
  PackedSequence p = pack_padded_sequence(t[0], k.lengths);
  o.batch_sizes = p.batch_sizes;
  Recurrent r = recurrent(p.data, t[1], c, weights, o);
  p.data = r.output;
  r.output = pad_packed_sequence(p, {.total_length = k.steps}).data;
  return defined_ones(r);
}

/// One step of one sample (1, in), by ordinary operations.
Recurrent one_step(const Case& k, const Tensor& x, const Tensor& h, const Tensor& c,
                   std::span<const Tensor> w) {
  const CellWeights cell{w[0], w[1], k.bias ? w[2] : Tensor(), k.bias ? w[3] : Tensor()};
  if (k.projection == 0) return recurrent_cell(k.cell, x, h, c, cell);
  const std::vector<Tensor> g =
      chunk(linear(x, w[0], cell.b_ih) + linear(h, w[1], cell.b_hh), 4, 1);
  const Tensor cells = sigmoid(g[1]) * c + sigmoid(g[0]) * tanh(g[2]);
  const Tensor made = linear(sigmoid(g[3]) * tanh(cells), w.back());
  return {made, made, cells};
}

/// The same layer sample by sample and step by step.
std::vector<Tensor> by_steps(const Case& k, const std::vector<Tensor>& t) {
  std::vector<Tensor> outputs, last_h, last_c;
  for (int64_t n = 0; n < k.batch; ++n) {
    const int64_t length = k.lengths.empty() ? k.steps : k.lengths[n];
    std::vector<Tensor> rows, hs, cs;
    for (int64_t s = 0; s < length; ++s) rows.push_back(narrow(select(t[0], 0, s), 0, n, 1));
    for (int64_t layer = 0; layer < k.layers; ++layer) {
      std::vector<std::vector<Tensor>> sides;
      for (int64_t d = 0; d < k.directions(); ++d) {
        const int64_t i = layer * k.directions() + d;
        const std::span w(t.data() + k.first_weight() + i * k.each(), k.each());
        Recurrent state{{}, narrow(select(t[1], 0, i), 0, n, 1), Tensor()};
        if (k.lstm()) state.c = narrow(select(t[2], 0, i), 0, n, 1);
        std::vector<Tensor> side(rows.size());
        for (int64_t j = 0; j < length; ++j) {
          const int64_t s = d == 0 ? j : length - 1 - j;
          state = one_step(k, rows[s], state.h, state.c, w);
          side[s] = state.h;
        }
        sides.push_back(side);
        hs.push_back(state.h);
        cs.push_back(state.c);
      }
      for (size_t s = 0; s < rows.size(); ++s)
        rows[s] = k.bidirectional ? cat({sides[0][s], sides[1][s]}, 1) : sides[0][s];
    }
    while (static_cast<int64_t>(rows.size()) < k.steps)
      rows.push_back(zeros(rows[0].shape(), rows[0].dtype()));
    outputs.push_back(stack(rows, 0));
    last_h.push_back(stack(hs, 0));
    if (k.lstm()) last_c.push_back(stack(cs, 0));
  }
  std::vector<Tensor> out{cat(outputs, 1), cat(last_h, 1)};
  if (k.lstm()) out.push_back(cat(last_c, 1));
  return out;
}

std::vector<Case> cases() {
  using enum RecurrentCell;
  std::vector<Case> out;
  for (const RecurrentCell cell : {kTanh, kRelu, kLstm, kGru}) {
    out.push_back({.cell = cell});
    out.push_back({.cell = cell, .steps = 1, .batch = 1, .in = 1, .hidden = 1, .bias = false});
    out.push_back({.cell = cell, .layers = 2, .bidirectional = true, .batch_first = true});
    out.push_back({.cell = cell,
                   .steps = 4,
                   .batch = 3,
                   .layers = 2,
                   .bidirectional = true,
                   .lengths = {4, 2, 1}});
    out.push_back({.cell = cell, .batch = 37, .hidden = 19});
  }
  for (const bool packed : {false, true})
    out.push_back({.projection = 3,
                   .layers = 2,
                   .bias = packed,
                   .bidirectional = true,
                   .lengths = packed ? std::vector<int64_t>{3, 1} : std::vector<int64_t>{}});
  return out;
}

std::string text_of(const Case& k) {
  return fmt::format("cell {}, {}x{}, {} to {}, projection {}, layers {}, both ways {}, packed {}",
                     static_cast<int64_t>(k.cell), k.steps, k.batch, k.in, k.hidden, k.projection,
                     k.layers, k.bidirectional, !k.lengths.empty());
}

/// Results, and the gradients of all inputs of a weighted sum of them.
std::vector<Tensor> with_gradients(const std::function<std::vector<Tensor>()>& f,
                                   std::vector<Tensor> inputs) {
  for (Tensor& t : inputs) {
    t.set_grad({});
    t.set_requires_grad();
  }
  std::vector<Tensor> out = f();
  Tensor loss;
  for (size_t i = 0; i < out.size(); ++i) {
    const Tensor part = sum(out[i] * uniform(out[i].shape(), 50 + i).to(out[i].dtype()));
    loss = loss.defined() ? loss + part : part;
  }
  loss.backward();
  for (const Tensor& t : inputs) out.push_back(t.grad());
  return out;
}

void expect_near(const std::vector<Tensor>& a, const std::vector<Tensor>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].shape(), b[i].shape()) << i;
    const auto x = a[i].to(DType::kFloat64).values<double>();
    const auto y = b[i].to(DType::kFloat64).values<double>();
    for (size_t j = 0; j < x.size(); ++j) ASSERT_NEAR(x[j], y[j], tolerance) << i << " at " << j;
  }
}

TEST(Recurrent, ASequenceIsItsSteps) {
  for (const Case& k : cases()) {
    SCOPED_TRACE(text_of(k));
    const std::vector<Tensor> t = k.inputs();
    expect_near(with_gradients([&] { return by_sequence(k, t); }, t),
                with_gradients([&] { return by_steps(k, t); }, t), 1e-11);
  }
}

TEST(Recurrent, ADerivativeIsThatOfDifferences) {
  for (const Case& k : cases()) {
    if (k.batch > 10) continue;  // thousands of weights
    SCOPED_TRACE(text_of(k));
    for (size_t i = 0; i < by_sequence(k, k.inputs()).size(); ++i)
      EXPECT_LT(gradient_error([&](const auto& t) { return by_sequence(k, t)[i]; }, k.inputs()),
                kGradientTolerance);
  }
}

// Both add up a few dozen products of numbers below one, in another order, over a few steps.
constexpr double kTolerance = 5e-5;

TEST(Recurrent, FastKernelsAgreeWithTheReference) {
  for_each_target([] {
    for (const Case& k : cases()) {
      SCOPED_TRACE(text_of(k));
      const std::vector<Tensor> wide = k.inputs();
      std::vector<Tensor> narrow;
      for (const Tensor& t : wide) narrow.push_back(t.to(DType::kFloat32).eval().detach());
      const auto fast = [&] { return by_sequence(k, narrow); };
      expect_near(with_gradients(fast, narrow),
                  with_gradients([&] { return by_sequence(k, wide); }, wide), kTolerance * 20);
      const NoGrad off;  // gates are not kept then
      expect_near(fast(), by_sequence(k, wide), kTolerance);
    }
  });
}

TEST(Recurrent, AnyNumberOfThreadsGivesTheSameBits) {
  const int before = num_threads();
  for (const RecurrentCell cell : {RecurrentCell::kTanh, RecurrentCell::kLstm, RecurrentCell::kGru})
    for (const std::vector<int64_t>& lengths :
         {std::vector<int64_t>{}, std::vector<int64_t>(90, 4)}) {
      const Case k{
          .cell = cell, .steps = 5, .batch = 90, .in = 8, .hidden = 64, .lengths = lengths};
      std::vector<std::vector<float>> first;
      for (const int threads : {1, 2, 3}) {
        set_num_threads(threads);
        std::vector<Tensor> t;
        for (const Tensor& x : k.inputs()) t.push_back(x.to(DType::kFloat32).eval().detach());
        std::vector<std::vector<float>> bits;
        for (const Tensor& x : with_gradients([&] { return by_sequence(k, t); }, t))
          bits.push_back(x.values<float>());
        if (first.empty()) first = bits;
        EXPECT_EQ(bits, first) << threads;
      }
    }
  set_num_threads(before);
}

TEST(Recurrent, HalfTypesAreRoundedOnce) {
  const Case k;
  std::vector<Tensor> wide, half;
  for (const Tensor& t : k.inputs()) {
    half.push_back(t.to(DType::kBFloat16).eval());
    wide.push_back(half.back().to(DType::kFloat32).eval());
  }
  const auto a = by_sequence(k, half), b = by_sequence(k, wide);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].dtype(), DType::kBFloat16);
    EXPECT_EQ(a[i].to(DType::kFloat32).values<float>(),
              b[i].to(DType::kBFloat16).to(DType::kFloat32).values<float>());
  }
}

TEST(Recurrent, ASecondDerivativeSaysWhatToUse) {
  const Case k;
  std::vector<Tensor> t = k.inputs();
  t[0].set_requires_grad();
  const Tensor y = sum(by_sequence(k, t)[0]);
  const std::vector<Tensor> g = grad(y, {t[0]}, {}, false, true);
  EXPECT_NE(error_of<NotImplementedError>([&] { sum(g[0]).backward(); }).find("LSTMCell"),
            std::string::npos);
}

TEST(Recurrent, RefusesWhatDoesNotFit) {
  const Case k;
  const std::vector<Tensor> t = k.inputs();
  const std::vector<Tensor> w(t.begin() + 3, t.end());
  const auto call = [&](const Tensor& x, const Tensor& h, const Tensor& c,
                        const std::vector<Tensor>& weights, RecurrentOptions o) {
    return error_of<Error>([&] { recurrent(x, h, c, weights, o); });
  };
  const RecurrentOptions o = k.options();
  EXPECT_EQ(call(select(t[0], 0, 0), t[1], t[2], w, o), "input must have 3 dimensions, got 2");
  EXPECT_EQ(call(narrow(t[0], 0, 0, 0), t[1], t[2], w, o),
            "Expected sequence length to be larger than 0 in RNN");
  EXPECT_EQ(call(t[0], t[1], t[2], {w[0], w[1]}, o), "recurrent layer: expected 4 weights, got 2");
  EXPECT_NE(call(t[0], t[1], t[2], {w[1], w[0], w[2], w[3]}, o), "");
  EXPECT_NE(call(t[0], t[1], t[2], {w[0], w[0], w[2], w[3]}, o), "");
  EXPECT_NE(call(t[0], t[1], t[2], {w[0], w[1], w[2], t[0]}, o), "");
  EXPECT_NE(call(t[0], narrow(t[1], 1, 0, 1), narrow(t[2], 1, 0, 1), w, o), "");
  EXPECT_NE(call(t[0], t[1], Tensor(), w, o), "");
  EXPECT_NE(call(t[0], t[1].to(DType::kFloat32), t[2], w, o), "");
  RecurrentOptions packed = o;
  const Tensor rows = reshape(t[0], Shape{6, 3});
  for (const std::vector<int64_t>& sizes :
       {std::vector<int64_t>{2, 2, 1}, {1, 2, 3}, {3, 3}, {2, 2, 2, 0}, {2, 2, 3}}) {
    packed.batch_sizes = Tensor::from(sizes, Shape{static_cast<int64_t>(sizes.size())});
    EXPECT_NE(call(rows, t[1], t[2], w, packed), "") << sizes.size();
  }
}

TEST(PackedSequence, PacksAndPadsBack) {
  const Tensor x = uniform({4, 3, 2}, 1);  // steps, samples
  const std::vector<int64_t> lengths{2, 4, 1};
  for (const bool batch_first : {false, true}) {
    const Tensor in = batch_first ? transpose(x, 0, 1) : x;
    const PackedSequence p =
        pack_padded_sequence(in, lengths, {.batch_first = batch_first, .enforce_sorted = false});
    EXPECT_EQ(p.batch_sizes.values<int64_t>(), (std::vector<int64_t>{3, 2, 1, 1}));
    EXPECT_EQ(p.sorted_indices.values<int64_t>(), (std::vector<int64_t>{1, 0, 2}));
    EXPECT_EQ(p.data.shape(), (Shape{7, 2}));
    const PaddedSequence back =
        pad_packed_sequence(p, {.batch_first = batch_first, .padding_value = 9, .total_length = 5});
    EXPECT_EQ(back.lengths, lengths);
    const Tensor steps = batch_first ? transpose(back.data, 0, 1) : back.data;
    ASSERT_EQ(steps.shape(), (Shape{5, 3, 2}));
    const auto got = steps.values<double>(), want = x.values<double>();
    for (int64_t t = 0; t < 5; ++t)
      for (int64_t n = 0; n < 3; ++n)
        for (int64_t i = 0; i < 2; ++i)
          EXPECT_EQ(got[(t * 3 + n) * 2 + i], t < lengths[n] ? want[(t * 3 + n) * 2 + i] : 9);
  }
  EXPECT_LT(gradient_error(
                [&](const auto& t) {
                  return pad_packed_sequence(
                             pack_padded_sequence(t[0], lengths, {.enforce_sorted = false}))
                      .data;
                },
                {x}),
            kGradientTolerance);
}

TEST(PackedSequence, RefusesLengthsThatDoNotFit) {
  const Tensor x = randn({4, 2, 3});
  const auto pack = [&](std::vector<int64_t> lengths) {
    return error_of<Error>([&] { pack_padded_sequence(x, lengths); });
  };
  EXPECT_EQ(pack({4}),
            "Expected `len(lengths)` to be equal to batch_size, but got 1 (batch_size=2)");
  EXPECT_EQ(
      pack({4, 0}),
      "Length of all samples has to be greater than 0, but found an element in 'lengths' that "
      "is <= 0");
  EXPECT_EQ(pack({2, 4}).substr(0, 44), "`lengths` array must be sorted in decreasing");
  EXPECT_NE(pack({5, 4}), "");
  EXPECT_THROW(pad_packed_sequence(pack_padded_sequence(x, {4, 4}), {.total_length = 3}),
               ValueError);
}

}  // namespace
}  // namespace ballast::test

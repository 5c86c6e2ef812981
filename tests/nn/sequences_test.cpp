// Recurrent layers and attention as modules; PyTorch's samples of them are in module_db_test.cpp.
#include <gtest/gtest.h>

#include "ballast/nn/recurrent.h"
#include "ballast/nn/transformer.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/rearrange.h"
#include "tests/support/files.h"

namespace ballast::nn {
namespace {

using testing::error_of;

std::vector<float> flat(const Tensor& t) { return t.detach().values<float>(); }

/// The clone computes the same, shares nothing, and its state can be loaded into a fresh module.
template <class M>
void expect_clones_and_reloads(M made, M fresh, const Tensor& x) {
  made.eval();
  fresh.eval();
  M copy = clone(made);
  EXPECT_EQ(flat(made(x)), flat(copy(x)));
  EXPECT_TRUE(fresh.load_state_dict(made.state_dict()).missing.empty());
  EXPECT_EQ(flat(made(x)), flat(fresh(x)));
  const std::vector<float> before = flat(made(x));
  for (Tensor p : copy.parameters()) p.copy_(p.detach() * 2.0);
  EXPECT_EQ(flat(made(x)), before);
  EXPECT_NE(flat(copy(x)), before);
}

/// Calls a layer for its outputs alone.
template <class M>
struct Outputs : Module {
  explicit Outputs(M m) : layer(add("layer", std::move(m))) {}
  Tensor forward(const Tensor& x) override { return layer.forward(x); }
  M layer;
};

TEST(Sequences, EveryLayerClonesSavesAndLoads) {
  const Tensor x = randn({5, 2, 4});
  const auto lstm = [] {
    return Outputs(LSTM(4, 3, {.num_layers = 2, .bidirectional = true, .proj_size = 2}));
  };
  expect_clones_and_reloads(lstm(), lstm(), x);
  expect_clones_and_reloads(Outputs(GRU(4, 3)), Outputs(GRU(4, 3)), x);
  expect_clones_and_reloads(GRUCell(4, 3), GRUCell(4, 3), randn({2, 4}));
  const auto encoder = [] {
    return TransformerEncoder(TransformerEncoderLayer(4, 2, {.dim_feedforward = 8}), 2,
                              LayerNorm({4}));
  };
  expect_clones_and_reloads(encoder(), encoder(), x);
}

TEST(Sequences, LayersAreWrittenAsPyTorchWritesThem) {
  EXPECT_EQ(LSTM(4, 3, {.num_layers = 2, .bias = false, .dropout = 0.5, .proj_size = 2}).str(),
            "LSTM(4, 3, proj_size=2, num_layers=2, bias=False, dropout=0.5)");
  EXPECT_EQ(GRU(4, 3, {.batch_first = true, .bidirectional = true}).str(),
            "GRU(4, 3, batch_first=True, bidirectional=True)");
  EXPECT_EQ(RNNCell(4, 3, {.bias = false, .relu = true}).str(),
            "RNNCell(4, 3, bias=False, nonlinearity=relu)");
  EXPECT_EQ(MultiheadAttention(4, 2).str(),
            "MultiheadAttention(\n  (out_proj): NonDynamicallyQuantizableLinear(in_features=4, "
            "out_features=4, bias=True)\n)");
}

TEST(Sequences, PackedSequencesComeBackInTheirOrder) {
  const LSTM layer(3, 4, {.bidirectional = true});
  const Tensor x = randn({3, 2, 3});
  const PackedSequence packed = pack_padded_sequence(x, {2, 3}, {.enforce_sorted = false});
  const PackedRecurrent all = layer(packed);
  const PaddedSequence padded = pad_packed_sequence(all.output);
  EXPECT_EQ(padded.lengths, (std::vector<int64_t>{2, 3}));
  const Recurrent first = layer(narrow(select(x, 1, 0), 0, 0, 2)), second = layer(select(x, 1, 1));
  const auto expect_near = [](const Tensor& a, const Tensor& b) {
    const auto p = flat(a), q = flat(b);
    ASSERT_EQ(p.size(), q.size());
    for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(p[i], q[i], 1e-6);
  };
  expect_near(narrow(select(padded.data, 1, 0), 0, 0, 2), first.output);
  expect_near(select(padded.data, 1, 1), second.output);
  expect_near(select(all.h, 1, 0), first.h);
  expect_near(select(all.c, 1, 1), second.c);
}

TEST(Sequences, RefuseWhatDoesNotFit) {
  EXPECT_EQ(error_of<ValueError>([] { GRU(2, 3, {.proj_size = 1}); }),
            "proj_size argument is only supported for LSTM, not RNN or GRU");
  EXPECT_EQ(error_of<ValueError>([] { LSTM(2, 3, {.proj_size = 3}); }),
            "proj_size has to be smaller than hidden_size");
  EXPECT_EQ(error_of<Error>([] {
              GRU(2, 3)(randn({4, 2, 5}));
            }),
            "input.size(-1) must be equal to input_size. Expected 2, got 5");
  EXPECT_NE(error_of<Error>([] { GRU(2, 3)(randn({4, 2, 2}), {}, randn({1, 2, 3})); }), "");
  EXPECT_NE(error_of<Error>([] { LSTM(2, 3)(randn({4, 2, 2}), randn({1, 1, 3})); }), "");
  EXPECT_EQ(error_of<Error>([] { MultiheadAttention(4, 3); }),
            "embed_dim must be divisible by num_heads");
}

}  // namespace
}  // namespace ballast::nn

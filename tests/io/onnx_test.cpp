#include "ballast/io/onnx.h"

#include <gtest/gtest.h>

#include "ballast/base/file.h"
#include "ballast/io/proto.h"
#include "ballast/nn/nn.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/reduce_at.h"
#include "tests/support/files.h"
#include "tests/support/nets.h"

// What the files compute is checked with ONNX Runtime by python/tests/test_onnx.py.
namespace ballast::io {
namespace {

using ballast::testing::error_of;
using ballast::testing::Folder;

std::string bytes_for(std::function<Tensor(const Tensor&)> f, const OnnxOptions& options = {}) {
  const Tensor x = full({2, 3}, 0.25);
  return onnx_bytes([&](std::span<const Tensor> in) { return std::vector{f(in[0])}; },
                    std::span(&x, 1), options);
}
bool has(const std::string& bytes, const std::string& text) {
  return bytes.find(text) != std::string::npos;
}

TEST(Proto, FieldsAreWrittenAsTheFormatSaysThem) {
  ProtoMessage inner;
  inner.integer(1, 150);
  EXPECT_EQ(inner.bytes(), "\x08\x96\x01");
  ProtoMessage m;
  m.text(2, "testing").message(3, inner).integer(16, -1).real(4, 1.0f);
  EXPECT_EQ(m.bytes(), std::string("\x12\x07testing\x1a\x03\x08\x96\x01\x80\x01"
                                   "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x25\0\0\x80\x3f",
                                   31));
}

TEST(Onnx, AModuleIsExportedInEvaluationModeAndLeftAsItWas) {
  const Folder folder;
  test::Net net;
  net.bn1.eval();
  export_onnx(net, zeros({1, 10}), folder / "net.onnx");
  const std::string folded = read_file(folder / "net.onnx", 1 << 20);
  EXPECT_TRUE(has(folded, "Gemm"));
  EXPECT_TRUE(has(folded, "fc1.weight"));
  EXPECT_FALSE(has(folded, "BatchNormalization"));
  export_onnx(net, zeros({1, 10}), folder / "net.onnx", {.fold = false});
  EXPECT_TRUE(has(read_file(folder / "net.onnx", 1 << 20), "BatchNormalization"));
  EXPECT_TRUE(net.training());
  EXPECT_TRUE(net.fc1.training());
  EXPECT_FALSE(net.bn1.training());
  EXPECT_EQ(net.bn1.num_batches_tracked.item<int64_t>(), 0);
}

TEST(Onnx, TheSameContentGivesTheSameBytes) {
  const auto f = [](const Tensor& x) { return relu(x * 2.0 + 1.0); };
  EXPECT_EQ(bytes_for(f), bytes_for(f));
}

TEST(Onnx, WhatDoesNotDependOnTheInputIsAConstant) {
  const std::string bytes = bytes_for([](const Tensor& x) { return x + exp(ones({3})); });
  EXPECT_TRUE(has(bytes, "Add"));
  EXPECT_FALSE(has(bytes, "Exp"));
}

TEST(Onnx, TheBatchHasTheNameThatItIsGiven) {
  const auto f = [](const Tensor& x) { return relu(x); };
  EXPECT_TRUE(has(bytes_for(f, {.input_batch = {"images"}}), "images"));
  EXPECT_TRUE(has(bytes_for(f, {.input_batch = {"n"}, .output_batch = {"results"}}), "results"));
  EXPECT_FALSE(has(bytes_for(f, {.input_batch = {""}}), "batch"));
  EXPECT_THROW(bytes_for(f, {.input_batch = {"n", "m"}}), ValueError);
}

TEST(Onnx, ConstantsCanBeInputs) {
  const Tensor w = full({3}, 0.5);
  const auto count = [&](bool open) {
    const std::string bytes =
        bytes_for([&](const Tensor& x) { return x * w; }, {.open_constants = open});
    size_t found = 0;
    for (size_t at = 0; (at = bytes.find("constant", at)) != bytes.npos; ++at) ++found;
    return found;
  };
  EXPECT_EQ(count(true), count(false) + 1);
}

TEST(Onnx, WhatCannotBeExportedIsNamed) {
  EXPECT_EQ(error_of<NotImplementedError>(
                [] { bytes_for([](const Tensor& x) { return logcumsumexp(x, 1); }); }),
            "onnx: the operation 'logcumsumexp' cannot be exported");
  EXPECT_THROW(bytes_for([](const Tensor& x) { return x * x.sum().item(); }), ValueError);
  EXPECT_THROW(bytes_for([](const Tensor& x) { return x * static_cast<double>(x.size(0)); }),
               ValueError);
  EXPECT_THROW(bytes_for([](const Tensor& x) { return x; }, {.opset_version = 9}), ValueError);
}

}  // namespace
}  // namespace ballast::io

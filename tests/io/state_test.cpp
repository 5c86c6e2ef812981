#include "ballast/io/state.h"

#include <gtest/gtest.h>

#include "ballast/io/safetensors.h"
#include "ballast/ops/create.h"
#include "tests/support/files.h"
#include "tests/support/nets.h"

namespace ballast::test {
namespace {

TEST(State, ANetworkSavedAndLoadedComputesTheSame) {
  testing::Folder folder;
  Net net, other;
  net(randn({8, 10})).sum().item();
  save(net.state_dict(), folder / "net.safetensors", {{"made by", "a test"}});
  other.load_state_dict(load(folder / "net.safetensors"));
  net.eval();
  other.eval();
  const Tensor x = randn({3, 10});
  EXPECT_EQ(net(x).values<float>(), other(x).values<float>());
  EXPECT_EQ(other.bn1.num_batches_tracked.item<int64_t>(), 1);
  EXPECT_EQ(io::read_safetensors(folder / "net.safetensors").metadata.at("made by"), "a test");
}

TEST(State, ArraysAndTensorsShareMemoryUntilOneIsWritten) {
  const auto a = io::Array::of<float>({2, 2}, {1, 2, 3, 4});
  Tensor t = io::to_tensor(a);
  EXPECT_EQ(static_cast<const void*>(t.data<float>().data()), a.data->data());
  t.mutable_data<float>()[0] = 9;
  EXPECT_EQ(a.as<float>()[0], 1);
  const io::Array back = io::to_array(t);
  EXPECT_EQ(back.as<float>()[0], 9);
  EXPECT_EQ(back.shape, t.shape());
}

}  // namespace
}  // namespace ballast::test

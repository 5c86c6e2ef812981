#include "ballast/io/pt.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/file.h"
#include "ballast/io/state.h"
#include "ballast/io/zip.h"
#include "ballast/ops/create.h"
#include "tests/support/files.h"
#include "tests/support/nets.h"
#include "tests/support/zip_bytes.h"

namespace ballast::io {
namespace {

using ballast::testing::error_of;
using ballast::testing::Folder;
using ballast::testing::golden;
using Kind = Object::Kind;

Object read_golden(const std::string& name) { return read_pt(golden("checkpoints/" + name)); }

std::vector<float> counted(int from, int to, int step = 1) {
  std::vector<float> v;
  for (int i = from; i < to; i += step) v.push_back(static_cast<float>(i));
  return v;
}

/// Whether two values are the same throughout: kinds, order, types, shapes, elements.
void expect_same(const Object& a, const Object& b, const std::string& where) {
  ASSERT_EQ(a.kind(), b.kind()) << where;
  if (a.is_tensor()) {
    const Array x = to_array(a.as_tensor()), y = to_array(b.as_tensor());
    ASSERT_EQ(x.dtype, y.dtype) << where;
    ASSERT_EQ(x.shape, y.shape) << where;
    EXPECT_EQ(a.as_tensor().requires_grad(), b.as_tensor().requires_grad()) << where;
    const bool same = x.bytes() == 0 || std::memcmp(x.data->data(), y.data->data(), x.bytes()) == 0;
    EXPECT_TRUE(same) << where;
  } else if (a.is_dict()) {
    EXPECT_EQ(a.dict_kind(), b.dict_kind()) << where;
    expect_same(a.attributes(), b.attributes(), where + ".attributes");
    ASSERT_EQ(a.entries().size(), b.entries().size()) << where;
    for (size_t i = 0; i < a.entries().size(); ++i) {
      expect_same(a.entries()[i].first, b.entries()[i].first, where + ".key");
      expect_same(a.entries()[i].second, b.entries()[i].second, where + "." + std::to_string(i));
    }
  } else if (a.kind() >= Kind::kList && a.kind() <= Kind::kSize) {
    ASSERT_EQ(a.items().size(), b.items().size()) << where;
    for (size_t i = 0; i < a.items().size(); ++i)
      expect_same(a.items()[i], b.items()[i], where + "." + std::to_string(i));
  } else if (a.kind() == Kind::kBool) {
    EXPECT_EQ(a.as_bool(), b.as_bool()) << where;
  } else if (a.kind() == Kind::kInt) {
    EXPECT_EQ(a.as_int(), b.as_int()) << where;
  } else if (a.kind() == Kind::kFloat) {
    EXPECT_EQ(a.as_float(), b.as_float()) << where;
    EXPECT_EQ(std::signbit(a.as_float()), std::signbit(b.as_float())) << where;
  } else if (a.kind() == Kind::kDType) {
    EXPECT_EQ(a.as_dtype(), b.as_dtype()) << where;
  } else if (a.kind() != Kind::kNone) {
    EXPECT_EQ(a.as_string(), b.as_string()) << where;
  }
}

class PtFormats : public ::testing::TestWithParam<const char*> {
 protected:
  Object read(const std::string& name) { return read_golden(name + GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(All, PtFormats, ::testing::Values(".pt", "_legacy.pt"),
                         [](const auto& param) {
                           return std::string(param.index == 0 ? "Zip" : "Legacy");
                         });

TEST_P(PtFormats, TensorsOfAllTypesAreRead) {
  const Object f = read("tensors");
  const float inf = std::numeric_limits<float>::infinity();
  const auto& tensor = [&](const char* name) -> const Tensor& { return f[name].as_tensor(); };
  EXPECT_EQ(tensor("float32").shape(), (Shape{2, 3, 4}));
  EXPECT_EQ(tensor("float32").values<float>(), counted(0, 24));
  EXPECT_EQ(tensor("float64").values<double>(), (std::vector<double>{0.1, -1e300}));
  const auto floats = [&](const char* name) {
    return tensor(name).to(DType::kFloat32).values<float>();
  };
  EXPECT_EQ(tensor("float16").dtype(), DType::kFloat16);
  EXPECT_EQ(floats("float16"), (std::vector<float>{1.5, -0x1p-24f, 65504, inf, 0}));
  EXPECT_TRUE(std::signbit(floats("float16")[4]));
  EXPECT_EQ(tensor("bfloat16").dtype(), DType::kBFloat16);
  EXPECT_EQ(floats("bfloat16"), (std::vector<float>{1.5, -3.140625, 0x1p127f}));
  const std::pair<const char*, std::vector<int64_t>> whole[] = {
      {"int64", {-(int64_t{1} << 62), int64_t{1} << 62}},
      {"int32", {INT32_MIN, INT32_MAX}},
      {"int16", {INT16_MIN, INT16_MAX}},
      {"int8", {INT8_MIN, INT8_MAX}},
      {"scalar", {7}}};
  for (const auto& [name, values] : whole)
    EXPECT_EQ(tensor(name).to(DType::kInt64).values<int64_t>(), values) << name;
  for (const DType t : {DType::kInt8, DType::kInt16, DType::kInt32, DType::kInt64})
    EXPECT_EQ(tensor(name_of(t)).dtype(), t);
  EXPECT_EQ(tensor("scalar").shape(), Shape{});
  EXPECT_EQ(tensor("uint8").values<uint8_t>(), (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(tensor("bool").values<bool>(), (std::vector<bool>{true, false}));
  EXPECT_EQ(tensor("empty").shape(), (Shape{0, 3}));
}

TEST_P(PtFormats, ViewsAreReadByTheirStrides) {
  const Object f = read("tensors");
  EXPECT_EQ(f["transposed"].as_tensor().shape(), (Shape{6, 4}));
  const std::vector<float> transposed = f["transposed"].as_tensor().values<float>();
  for (int i = 0; i < 24; ++i) EXPECT_EQ(transposed[i], i % 4 * 6 + i / 4) << i;
  EXPECT_EQ(f["slice"].as_tensor().values<float>(), counted(5, 20, 3));
  EXPECT_EQ(f["expanded"].as_tensor().values<float>(), (std::vector<float>{1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(f["channels_last"].as_tensor().shape(), (Shape{1, 2, 3, 4}));
  EXPECT_EQ(f["channels_last"].as_tensor().values<float>(), counted(0, 24));
}

TEST_P(PtFormats, TensorsThatShareAStorageShareMemoryUntilOneIsWritten) {
  const Object f = read("tensors");
  Tensor a = f["shared"].as_tensor(), b = f["shared_too"].as_tensor();
  EXPECT_EQ(static_cast<const void*>(a.data<float>().data()),
            static_cast<const void*>(b.data<float>().data()));
  a.mutable_data<float>()[0] = -1;
  EXPECT_EQ(b.values<float>(), counted(0, 24));
}

TEST_P(PtFormats, ValuesOfAllKindsAreRead) {
  const Object f = read("values");
  EXPECT_TRUE(f["none"].is_none());
  EXPECT_TRUE(f["bools"].items()[0].as_bool());
  const std::vector<int64_t> ints = {
      0, 255, 256, 65535, 65536, -1, INT32_MIN, int64_t{1} << 31, INT64_MIN, INT64_MAX};
  ASSERT_EQ(f["ints"].kind(), Kind::kTuple);
  ASSERT_EQ(f["ints"].items().size(), ints.size());
  for (size_t i = 0; i < ints.size(); ++i) EXPECT_EQ(f["ints"].items()[i].as_int(), ints[i]);
  EXPECT_EQ(f["floats"].items()[0].as_float(), 0.1);
  EXPECT_EQ(f["text"]["größe"].as_string(), "Maß");
  EXPECT_EQ(f["text"].dict_kind(), Object::DictKind::kOrdered);
  EXPECT_EQ(f["text"].attributes()["_metadata"]["version"].as_int(), 2);
  EXPECT_EQ(f["bytes"].items()[0].as_string(), "");
  EXPECT_EQ(f["bytes"].items()[1].as_string(), std::string("\0\x7f\x80\xff", 4));
  EXPECT_EQ(f["set"].kind(), Kind::kSet);
  EXPECT_EQ(f["set"].items().size(), 2u);
  EXPECT_EQ(f["counter"].dict_kind(), Object::DictKind::kCounter);
  EXPECT_EQ(f["counter"].entries()[0].second.as_int(), 2);
  EXPECT_EQ(f["size"].kind(), Kind::kSize);
  EXPECT_EQ(f["size"].items()[1].as_int(), 3);
  EXPECT_EQ(f["dtypes"].items()[1].as_dtype(), DType::kInt64);
  EXPECT_EQ(f["device"].kind(), Kind::kDevice);
  EXPECT_EQ(f["device"].as_string(), "cpu");
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(f["tuples"].items()[i].items().size(), i);
  EXPECT_EQ(f["keys"].entries()[1].first.kind(), Kind::kNone);
  EXPECT_EQ(f["keys"].entries()[2].first.as_float(), 1.5);
}

TEST_P(PtFormats, ParametersAreReadAsWhatTheyAre) {
  const Object f = read("values");
  EXPECT_EQ(f["parameter"].kind(), Kind::kParameter);
  EXPECT_TRUE(f["parameter"].as_tensor().requires_grad());
  EXPECT_TRUE(f["parameter"].as_tensor().is(f["parameter again"].as_tensor()));
  EXPECT_EQ(f["requires_grad"].kind(), Kind::kTensor);
  EXPECT_TRUE(f["requires_grad"].as_tensor().requires_grad());
}

TEST(Pt, ProtocolFourAndTypesWithoutAStorageClassAreRead) {
  expect_same(read_golden("values_protocol4.pt"), read_golden("values.pt"), "");
  EXPECT_EQ(read_golden("uint16.pt")["uint16"].as_tensor().values<uint16_t>(),
            (std::vector<uint16_t>{1, 65535}));
}

TEST(Pt, WhatIsWrittenIsReadTheSameInBothFormats) {
  const Folder folder;
  for (const char* name : {"values.pt", "tensors.pt", "adam.pt"}) {
    const Object value = read_golden(name);
    for (const PtFormat format : {PtFormat::kZip, PtFormat::kLegacy}) {
      write_pt(folder / "a.pt", value, format);
      expect_same(read_pt(folder / "a.pt"), value, name);
      EXPECT_EQ(pt_bytes(value, format), read_file(folder / "a.pt", 1 << 20)) << name;
    }
  }
}

TEST(Pt, SharedMemoryIsWrittenOnce) {
  const Tensor t = randn({1000}), again = to_tensor(to_array(t));
  const std::string one = pt_bytes(Object::list({t}));
  EXPECT_LT(pt_bytes(Object::list({t, again})).size(), one.size() + 200);
  const Object read = parse_pt(bytes_of(pt_bytes(Object::list({t, t, again}))), "f");
  EXPECT_TRUE(read.items()[0].as_tensor().is(read.items()[1].as_tensor()));
  EXPECT_EQ(read.items()[0].as_tensor().data<float>().data(),
            read.items()[2].as_tensor().data<float>().data());
}

TEST(Pt, StoragesAreAlignedForMapping) {
  const std::string bytes = pt_bytes(Object::list({zeros({3}), full({5}, 0.5)}));
  const float half = 0.5;
  const size_t at = bytes.find(std::string(reinterpret_cast<const char*>(&half), 4));
  EXPECT_EQ(at % 64, 0u);
}

TEST(Pt, BigEndianFilesAreRead) {
  const std::string little = pt_bytes(Object::list({Tensor::from({1.0f, -2.5f})}));
  const ZipReader in(bytes_of(little), "f", "a checkpoint");
  struct : FileSink {
    std::string bytes;
    void write(const void* data, size_t n) override {
      bytes.append(static_cast<const char*>(data), n);
    }
  } sink;
  ZipWriter out(sink);
  for (const ZipEntry& e : in.entries()) {
    const Ref<Buffer> content = in.unpack(e, e.name);
    std::string s(reinterpret_cast<const char*>(content->data()), content->bytes());
    if (e.name == "archive/byteorder") s = "big";
    if (e.name == "archive/data/0")
      for (size_t i = 0; i < s.size(); i += 4) std::reverse(&s[i], &s[i] + 4);
    out.add(e.name, {bytes_of(s)});
  }
  out.finish();
  EXPECT_EQ(parse_pt(bytes_of(sink.bytes), "f").items()[0].as_tensor().values<float>(),
            (std::vector<float>{1, -2.5}));
}

/// What the archive of a checkpoint holds.
std::vector<std::pair<std::string, std::string>> files_in(const std::string& archive) {
  const ZipReader in(bytes_of(archive), "f", "a checkpoint");
  std::vector<std::pair<std::string, std::string>> files;
  for (const ZipEntry& e : in.entries()) {
    const Ref<Buffer> content = in.unpack(e, e.name);
    files.emplace_back(
        e.name, std::string(reinterpret_cast<const char*>(content->data()), content->bytes()));
  }
  return files;
}

TEST(Pt, ArchivesWith64BitFieldsAreRead) {
  const Object value = Object::dict({{"x", randn({3, 4})}, {"y", arange(5)}, {"epoch", 3}});
  const std::string archive = testing::zip64_of(files_in(pt_bytes(value)));
  expect_same(parse_pt(bytes_of(archive), "f"), value, "");
}

TEST(Pt, StoredEntriesAreFoundInTheArchive) {
  const std::string plain = pt_bytes(Object::list({randn({10}), arange(5)}));
  for (const std::string& archive : {plain, testing::zip64_of(files_in(plain))}) {
    const ZipReader in(bytes_of(archive), "f", "a checkpoint");
    for (const ZipEntry& e : in.entries()) {
      const auto found = in.stored(e);
      ASSERT_TRUE(found) << e.name;
      const Ref<Buffer> content = in.unpack(e, e.name);
      EXPECT_TRUE(std::ranges::equal(*found, bytes_of(*content))) << e.name;
    }
  }
  const std::string compressed = testing::compressed_zip_of("a", "content");
  const ZipReader in(bytes_of(compressed), "f", "a checkpoint");
  EXPECT_FALSE(in.stored(in.entries().front()));
}

TEST(Pt, TensorsOfAMappedFileAreViewsOfItThatWritingLeavesAlone) {
  const Folder folder;
  const std::string path = folder / "a.pt";
  const Tensor x = randn({1000}), half = Tensor::from({1.0f, 2.0f, 3.0f, 4.0f});
  const Object value = Object::dict({{"x", x}, {"epoch", 3}, {"y", arange(7)}, {"half", half}});
  write_pt(path, value);
  const std::string before = read_file(path, 1 << 20);
  const Object mapped = read_pt(path, true);
  expect_same(mapped, value, "");
  Tensor view = mapped["x"].as_tensor();
  EXPECT_TRUE(view.node().external());
  EXPECT_EQ((view + 1).values<float>(), (x + 1).values<float>());
  view.copy_(zeros({1000}));
  EXPECT_EQ(view.values<float>(), std::vector<float>(1000));
  EXPECT_EQ(read_file(path, 1 << 20), before);
  // A file that is replaced stays what it was for those who see it.
  write_pt(path, Object::dict({}));
  expect_same(mapped["y"], value["y"], "y");
}

TEST(Pt, MappedFilesOfOtherKindsAreReadAsUsual) {
  const Object value = Object::dict({{"x", randn({5})}});
  const Folder folder;
  write_pt(folder / "legacy.pt", value, PtFormat::kLegacy);
  write_checkpoint(folder / "a.safetensors", value);
  for (const char* name : {"legacy.pt", "a.safetensors"})
    expect_same(read_checkpoint(folder / name, true)["x"], value["x"], name);
}

TEST(Pt, ACheckpointOfPyTorchsHoldsModelOptimizerAndScheduler) {
  const Object f = read_golden("adam.pt");
  EXPECT_EQ(f["epoch"].as_int(), 3);
  const StateDict model = state_dict_of(f["model"]);
  ASSERT_EQ(model.size(), 9u);
  EXPECT_EQ(model[0].first, "0.weight");
  EXPECT_EQ(f["optimizer"]["state"].entries()[0].second["step"].as_tensor().item(), 2);
  EXPECT_EQ(f["optimizer"]["param_groups"].items()[0]["params"].items()[5].as_int(), 5);
  EXPECT_EQ(f["scheduler"]["milestones"].dict_kind(), Object::DictKind::kCounter);
  EXPECT_EQ(error_of<TypeError>([&] { state_dict_of(f); }),
            "expected a dictionary of tensors, but its entry 'model' is a dictionary");
  EXPECT_EQ(error_of<KeyError>([&] { f["nothing"]; }), "there is no entry 'nothing'");
  EXPECT_EQ(error_of<TypeError>([&] { f["epoch"].items(); }),
            "expected a list, got a whole number");
}

TEST(Pt, NestedTooDeepIsNotWritten) {
  Object o = 1;
  for (int i = 0; i < 300; ++i) o = Object::list({o});
  EXPECT_EQ(error_of<ValueError>([&] { pt_bytes(o); }), "save: nested deeper than 200 levels");
}

TEST(Checkpoint, TheContentDecidesHowAFileIsReadAndTheEndingHowItIsWritten) {
  const Folder folder;
  test::Net net;
  const StateDict state = net.state_dict();
  for (const char* name : {"a.pt", "a.pth", "a.npz", "a.safetensors"}) {
    save(state, folder / name);
    std::filesystem::rename(folder / name, folder / "a");
    const StateDict read = load(folder / "a");
    ASSERT_EQ(read.size(), state.size()) << name;
    for (size_t i = 0; i < read.size(); ++i) {
      EXPECT_EQ(read[i].first, state[i].first) << name;
      expect_same(read[i].second.detach(), state[i].second.detach(), name);
    }
  }
  EXPECT_EQ(error_of<TypeError>([&] {
              write_checkpoint(folder / "a.safetensors", Object::dict({{"epoch", 3}}));
            }),
            "expected a dictionary of tensors, but its entry 'epoch' is a whole number");
  EXPECT_THROW(save(state, folder / "a.pt", {{"key", "value"}}), ValueError);
}

}  // namespace
}  // namespace ballast::io

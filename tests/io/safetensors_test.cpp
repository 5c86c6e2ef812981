#include "ballast/io/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "ballast/base/file.h"
#include "ballast/io/state.h"
#include "tests/support/files.h"

namespace ballast::io {
namespace {

using ballast::testing::error_of;
using ballast::testing::Folder;
using ballast::testing::golden;

/// A file's bytes: the header's length, the header, and that many bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string s(reinterpret_cast<const char*>(&length), 8);
  return s + header + std::string(data_bytes, '\1');
}
SafeTensors parse(const std::string& bytes) { return parse_safetensors(bytes_of(bytes), "f"); }
std::string error_in(const std::string& header, size_t data_bytes) {
  return error_of<FileError>([&] { parse(file_of(header, data_bytes)); });
}
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape +
         "],\"data_offsets\":[" + offsets + "]}";
}

NamedArrays sample() {
  return {{"b", Array::of<bool>({3}, {true, false, true})},
          {"fc.weight", Array::of<float>({2, 3}, {1, 2, 3, 4, 5, -6.5})},
          {"x", Array::of<double>({2}, {0.1, -1e300})},
          {"steps", Array::of<int64_t>({}, {-7})},
          {"image", Array::of<uint8_t>({1, 2}, {0, 255})},
          {"none", Array::zeros(DType::kFloat32, {0, 4})}};
}

TEST(SafeTensors, RoundTripKeepsOrderTypesShapesValuesAndMetadata) {
  const Folder folder;
  write_safetensors(folder / "a", sample(), {{"format", "pt"}, {"k\"\n", "ü"}});
  const SafeTensors read = read_safetensors(folder / "a");
  const NamedArrays expected = sample();
  ASSERT_EQ(read.tensors.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, a] = read.tensors[i];
    EXPECT_EQ(name, expected[i].first);
    EXPECT_EQ(a.dtype, expected[i].second.dtype) << name;
    ASSERT_EQ(a.shape, expected[i].second.shape) << name;
    EXPECT_EQ(std::memcmp(a.data->data(), expected[i].second.data->data(), a.bytes()), 0) << name;
  }
  EXPECT_EQ(read.metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"k\"\n", "ü"}}));
}

TEST(SafeTensors, AnEmptyFileOfTensorsIsAFile) {
  const Folder folder;
  write_safetensors(folder / "a", {});
  EXPECT_EQ(read_file(folder / "a", 100), file_of("{}      ", 0));
  EXPECT_TRUE(read_safetensors(folder / "a").tensors.empty());
}

TEST(SafeTensors, SameContentSameBytesAndEveryTensorAligned) {
  const Folder folder;
  write_safetensors(folder / "a", sample(), {{"format", "pt"}});
  write_safetensors(folder / "b", sample(), {{"format", "pt"}});
  const std::string bytes = read_file(folder / "a", 10'000);
  EXPECT_EQ(bytes, read_file(folder / "b", 10'000));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  // float64 and int64 lie first, then float32, then bytes.
  EXPECT_NE(bytes.find(R"("x":{"dtype":"F64","shape":[2],"data_offsets":[0,16]})"),
            std::string::npos);
  EXPECT_NE(bytes.find(R"("fc.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[24,48]})"),
            std::string::npos);
}

TEST(SafeTensors, FilesOfTheReferenceImplementationAreRead) {
  const SafeTensors f = read_safetensors(golden("reference.safetensors"));
  EXPECT_EQ(f.metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"note", "größe"}}));
  EXPECT_EQ(f.tensors.size(), 11u);
  const auto floats = [&](const char* name) {
    return to_tensor(*find(f.tensors, name)).to(DType::kFloat32).values<float>();
  };
  const auto ints = [&](const char* name) {
    return to_tensor(*find(f.tensors, name)).to(DType::kInt64).values<int64_t>();
  };
  for (const auto& [name, type] : {std::pair{"i8", DType::kInt8},
                                   {"i16", DType::kInt16},
                                   {"i32", DType::kInt32},
                                   {"f16", DType::kFloat16},
                                   {"bf16", DType::kBFloat16}})
    EXPECT_EQ(find(f.tensors, name)->dtype, type) << name;
  EXPECT_EQ(find(f.tensors, "f32")->shape, (Shape{2, 3}));
  EXPECT_EQ(floats("f32"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(find(f.tensors, "f64")->as<double>()[0], 0.1);
  EXPECT_EQ(find(f.tensors, "scalar")->shape, Shape{});
  EXPECT_EQ(ints("scalar"), std::vector<int64_t>{123456789012345});
  EXPECT_EQ(find(f.tensors, "bool")->as<bool>()[1], true);
  EXPECT_EQ(find(f.tensors, "u8")->as<uint8_t>()[2], 255);
  EXPECT_EQ(ints("i32"), (std::vector<int64_t>{-2147483648, 2147483647}));
  EXPECT_EQ(ints("i16"), (std::vector<int64_t>{-32768, 32767}));
  EXPECT_EQ(ints("i8"), (std::vector<int64_t>{-128, 127}));
  EXPECT_EQ(find(f.tensors, "empty")->shape, (Shape{0, 5}));
  const std::vector<float> f16 = floats("f16"), bf16 = floats("bf16");
  EXPECT_EQ(f16[0], 1.5f);
  EXPECT_EQ(f16[1], -0x1p-24f);
  EXPECT_EQ(f16[2], 65504.f);
  EXPECT_EQ(f16[3], INFINITY);
  EXPECT_TRUE(std::isnan(f16[4]));
  EXPECT_TRUE(f16[5] == 0 && std::signbit(f16[5]));
  EXPECT_EQ(bf16, (std::vector<float>{1.5f, -3.140625f, 0x1p127f}));
}

TEST(SafeTensors, AnyByteButZeroIsTrue) {
  std::string bytes = file_of("{" + entry("a", "BOOL", "2", "0,2") + "}", 2);
  bytes[bytes.size() - 2] = '\x02';
  bytes[bytes.size() - 1] = '\0';
  const SafeTensors f = parse(bytes);
  EXPECT_EQ(*reinterpret_cast<const uint8_t*>(f.tensors[0].second.data->data()), 1);
  EXPECT_FALSE(f.tensors[0].second.as<bool>()[1]);
}

TEST(SafeTensors, EveryTruncationIsRefused) {
  const Folder folder;
  write_safetensors(folder / "a", sample(), {{"format", "pt"}});
  const std::string bytes = read_file(folder / "a", 10'000);
  ASSERT_EQ(parse(bytes).tensors.size(), sample().size());
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_THROW(parse(bytes.substr(0, n)), FileError) << n;
  EXPECT_THROW(parse(bytes + "x"), FileError);
}

TEST(SafeTensors, LengthsAreChecked) {
  EXPECT_EQ(error_of<FileError>([] { parse("short"); }),
            "f: 5 bytes long, a safetensors file has at least the 8 of its header's length");
  EXPECT_EQ(error_of<FileError>([] { parse(file_of("{}", 0).substr(0, 9)); }),
            "f: truncated: the header has 2 bytes, the file 1 after its length");
  EXPECT_EQ(error_of<FileError>([] { parse("PK\3\4garbage that is long"); }),
            "f: not a safetensors file: the header's length is given as 7093839458138803024, at "
            "most 100000000 is allowed");
  EXPECT_EQ(error_in("{" + entry("a", "U8", "2", "0,2") + "}", 3),
            "f: the tensors end at byte 2 of the data, which has 3 bytes");
}

TEST(SafeTensors, GarbledHeadersAreRefused) {
  EXPECT_EQ(error_in("", 0), "f: the header must start with '{'");
  EXPECT_EQ(error_in("[]", 0), "f: the header must start with '{'");
  EXPECT_EQ(error_in("{\"a\" 1}", 0), "f: the header is not valid JSON at byte 14");
  EXPECT_EQ(error_in("{} {}", 0), "f: the header is not valid JSON at byte 12");
  EXPECT_EQ(error_in(std::string("{}\0 ", 4), 0), "f: the header contains a zero byte");
  EXPECT_EQ(error_in("{\"a\":1}", 0), "f: the entry \"a\" must be an object, not a number");
  EXPECT_EQ(error_in(std::string(1000, '{'), 0), "f: the header is not valid JSON at byte 10");
  EXPECT_EQ(error_in("{\"a\":" + std::string(100'000, '['), 0),
            "f: the entry \"a\" must be an object, not an array");
  EXPECT_EQ(error_in(R"({"a":{"shape":[[)", 0),
            "f: tensor \"a\": \"shape\" must hold whole numbers, not an array");
  EXPECT_EQ(error_in(R"({"a":{"dtype":{)", 0),
            "f: tensor \"a\": the field \"dtype\" cannot be an object");
  EXPECT_EQ(error_in(R"({"__metadata__":{"k":1}})", 0),
            "f: the metadata value \"k\" must be a string, not a number");
  EXPECT_EQ(error_in("{\"\xff\":{}}", 0), "f: the header is not valid JSON at byte 11");
}

TEST(SafeTensors, DuplicatesAreRefused) {
  const std::string a = entry("a", "U8", "1", "0,1");
  EXPECT_EQ(error_in("{" + a + "," + a + "}", 1), "f: the name \"a\" occurs twice");
  EXPECT_EQ(error_in(R"({"__metadata__":{},"__metadata__":{}})", 0),
            "f: the name \"__metadata__\" occurs twice");
  EXPECT_EQ(error_in(R"({"__metadata__":{"k":"1","k":"2"}})", 0),
            "f: the metadata key \"k\" occurs twice");
  EXPECT_EQ(error_in(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0),
            "f: tensor \"a\": the field \"dtype\" occurs twice");
}

TEST(SafeTensors, FieldsAreChecked) {
  EXPECT_EQ(error_in(R"({"a":{"dtype":"U8","shape":[1]}})", 1),
            "f: tensor \"a\": expected two data_offsets");
  EXPECT_EQ(error_in(R"({"a":{"dtype":"U8","data_offsets":[0,1]}})", 1),
            "f: tensor \"a\": the field \"shape\" is missing");
  EXPECT_EQ(error_in(R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1),
            "f: tensor \"a\": the field \"dtype\" is missing");
  EXPECT_EQ(error_in(R"({"a":{"type":"U8"}})", 1),
            "f: tensor \"a\": unknown field \"type\" (expected dtype, shape and data_offsets)");
  EXPECT_EQ(
      error_in("{" + entry("a", "F8_E4M3", "1", "0,1") + "}", 1),
      "f: tensor \"a\": dtype \"F8_E4M3\" is not supported (BOOL, U8, I8, U16, I16, U32, I32, "
      "I64, F16, BF16, F32 and F64 are)");
  EXPECT_EQ(error_in("{" + entry("a", "U8", "1", "0,1,2") + "}", 1),
            "f: tensor \"a\": expected two data_offsets, got more");
}

TEST(SafeTensors, ShapesAreChecked) {
  EXPECT_EQ(error_in("{" + entry("a", "U8", "-1", "0,1") + "}", 1),
            "f: tensor \"a\": expected sizes and offsets of at least 0, got -1");
  EXPECT_EQ(error_in("{" + entry("a", "U8", "1.5", "0,1") + "}", 1),
            "f: tensor \"a\": expected whole numbers below 2^63, got 1.5");
  EXPECT_EQ(error_in("{" + entry("a", "U8", "18446744073709551615", "0,1") + "}", 1),
            "f: tensor \"a\": expected sizes below 2^63, got 18446744073709551615");
  EXPECT_EQ(error_in("{" + entry("a", "F32", "4294967296,4294967296", "0,4") + "}", 4),
            "f: tensor \"a\": the size of shape [4294967296, 4294967296] overflows");
  EXPECT_EQ(error_in("{" + entry("a", "U8", "0,4294967296,4294967296", "0,0") + "}", 0),
            "f: tensor \"a\": the size of shape [0, 4294967296, 4294967296] overflows");
  EXPECT_EQ(error_in("{" + entry("a", "F32", "2", "0,4") + "}", 4),
            "f: tensor \"a\": shape [2] of F32 takes 8 bytes, but data_offsets [0, 4] span 4");
  EXPECT_EQ(error_in("{" + entry("a", "U8", "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1", "0,1") + "}", 1),
            "f: tensor \"a\": expected at most 16 dimensions, got more");
}

TEST(SafeTensors, OffsetsMustTileTheData) {
  const auto two = [](const char* first, const char* second) {
    return "{" + entry("a", "U8", "2", first) + "," + entry("b", "U8", "2", second) + "}";
  };
  EXPECT_EQ(parse(file_of(two("2,4", "0,2"), 4)).tensors[0].first, "a");
  EXPECT_EQ(error_in(two("0,2", "1,3"), 4),
            "f: tensor \"b\": data_offsets [1, 3] overlap another tensor, which ends at 2");
  EXPECT_EQ(error_in(two("0,2", "3,5"), 5),
            "f: tensor \"b\": bytes 2 to 3 before it belong to no tensor");
  EXPECT_EQ(error_in(two("0,2", "2,5"), 4),
            "f: tensor \"b\": data_offsets [2, 5] lie outside the file's 4 bytes of data");
  EXPECT_EQ(error_in(two("0,2", "4,2"), 4),
            "f: tensor \"b\": data_offsets [4, 2] lie outside the file's 4 bytes of data");
}

TEST(SafeTensors, UnwritableContentIsRefusedAndTheOldFileKept) {
  const Folder folder;
  write_safetensors(folder / "a", {});
  const Array x = Array::zeros(DType::kFloat32, {1});
  EXPECT_EQ(error_of<ValueError>([&] {
              write_safetensors(folder / "a", {{"x", x}, {"x", x}});
            }),
            "safetensors: two tensors are called \"x\"");
  EXPECT_THROW(write_safetensors(folder / "a", {{"__metadata__", x}}), ValueError);
  EXPECT_EQ(error_of<ValueError>([&] {
              write_safetensors(folder / "a", {{"\xff", x}});
            }),
            "safetensors: the name or text \"\\ufffd\" is not valid UTF-8");
  EXPECT_EQ(read_file(folder / "a", 100), file_of("{}      ", 0));
  EXPECT_EQ(error_of<FileError>([&] {
              write_safetensors("/dev/full", {{"x", x}});
            }),
            "/dev/full: cannot write: No space left on device");
}

TEST(SafeTensors, MissingFilesAndFoldersAreNamed) {
  const Folder folder;
  EXPECT_EQ(error_of<FileError>([&] { read_safetensors(folder / "no"); }),
            (folder / "no") + ": cannot open: No such file or directory");
  EXPECT_THROW(read_safetensors(folder.path()), FileError);
}

}  // namespace
}  // namespace ballast::io

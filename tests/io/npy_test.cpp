#include "ballast/io/npy.h"

#include <gtest/gtest.h>

#include "ballast/base/file.h"
#include "ballast/io/npy_format.h"
#include "ballast/io/state.h"
#include "tests/support/files.h"
#include "tests/support/zip_bytes.h"

namespace ballast::io {
namespace {

using ballast::testing::compressed_zip_of;
using ballast::testing::error_of;
using ballast::testing::Folder;
using ballast::testing::golden;

/// A version 1 file.
std::string file_of(const std::string& header, const std::string& data) {
  std::string s("\x93NUMPY\1\0", 8);
  s += {static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  return s + header + data;
}
std::string header_of(const std::string& descr, const std::string& shape) {
  return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + "}\n";
}
Array parse(const std::string& bytes) { return parse_npy(bytes_of(bytes), "f"); }
std::string error_in(const std::string& header, size_t data_bytes = 0) {
  return error_of<FileError>([&] { parse(file_of(header, std::string(data_bytes, '\0'))); });
}
template <class T>
std::vector<T> values(const Array& a) {
  const auto s = a.as<T>();
  return {s.begin(), s.end()};
}

NamedArrays sample() {
  return {{"b", Array::of<bool>({3}, {true, false, true})},
          {"x", Array::of<float>({2, 3}, {1, 2, 3, 4, 5, -6.5})},
          {"y", Array::of<double>({2}, {0.1, -1e300})},
          {"n", Array::of<int64_t>({}, {-7})},
          {"image", Array::of<uint8_t>({1, 2}, {0, 255})},
          {"none", Array::zeros(DType::kFloat32, {0, 4})}};
}
void expect_same(const Array& a, const Array& b, const std::string& name) {
  EXPECT_EQ(a.dtype, b.dtype) << name;
  ASSERT_EQ(a.shape, b.shape) << name;
  EXPECT_EQ(std::memcmp(a.data->data(), b.data->data(), a.bytes()), 0) << name;
}

TEST(Npy, RoundTripKeepsTypeShapeAndValues) {
  const Folder folder;
  for (const auto& [name, a] : sample()) {
    write_npy(folder / "a.npy", a);
    expect_same(read_npy(folder / "a.npy"), a, name);
  }
}

TEST(Npy, TheBytesAreNumPys) {
  const Folder folder;
  write_npy(folder / "a.npy", Array::of<uint8_t>({2}, {3, 4}));
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  header.resize(117, ' ');
  EXPECT_EQ(read_file(folder / "a.npy", 1000), file_of(header + "\n", "\3\4"));
}

TEST(Npy, Version2And3HaveLongerHeaderLengths) {
  const std::string header = header_of("|u1", "(2,)");
  for (char version : {2, 3}) {
    std::string s("\x93NUMPY", 6);
    s += {version, '\0', static_cast<char>(header.size()), '\0', '\0', '\0'};
    EXPECT_EQ(values<uint8_t>(parse(s + header + "\3\4")), (std::vector<uint8_t>{3, 4}));
  }
}

TEST(Npy, TruncatedAndForeignFilesAreRefused) {
  const std::string whole = file_of(header_of("<f4", "(2,)"), std::string(8, '\0'));
  ASSERT_EQ(parse(whole).numel(), 2);
  for (size_t n = 0; n < whole.size(); ++n) EXPECT_THROW(parse(whole.substr(0, n)), FileError) << n;
  EXPECT_EQ(error_of<FileError>([] { parse("hello, world"); }),
            "f: not a .npy file: it must start with \\x93NUMPY");
  EXPECT_EQ(error_of<FileError>([] { parse(std::string("\x93NUMPY\x09\0abcdef", 14)); }),
            "f: version 9 of the .npy format is not supported (1 to 3 are)");
  EXPECT_EQ(error_in(header_of("<f4", "(2,)"), 9),
            "f: shape [2] of <f4 takes 8 bytes, the file has 9");
}

TEST(Npy, GarbledHeadersAreRefused) {
  EXPECT_EQ(error_in("__import__('os')"), "f: the header must be a dictionary");
  EXPECT_EQ(error_in("{'descr': '<f4', 'fortran_order': False}"),
            "f: the header must have the keys descr, fortran_order and shape");
  EXPECT_EQ(error_in("{'descr': '<f4', 'descr': '<f4'}"),
            "f: the key 'descr' is unknown or occurs twice");
  EXPECT_EQ(error_in("{'descr': '<f4', 'fortran_order': 1}"),
            "f: fortran_order must be True or False");
  EXPECT_EQ(error_in(header_of("<f4", "(2,)") + "x"),
            "f: there is text after the header's dictionary");
  EXPECT_EQ(error_in("{'descr"), "f: the header has a string without an end");
  EXPECT_EQ(error_in(header_of("<f4", "[2]")), "f: shape must be a tuple");
  EXPECT_EQ(error_in(header_of("<f4", "(2 3)")), "f: shape must be a tuple");
}

TEST(Npy, TypesAndShapesAreChecked) {
  EXPECT_EQ(error_in(header_of("|O", "(2,)")),
            "f: holds Python objects, which only Python can read (and which may run code)");
  EXPECT_EQ(error_in(header_of("<c8", "(2,)")),
            "f: element type '<c8' is not supported (b1, u1, u2, u4, i1, i2, i4, i8, f2, f4 and f8 "
            "are)");
  EXPECT_EQ(error_in("{'descr': [('a', '<f4')]}"),
            "f: arrays of structures are not supported, only of numbers");
  EXPECT_EQ(error_in(header_of("<f4", "(-2,)")),
            "f: shape must hold whole numbers from 0 to 2^63-1");
  EXPECT_EQ(error_in(header_of("<f4", "(99999999999999999999,)")),
            "f: shape must hold whole numbers from 0 to 2^63-1");
  EXPECT_EQ(error_in(header_of("<f4", "(4294967296, 4294967296)")),
            "f: the size of shape [4294967296, 4294967296] overflows");
  EXPECT_EQ(error_in(header_of("<f4", "(0, 4294967296, 4294967296)")),
            "f: the size of shape [0, 4294967296, 4294967296] overflows");
  EXPECT_EQ(error_in(header_of("<f4", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)")),
            "f: shape has more than 16 dimensions");
}

TEST(Npz, FilesOfNumPyAreRead) {
  const NamedArrays f = read_npz(golden("reference.npz"));
  ASSERT_EQ(f.size(), 14u);
  EXPECT_EQ(f[0].first, "f4");
  const std::vector<float> f4 = {0, 1, 2, 3, 4, 5};
  const std::vector<double> f8 = {0, 1, 2, 3, 4, 5};
  const std::vector<int64_t> ints = {-3, -2, -1, 0, 1, 2};
  EXPECT_EQ(find(f, "f4")->shape, (Shape{2, 3}));
  EXPECT_EQ(values<float>(*find(f, "f4")), f4);
  EXPECT_EQ(find(f, "f8_fortran")->shape, (Shape{2, 3}));
  EXPECT_EQ(values<double>(*find(f, "f8_fortran")), f8);
  EXPECT_EQ(values<float>(*find(f, "f4_big")), f4);
  EXPECT_EQ(values<double>(*find(f, "f8_big")), f8);
  for (const char* name : {"i8_big", "i4", "i2", "i1"})
    EXPECT_EQ(to_tensor(*find(f, name)).to(DType::kInt64).values<int64_t>(), ints) << name;
  EXPECT_EQ(find(f, "i4")->dtype, DType::kInt32);
  EXPECT_EQ(find(f, "i2")->dtype, DType::kInt16);
  EXPECT_EQ(find(f, "i1")->dtype, DType::kInt8);
  EXPECT_EQ(values<uint8_t>(*find(f, "u1")), (std::vector<uint8_t>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(values<bool>(*find(f, "b1")), (std::vector<bool>{0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(to_tensor(*find(f, "f2")).dtype(), DType::kFloat16);
  EXPECT_EQ(to_tensor(*find(f, "f2")).to(DType::kFloat32).values<float>(),
            (std::vector<float>{1.5, -0.25}));
  EXPECT_EQ(find(f, "scalar")->shape, Shape{});
  EXPECT_EQ(values<int64_t>(*find(f, "scalar")), std::vector<int64_t>{7});
  EXPECT_EQ(find(f, "empty")->shape, (Shape{0, 3}));
  EXPECT_EQ(find(f, "cube_fortran")->dtype, DType::kInt32);
  const std::vector<int32_t> cube = values<int32_t>(*find(f, "cube_fortran"));
  ASSERT_EQ(cube.size(), 24u);
  for (int i = 0; i < 24; ++i) EXPECT_EQ(cube[i], i);
}

TEST(Npz, RoundTripKeepsEverythingAndTheSameContentGivesTheSameBytes) {
  const Folder folder;
  write_npz(folder / "a.npz", sample());
  write_npz(folder / "b.npz", sample());
  EXPECT_EQ(read_file(folder / "a.npz", 10'000), read_file(folder / "b.npz", 10'000));
  const NamedArrays read = read_npz(folder / "a.npz"), expected = sample();
  ASSERT_EQ(read.size(), expected.size());
  for (size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].first, expected[i].first);
    expect_same(read[i].second, expected[i].second, read[i].first);
  }
  write_npz(folder / "a.npz", {});
  EXPECT_TRUE(read_npz(folder / "a.npz").empty());
}

TEST(Npz, EveryTruncationAndAnyFlippedDataBitIsRefused) {
  const Folder folder;
  write_npz(folder / "a.npz", {{"x", Array::of<float>({2}, {1, 2})}});
  std::string bytes = read_file(folder / "a.npz", 10'000);
  const auto parse_zip = [](const std::string& s) { return parse_npz(bytes_of(s), "f"); };
  ASSERT_EQ(parse_zip(bytes).size(), 1u);
  for (size_t n = 0; n < bytes.size(); ++n)
    EXPECT_THROW(parse_zip(bytes.substr(0, n)), FileError) << n;
  // The elements end where the central directory begins.
  bytes[bytes.find("PK\1\2") - 1] ^= 1;
  EXPECT_EQ(error_of<FileError>([&] { parse_zip(bytes); }),
            "f: array 'x': cannot unpack: CRC error");
}

TEST(Npz, DeclaredSizesAreCheckedBeforeUnpacking) {
  const Folder folder;
  write_npz(folder / "a.npz", {{"x", Array::zeros(DType::kFloat32, {100})}});
  EXPECT_NO_THROW(read_npz(folder / "a.npz", 528));
  EXPECT_EQ(
      error_of<FileError>([&] { read_npz(folder / "a.npz", 527); }),
      (folder / "a.npz") + ": unpacks to more than the 527 bytes allowed here ('x.npy' to 528)");
  // An entry that claims more than compression can reach.
  std::string bomb = read_file(golden("reference.npz"), 10'000);
  const uint32_t huge = 0x40000000;
  for (size_t at = bomb.find("PK\1\2"); at != std::string::npos; at = bomb.find("PK\1\2", at + 1))
    bomb.replace(at + 24, 4, reinterpret_cast<const char*>(&huge), 4);
  EXPECT_THROW(parse_npz(bytes_of(bomb), "f"), FileError);
}

TEST(Npz, TakesNoMemoryBeforeTheHeaderIsBelieved) {
  // 100 MiB in an archive of 100 KB, of which the header says 1 KiB.
  const Array a = Array::zeros(DType::kFloat32, {224});
  const std::string piece = npy_header(a) + std::string(a.bytes(), '\0');
  const std::string archive = compressed_zip_of("x.npy", piece, 100 << 10);
  EXPECT_LT(archive.size(), size_t{1} << 20);
  reset_peak_memory();
  const size_t before = memory_use().peak;
  EXPECT_EQ(error_of<FileError>([&] { parse_npz(bytes_of(archive), "f"); }),
            "f: array 'x': shape [224] of <f4 takes 896 bytes, the file has 104857472");
  EXPECT_LT(memory_use().peak - before, size_t{1} << 20);
}

TEST(Npz, OtherFilesAreNamed) {
  EXPECT_EQ(error_of<FileError>([] { parse_npz(bytes_of(std::string("hello")), "f"); }),
            "f: not an .npz file: Not a zip archive");
  EXPECT_THROW(read_npz("/no/such/file.npz"), FileError);
  const Array x = Array::zeros(DType::kFloat32, {1});
  EXPECT_THROW(write_npz("/dev/full", {{"x", x}}), FileError);
  EXPECT_THROW(write_npz("/dev/full", {{"x", x}, {"x", x}}), ValueError);
}

}  // namespace
}  // namespace ballast::io

// Files that want more than to be read.
#include <gtest/gtest.h>

#include "ballast/base/file.h"
#include "ballast/io/pickle.h"
#include "ballast/io/pt.h"
#include "ballast/io/zip.h"
#include "ballast/ops/create.h"
#include "tests/support/files.h"
#include "tests/support/zip_bytes.h"

namespace ballast::io {
namespace {

using ballast::testing::compressed_zip_of;
using ballast::testing::error_of;
using ballast::testing::golden;
using namespace std::string_literals;

struct Text : FileSink {
  std::string bytes;
  void write(const void* data, size_t n) override {
    bytes.append(static_cast<const char*>(data), n);
  }
};

using Files = std::vector<std::pair<std::string, std::string>>;

std::string zip_of(const Files& files) {
  Text sink;
  ZipWriter zip(sink);
  for (const auto& [name, content] : files) zip.add(name, {bytes_of(content)});
  zip.finish();
  return sink.bytes;
}

/// A checkpoint with this pickle, and perhaps a storage of four floats.
std::string file_of(const std::string& pickle, const std::string& storage = std::string(16, '\0')) {
  return zip_of({{"a/data.pkl", pickle}, {"a/data/0", storage}, {"a/version", "3\n"}});
}
std::string error_in_file(const std::string& bytes) {
  return error_of<FileError>([&] { parse_pt(bytes_of(bytes), "f"); });
}
/// The error of the pickle whose instructions are these.
std::string error_in(const std::string& instructions) {
  const std::string file = file_of("\x80\x02"s + instructions + ".");
  return error_of<UnpicklingError>([&] { parse_pt(bytes_of(file), "f"); });
}
Object parse(const std::string& instructions) {
  return parse_pt(bytes_of(file_of("\x80\x02"s + instructions + ".")), "f");
}

std::string text(const std::string& s) {
  const uint32_t n = static_cast<uint32_t>(s.size());
  return "X" + std::string(reinterpret_cast<const char*>(&n), 4) + s;
}
std::string number(int64_t v) {
  return "\x8a\x08" + std::string(reinterpret_cast<const char*>(&v), 8);
}
const std::string kStorageId =  // NOLINT(cert-err58-cpp)
    "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "K\x04tQ";
const std::string kHooks = "ccollections\nOrderedDict\n)R";  // NOLINT(cert-err58-cpp)
/// A tensor with this offset, and these sizes and strides.
std::string tensor(const std::string& offset, const std::string& sizes,
                   const std::string& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + kStorageId + offset + sizes + strides + "\x89" +
         kHooks + "tR";
}

TEST(HostilePt, NothingOutsideOfTheListIsCalled) {
  const std::string command = "cos\nsystem\n" + text("echo called") + "\x85R";
  EXPECT_EQ(error_in(command),
            "f: the file wants to call os.system, which is not in the list of what a checkpoint "
            "may contain; it has not been called (of a module, save the state_dict())");
  for (const char* name : {"posix\nsystem", "builtins\neval", "builtins\ngetattr",
                           "__builtin__\nexec", "subprocess\nPopen", "torch.hub\nload",
                           "numpy.core.multiarray\nscalar", "torch._utils\n_rebuild_sparse_tensor",
                           "torch.storage\n_load_from_bytes", "collections\ndefaultdict"}) {
    std::string shown = name;
    shown[shown.find('\n')] = '.';
    EXPECT_NE(error_in("c"s + name + "\n)R").find("wants to call " + shown), std::string::npos)
        << name;
  }
  // As protocol 4 writes names.
  EXPECT_NE(error_in(text("os") + text("system") + "\x93)R").find("wants to call os.system"),
            std::string::npos);
}

TEST(HostilePt, InstructionsThatMakeObjectsAreRefusedByName) {
  EXPECT_EQ(error_in("ccollections\nOrderedDict\n)\x81"),
            "f: the file has the instruction NEWOBJ, which makes an object of a class, which "
            "checkpoints have no need of (at byte 29)");
  EXPECT_NE(error_in("(ios\nsystem\n").find("INST"), std::string::npos);
  EXPECT_NE(error_in("(o").find("OBJ"), std::string::npos);
  EXPECT_NE(error_in("\x82\x01").find("EXT"), std::string::npos);
  EXPECT_NE(error_in("P1\n").find("PERSID"), std::string::npos);
  EXPECT_NE(error_in("\xff").find("unknown instruction 0xff"), std::string::npos);
  EXPECT_NE(error_in("ctorch\nFloatStorage\n)R").find("no function of a checkpoint's"),
            std::string::npos);
  EXPECT_NE(error_in("K\x01)R").find("no function of a checkpoint's"), std::string::npos);
  EXPECT_NE(error_in("}}b" + text("x") + "b").find("attributes"), std::string::npos);
  EXPECT_NE(error_in("]}b").find("sets the state"), std::string::npos);
}

TEST(HostilePt, AWholeModuleOrProgramIsRefused) {
  EXPECT_NE(error_in_file(read_file(golden("checkpoints/module.pt"), 1 << 20))
                .find("torch.nn.modules.linear.Linear"),
            std::string::npos);
  EXPECT_NE(
      error_in_file(read_file(golden("checkpoints/torchscript.pt"), 1 << 20)).find("TorchScript"),
      std::string::npos);
}

TEST(HostilePt, UnsupportedElementsAreNamed) {
  EXPECT_EQ(error_in("ctorch\nComplexFloatStorage\n"),
            "f: elements of type torch.ComplexFloatStorage are not supported");
  EXPECT_EQ(error_in("ctorch\nfloat8_e4m3fn\n"),
            "f: elements of type torch.float8_e4m3fn are not supported");
}

TEST(HostilePt, DepthIsBounded) {
  EXPECT_EQ(error_in(std::string(100'000, ']') + std::string(99'999, 'a')),
            "f: nested deeper than 200 levels");
  std::string tuples = ")";
  for (int i = 0; i < 1'000'000; ++i) tuples += '\x85';
  EXPECT_EQ(error_in(tuples), "f: nested deeper than 200 levels");
  // Each list is shallow where it is first seen.
  std::string reused = "](";
  for (int i = 0; i < 150; ++i) reused += "]q" + std::string(1, static_cast<char>(i));
  reused += std::string(149, 'a') + std::string(150, ']') + "h" + std::string(1, '\0') +
            std::string(150, 'a') + "e";
  EXPECT_EQ(error_in(reused), "f: nested deeper than 200 levels");
}

TEST(HostilePt, WhatHoldsItselfIsRefused) {
  EXPECT_EQ(error_in("]q\x01h\x01"
                     "a"),
            "f: a list or dictionary holds itself");
  EXPECT_EQ(error_in("}q\x01" + text("x") +
                     "]h\x01"
                     "as"),
            "f: a list or dictionary holds itself");
  EXPECT_EQ(error_in("ccollections\nOrderedDict\n)Rq\x01h\x01"
                     "b"),
            "f: a list or dictionary holds itself");
}

TEST(HostilePt, SharedListsThatWouldUnfoldToBillionsStayShared) {
  std::string laughs = "]q"s + '\0';
  for (int i = 1; i < 100; ++i) {
    const std::string last = "h"s + static_cast<char>(i - 1);
    laughs += "](" + last + last + last + "eq" + static_cast<char>(i) + "0";
  }
  // POP, which the writer of such a file would want, is refused; nested in one list it is allowed.
  EXPECT_NE(error_in(laughs).find("unknown instruction 0x30"), std::string::npos);
  std::string nested = "](]q"s + '\0';
  for (int i = 1; i < 100; ++i) {
    const std::string last = "h"s + static_cast<char>(i - 1);
    nested += "](" + last + last + last + "eq" + static_cast<char>(i);
  }
  const Object o = parse(nested + "e");
  EXPECT_EQ(o.items().size(), 100u);
  EXPECT_EQ(pt_bytes(o).size() < 10'000, true);
}

TEST(HostilePt, CopiesOfWhatIsRememberedCountAsValues) {
  // A set of a list of a million, again and again.
  std::string big = "](";
  for (int i = 0; i < 1'000'000; ++i) big += 'N';
  big += "eq"s + '\0' + "\x85q\x01" + "c__builtin__\nset\nq\x02";
  std::string again = "(" + big;
  for (int i = 0; i < 100; ++i) again += "h\x02h\x01R";
  EXPECT_EQ(error_in(again + "l"), "f: the pickle has more than 16777216 values");
}

TEST(HostilePt, LongTextsAreNotCopiedForEveryUse) {
  std::string uses = "](" + text(std::string(1 << 20, 'x')) + "q"s + '\0';
  for (int i = 0; i < 1'000'000; ++i) uses += "h"s + '\0';
  const Object o = parse(uses + "e");
  EXPECT_EQ(o.items().front().identity(), o.items().back().identity());
}

TEST(HostilePt, BrokenPicklesAreRefused) {
  EXPECT_EQ(error_in("a"), "f: an instruction finds nothing to work on (at byte 3)");
  EXPECT_EQ(error_in("t"), "f: an instruction finds no mark (at byte 3)");
  EXPECT_EQ(error_in("](K\x01K\x02u"), "f: SETITEMS is applied to the wrong kind (at byte 9)");
  EXPECT_EQ(error_in("}(K\x01u"), "f: SETITEMS: a key has no value (at byte 7)");
  EXPECT_EQ(error_in(")N"), "f: the pickle ends before its parts are put together (at byte 5)");
  EXPECT_EQ(error_in("h\x07"), "f: memo entry 7 is used before it is made (at byte 4)");
  EXPECT_EQ(error_in("Nr\xff\xff\xff\xff"), "f: memo entry 4294967295 is out of order (at byte 8)");
  EXPECT_EQ(error_in("X\xff\xff\xff\xff"),
            "f: truncated: 4294967295 more bytes were expected (at byte 7)");
  EXPECT_EQ(error_in("\x8a\x09" + std::string(9, '\1')),
            "f: a whole number does not fit 64 bits (at byte 13)");
  EXPECT_EQ(error_in("ctorch\nFloatStorage\n"),
            "f: a function, type or storage stands where a value should");
  EXPECT_EQ(error_in("}(" + text("k") + "N" + text("k") + "Nu"),
            "f: a dictionary has the key 'k' twice");
  EXPECT_EQ(error_in("})Ns"), "f: a dictionary's keys must be text, numbers or None");
  EXPECT_EQ(error_in("\x80\x09"), "f: pickle protocol 9 is not supported (at byte 4)");
}

TEST(HostilePt, PersistentIdsMustBeOfStorages) {
  EXPECT_EQ(error_in("K\x01Q"), "f: a persistent id: expected a tuple");
  EXPECT_EQ(error_in("(" + text("module") + "NNNNtQ"), "f: a persistent id must be of a storage");
  EXPECT_EQ(error_in("(" + text("storage") + "ccollections\nOrderedDict\n" + text("0") +
                     text("cpu") + "K\x04tQ"),
            "f: storage '0': its type is not a storage's");
  const auto sized = [](const std::string& size) {
    return "(" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + size + "tQ";
  };
  EXPECT_EQ(error_in(sized(number(-1))), "f: storage '0': -1 elements is not a size");
  EXPECT_EQ(error_in(sized(number(INT64_MAX))),
            "f: storage '0': 9223372036854775807 elements is not a size");
  EXPECT_EQ(error_in("](" + sized("K\x04") + sized("K\x05") + "e"),
            "f: storage '0' has two types or sizes");
}

TEST(HostilePt, TensorsStayWithinTheirStorage) {
  EXPECT_EQ(parse(tensor("K\x01", "K\x03\x85", "K\x01\x85")).as_tensor().shape(), Shape{3});
  const std::string reaches = "reaches outside of its storage '0' of 4 elements";
  for (const auto& bad :
       {tensor("K\x02", "K\x03\x85", "K\x01\x85"), tensor("K\x00"s, "K\x03\x85", "K\x02\x85"),
        tensor(number(-1), "K\x01\x85", "K\x01\x85"),
        tensor(number(INT64_MAX), "K\x03\x85", "K\x01\x85"),
        tensor("K\x00"s, number(INT64_MAX) + "K\x08\x86", "K\x00K\x00\x86"s),
        tensor("K\x00"s, "K\x03\x85", number(INT64_MAX) + "\x85"),
        // No elements, but a count that overflows on the way.
        tensor("K\x00"s, number(1l << 62) + number(1l << 62) + "K\x00\x87"s,
               "K\x00K\x00K\x00\x87"s)})
    EXPECT_NE(error_in(bad).find(reaches), std::string::npos) << error_in(bad);
  EXPECT_EQ(error_in(tensor("K\x00"s, "K\x03\x85", ")")), "f: a tensor has 1 sizes and 0 strides");
  EXPECT_EQ(error_in(tensor("K\x00"s, number(-3) + "\x85", "K\x01\x85")),
            "f: a tensor's size: -3 is negative");
  EXPECT_EQ(error_in(tensor("K\x00"s, "(" + std::string(17, 'N') + "t", "K\x01\x85")),
            "f: a tensor's size: 17 dimensions, at most 16 are supported");
}

TEST(HostilePt, TheStrideOfOneElementMayBeAnyNumber) {
  const float elements[] = {0, 1, 2, 3};
  const std::string storage(reinterpret_cast<const char*>(elements), sizeof elements);
  const std::string file = file_of(
      "\x80\x02" +
          tensor("K\x00"s, "K\x02K\x01K\x02\x87", "K\x01" + number(INT64_MAX) + "K\x02\x87") + ".",
      storage);
  EXPECT_EQ(parse_pt(bytes_of(file), "f").as_tensor().values<float>(),
            (std::vector<float>{0, 2, 1, 3}));
}

TEST(HostilePt, AViewThatRepeatsElementsIsBounded) {
  const std::string file =
      file_of("\x80\x02" + tensor("K\x00"s, number(1l << 40) + "\x85", "K\x00\x85"s) + ".");
  EXPECT_NE(error_in_file(file).find("f: unpacks to more than the 2684"), std::string::npos);
}

TEST(HostilePt, StoragesMustBeThereAndOfTheirSize) {
  const std::string pickle = "\x80\x02" + tensor("K\x00"s, "K\x04\x85", "K\x01\x85") + ".";
  EXPECT_EQ(error_in_file(zip_of({{"a/data.pkl", pickle}})), "f: storage '0' is missing");
  EXPECT_EQ(error_in_file(file_of(pickle, "short")),
            "f: storage '0' should have 16 bytes, the archive has 5");
}

TEST(HostilePt, ArchivesAreChecked) {
  EXPECT_EQ(error_in_file(zip_of({{"a/other", "x"}})),
            "f: not a checkpoint of PyTorch's: the archive has no data.pkl");
  EXPECT_EQ(error_in_file(zip_of({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}})),
            "f: two entries are called data.pkl");
  EXPECT_EQ(error_in_file(zip_of({{"a/data.pkl", "N."}, {"a/data.pkl", "N."}})),
            "f: not a checkpoint of PyTorch's: File already exists");
  for (const char* name : {"../x", "a/../../x", "/etc/x", "a\\x", "..", "a/.."})
    EXPECT_NE(error_in_file(zip_of({{"a/data.pkl", "N."}, {name, "x"}})).find("leaves a folder"),
              std::string::npos)
        << name;
  EXPECT_NE(error_in_file("PK hello").find("Not a zip archive"), std::string::npos);
  EXPECT_NE(error_in_file("hello").find("neither a zip archive nor"), std::string::npos);
  EXPECT_NE(error_in_file(zip_of({{"a/data.pkl", "\x80\x02N."}, {"a/byteorder", "middle"}}))
                .find("unknown byte order 'middle'"),
            std::string::npos);
}

TEST(HostilePt, EveryTruncationAndAnyFlippedByteOfAZipIsRefusedOrReadTheSame) {
  const std::string good = pt_bytes(Object::dict({{"x", Tensor::from({1.0f, 2.0f})}}));
  for (size_t n = 0; n < good.size(); ++n)
    EXPECT_THROW(parse_pt(bytes_of(good.substr(0, n)), "f"), FileError) << n;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1;
    try {
      const Object o = parse_pt(bytes_of(bad), "f");
      EXPECT_EQ(o["x"].as_tensor().values<float>(), (std::vector<float>{1, 2})) << i;
    } catch (const FileError&) {
    }
  }
}

TEST(HostilePt, EveryTruncationOfALegacyFileIsRefused) {
  const std::string good =
      pt_bytes(Object::dict({{"x", Tensor::from({1.0f, 2.0f})}}), PtFormat::kLegacy);
  for (size_t n = 0; n < good.size(); ++n)
    EXPECT_THROW(parse_pt(bytes_of(good.substr(0, n)), "f"), FileError) << n;
}

TEST(HostilePt, LegacyStoragesAreChecked) {
  const std::string good =
      pt_bytes(Object::dict({{"x", Tensor::from({1.0f, 2.0f})}}), PtFormat::kLegacy);
  std::string bad = good;
  bad[good.size() - 16] = 3;  // the element count before two floats
  EXPECT_EQ(error_in_file(bad), "f: storage '0' should have 2 elements, the file has 3");
  const std::string keys = "\x80\x02](" + text("0");
  const size_t at = good.find(text("0"), good.size() - 40);
  ASSERT_NE(at, std::string::npos);
  bad = good;
  bad[at + 5] = '7';
  EXPECT_EQ(error_in_file(bad), "f: the storage '7' is unknown or occurs twice");
}

TEST(HostilePt, CompressedEntriesAreRead) {
  const std::string file = compressed_zip_of("a/data.pkl", "\x80\x02K\x07.");
  EXPECT_EQ(parse_pt(bytes_of(file), "f").as_int(), 7);
}

TEST(HostilePt, BombsAreNotUnpacked) {
  const std::string bomb = compressed_zip_of("a/data.pkl", std::string(1 << 20, '\0'), 400);
  ASSERT_LT(bomb.size(), size_t{2} << 20);
  EXPECT_NE(error_in_file(bomb).find("f: unpacks to more than the 2"), std::string::npos);
}

TEST(HostilePt, SizesThatNoCompressionReachesAreRefused) {
  std::string bomb = file_of("\x80\x02N.");
  const uint32_t huge = 0x40000000;
  for (size_t at = bomb.find("PK\1\2"); at != std::string::npos; at = bomb.find("PK\1\2", at + 1))
    bomb.replace(at + 24, 4, reinterpret_cast<const char*>(&huge), 4);
  EXPECT_THROW(parse_pt(bytes_of(bomb), "f"), FileError);
}

}  // namespace
}  // namespace ballast::io

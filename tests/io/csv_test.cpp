#include "ballast/io/csv.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ballast/base/file.h"
#include "tests/support/files.h"

namespace ballast::io {
namespace {

using ballast::testing::error_of;
using ballast::testing::Folder;

Csv parse(std::string_view text, const CsvOptions& options = {}) {
  return parse_csv(text, "f", options);
}
std::string error_in(std::string_view text, const CsvOptions& options = {}) {
  return error_of<FileError>([&] { parse(text, options); });
}
std::vector<float> features(const Csv& csv) {
  const auto s = csv.features.as<float>();
  return {s.begin(), s.end()};
}
std::vector<int64_t> labels(const Csv& csv) {
  const auto s = csv.labels.as<int64_t>();
  return {s.begin(), s.end()};
}

TEST(Csv, TheLastColumnHoldsTheLabels) {
  const Csv csv = parse("1,2.5,0\n-3e2,.5,7\n");
  EXPECT_EQ(csv.features.shape, (Shape{2, 2}));
  EXPECT_EQ(features(csv), (std::vector<float>{1, 2.5, -300, 0.5}));
  EXPECT_EQ(labels(csv), (std::vector<int64_t>{0, 7}));
  EXPECT_TRUE(csv.names.empty());
}

TEST(Csv, LabelsAreFoundByNameOrPosition) {
  const std::string text = "a,b,c\n1,2,3\n4,5,6\n";
  const Csv by_name = parse(text, {.label = "b"});
  EXPECT_EQ(by_name.names, (std::vector<std::string>{"a", "c"}));
  EXPECT_EQ(labels(by_name), (std::vector<int64_t>{2, 5}));
  EXPECT_EQ(features(by_name), (std::vector<float>{1, 3, 4, 6}));
  EXPECT_EQ(labels(parse(text, {.label = "0"})), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(labels(parse(text, {.label = "-2"})), (std::vector<int64_t>{2, 5}));
  const Csv none = parse(text, {.has_labels = false});
  EXPECT_EQ(none.features.shape, (Shape{2, 3}));
  EXPECT_EQ(none.labels.shape, (Shape{0}));
  EXPECT_EQ(
      error_in(text, {.label = "d"}),
      "f: there is no column \"d\" for the labels, neither by name nor among the 3 by position");
  EXPECT_THROW(parse(text, {.label = "3"}), FileError);
}

TEST(Csv, DelimitersAreDetectedOrGiven) {
  for (const char* text : {"1,2,3\n", "1;2;3\n", "1\t2\t3\n", " 1 , \"2\" ,3"}) {
    EXPECT_EQ(features(parse(text)), (std::vector<float>{1, 2})) << text;
    EXPECT_EQ(labels(parse(text)), (std::vector<int64_t>{3})) << text;
  }
  EXPECT_EQ(features(parse("1|2|3", {.delimiter = '|'})), (std::vector<float>{1, 2}));
  EXPECT_EQ(parse("\"a,b\";\"c\"\n1;2").names, (std::vector<std::string>{"a,b"}));
}

TEST(Csv, WindowsLinesMarksAndBlankLinesAreFine) {
  const Csv csv = parse("\xef\xbb\xbfx,y\r\n\r\n1,2\r\n  \r\n3,4");
  EXPECT_EQ(csv.names, std::vector<std::string>{"x"});
  EXPECT_EQ(features(csv), (std::vector<float>{1, 3}));
  EXPECT_EQ(labels(csv), (std::vector<int64_t>{2, 4}));
}

TEST(Csv, AHeaderIsALineWithoutNumbersUnlessSaid) {
  EXPECT_EQ(parse("1,2\n3,4\n").features.shape, (Shape{2, 1}));
  EXPECT_EQ(parse("1,2\n3,4\n", {.header = CsvHeader::kYes}).features.shape, (Shape{1, 1}));
  EXPECT_EQ(error_in("a,b\n1,2\n", {.header = CsvHeader::kNo}), "f:1:1: \"a\" is not a number");
  EXPECT_EQ(error_in("1.0,x,3\n"), "f:1:2: \"x\" is not a number");
}

TEST(Csv, FilesWithoutDataAreRefused) {
  EXPECT_EQ(error_in(""), "f: empty: expected lines of numbers");
  EXPECT_EQ(error_in("\n \r\n"), "f: empty: expected lines of numbers");
  EXPECT_EQ(error_in("a,b\n"), "f: only a header: expected lines of numbers");
  EXPECT_EQ(error_in("1\n2\n"), "f:1: only one column: expected features and a label");
}

TEST(Csv, RaggedLinesAreRefused) {
  EXPECT_EQ(error_in("1,2,3\n\n1,2\n"), "f:3: expected 3 cells as in the first line, got 2");
  EXPECT_EQ(error_in("1,2\n1,2,3\n"), "f:2: expected 2 cells as in the first line, got 3");
  EXPECT_EQ(error_in("1,2\n1,2,\n"), "f:2: expected 2 cells as in the first line, got 3");
}

TEST(Csv, CellsThatAreNoNumbersAreNamed) {
  EXPECT_EQ(error_in("1,2,3\n1,two,3\n"), "f:2:2: \"two\" is not a number");
  EXPECT_EQ(error_in("1,2,3\n1,,3\n"), "f:2:2: an empty cell: expected a number");
  EXPECT_EQ(error_in("1,2,3\n1,0x10,3\n"), "f:2:2: \"0x10\" is not a number");
  EXPECT_EQ(error_in("1,2,3\n1,1 2,3\n"), "f:2:2: \"1 2\" is not a number");
  EXPECT_EQ(error_in("1,2,3\n1,+-2,3\n"), "f:2:2: \"+-2\" is not a number");
  EXPECT_EQ(error_in("1,2,3\n1,1e39,3\n"), "f:2:2: \"1e39\" is out of float32's range");
  EXPECT_EQ(error_in("1,2,3\n1,1e999,3\n"), "f:2:2: \"1e999\" is out of float32's range");
  EXPECT_EQ(error_in("1,2,3\n\"1,2,3\n"), "f:2:1: a quote has no end: \"\"1,2,3\"");
  EXPECT_EQ(error_in("1,2,3\n\"1\"x,2,3\n"), "f:2:1: text after a quoted cell: \"x\"");
}

TEST(Csv, NanIsRefusedUnlessAllowed) {
  EXPECT_EQ(error_in("1,2\nnan,2\n"), "f:2:1: \"nan\" is not a finite number");
  EXPECT_EQ(error_in("1,2\n-inf,2\n"), "f:2:1: \"-inf\" is not a finite number");
  const std::vector<float> x = features(parse("NaN,2\n-inf,2\n", {.allow_nonfinite = true}));
  EXPECT_TRUE(std::isnan(x[0]));
  EXPECT_EQ(x[1], -INFINITY);
}

TEST(Csv, LabelsAreWholeNumbers) {
  EXPECT_EQ(labels(parse("1,3.0\n1,2e0\n1,-1\n")), (std::vector<int64_t>{3, 2, -1}));
  EXPECT_EQ(error_in("1,2\n1,2.5\n"), "f:2:2: the label \"2.5\" is not a whole number");
  EXPECT_EQ(error_in("1,2\n1,cat\n"), "f:2:2: the label \"cat\" is not a whole number");
  EXPECT_EQ(error_in("1,2\n1,nan\n"), "f:2:2: the label \"nan\" is not a whole number");
}

TEST(Csv, FilesAreReadAndMissingOnesNamed) {
  const Folder folder;
  write_atomically(folder / "a.csv", bytes_of("1,2\n"));
  EXPECT_EQ(labels(read_csv(folder / "a.csv")), (std::vector<int64_t>{2}));
  EXPECT_EQ(error_of<FileError>([&] { read_csv(folder / "no.csv"); }),
            (folder / "no.csv") + ": cannot open: No such file or directory");
  EXPECT_THROW(read_csv(folder.path()), FileError);
  write_atomically(folder / "a.csv", bytes_of(""));
  EXPECT_EQ(error_of<FileError>([&] { read_csv(folder / "a.csv"); }),
            (folder / "a.csv") + ": empty: expected lines of numbers");
}

}  // namespace
}  // namespace ballast::io

#include "ballast/base/file.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "ballast/base/text.h"
#include "tests/support/files.h"

namespace ballast {
namespace {

namespace fs = std::filesystem;
using testing::error_of;
using testing::Folder;

void write(const std::string& path, const std::string& text) {
  write_atomically(path, bytes_of(text));
}
std::string read(const std::string& path) { return read_file(path, 1 << 24); }

/// Limits the size of files, as a full disk would; the signal that comes with it is ignored.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, handler_);
  }

 private:
  sighandler_t handler_;
  rlimit old_;
};

TEST(File, WritesAreReadBack) {
  const Folder folder;
  const std::string big(300'000, 'x');
  write_atomically(folder / "a", [&](FileSink& sink) {
    for (int i = 0; i < 1000; ++i) sink.write("0123456789", 10);
    sink.write(big.data(), big.size());
    sink.write("end", 3);
  });
  const std::string content = read(folder / "a");
  ASSERT_EQ(content.size(), 310'003u);
  EXPECT_EQ(content.substr(9'990, 12), "0123456789xx");
  EXPECT_EQ(content.substr(309'998), "xxend");
  write(folder / "a", "");
  EXPECT_EQ(read(folder / "a"), "");
}

TEST(File, AFailedWriteLeavesTheOldFileAndNothingElse) {
  const Folder folder;
  write(folder / "a", "old");
  const std::string big(1 << 20, 'x');
  std::string message;
  {
    const FileSizeLimit limit(1 << 16);
    message = error_of<FileError>([&] { write(folder / "a", big); });
  }
  EXPECT_EQ(message, (folder / "a") + ": cannot write: File too large");
  EXPECT_EQ(read(folder / "a"), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a"});
}

TEST(File, AnErrorInTheWriterLeavesTheOldFileAndNothingElse) {
  const Folder folder;
  write(folder / "a", "old");
  EXPECT_THROW(write_atomically(folder / "a",
                                [](FileSink& sink) {
                                  sink.write("new", 3);
                                  fail<ValueError>("no");
                                }),
               ValueError);
  EXPECT_EQ(read(folder / "a"), "old");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"a"});
}

TEST(File, AFullDiskIsNamed) {
  EXPECT_EQ(error_of<FileError>([] { write("/dev/full", "text"); }),
            "/dev/full: cannot write: No space left on device");
}

TEST(File, AMissingFolderIsNamed) {
  const Folder folder;
  EXPECT_EQ(error_of<FileError>([&] { write(folder / "no/a", "text"); }),
            (folder / "no/a") + ": cannot create: No such file or directory");
  EXPECT_EQ(error_of<FileError>([&] { write(folder / "", "text"); }),
            (folder / "") + ": cannot write: Is a directory");
}

TEST(File, LinksAreFollowedAndPermissionsKept) {
  const Folder folder;
  write(folder / "a", "old");
  fs::permissions(folder / "a", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("a", folder / "link");
  write(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read(folder / "a"), "new");
  EXPECT_EQ(fs::status(folder / "a").permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST(File, ReadingIsBounded) {
  const Folder folder;
  write(folder / "a", "12345");
  EXPECT_EQ(read_file(folder / "a", 5), "12345");
  EXPECT_EQ(error_of<FileError>([&] { read_file(folder / "a", 4); }),
            (folder / "a") + ": 5 bytes long, at most 4 are allowed here");
  EXPECT_THROW(read_file("/dev/zero", 100'000), FileError);
}

TEST(File, WhatCannotBeReadIsNamed) {
  const Folder folder;
  EXPECT_EQ(error_of<FileError>([&] { read(folder / "a"); }),
            (folder / "a") + ": cannot open: No such file or directory");
  EXPECT_EQ(error_of<FileError>([&] { map_file(folder.path()); }),
            folder.path() + ": cannot read: Is a directory");
  // A file that opens, for root too, and whose first byte cannot be read.
  EXPECT_EQ(error_of<FileError>([] { read("/proc/self/mem"); }),
            "/proc/self/mem: cannot read: Input/output error");
}

TEST(File, AMapHoldsTheContentEvenAfterTheFileIsReplaced) {
  const Folder folder;
  write(folder / "a", "old");
  const Ref<Buffer> map = map_file(folder / "a");
  write(folder / "a", "newer");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(map->data()), map->bytes()), "old");
  write(folder / "a", "");
  EXPECT_EQ(map_file(folder / "a")->bytes(), 0u);
}

TEST(AppendFile, ContinuesAtAMark) {
  const Folder folder;
  const std::string path = folder / "a";
  FileMark mark;
  {
    AppendFile file(path);
    file.write("one\n", 4);
    mark = file.mark();
    file.write("two\n", 4);
    file.sync();
    EXPECT_EQ(read(path), "one\ntwo\n");
  }
  {
    AppendFile file(path, mark);
    file.write("three\n", 6);
  }
  EXPECT_EQ(read(path), "one\nthree\n");
  write(path, "ONE\n");
  EXPECT_EQ(error_of<FileError>([&] { AppendFile(path, mark); }),
            path + ": damaged: the checksum of its first 4 bytes does not fit them");
  write(path, "on");
  EXPECT_EQ(error_of<FileError>([&] { AppendFile(path, mark); }),
            path + ": 2 bytes long, but it had 4 when training stopped");
  EXPECT_EQ(read(path), "on");
}

TEST(AppendFile, AFailedWriteLeavesNoPartOfItself) {
  const Folder folder;
  const std::string path = folder / "a", line(3000, 'x');
  std::string message;
  AppendFile file(path);
  file.write("first\n", 6);
  file.flush();
  {
    const FileSizeLimit limit(2000);
    file.write(line.data(), line.size());
    message = error_of<FileError>([&] { file.flush(); });
  }
  EXPECT_EQ(message, path + ": cannot write: File too large");
  EXPECT_EQ(read(path), "first\n");
  EXPECT_EQ(error_of<FileError>([&] { file.write("more", 4); }),
            path + ": an earlier write failed");
  file.close();
  EXPECT_EQ(read(path), "first\n");
  EXPECT_EQ(error_of<FileError>([&] { file.flush(); }), path + ": the file is closed");
}

TEST(FolderLock, KeepsOthersOutUntilItIsGone) {
  const Folder folder;
  {
    const FolderLock lock(folder.path());
    EXPECT_EQ(error_of<FileError>([&] { FolderLock second(folder.path()); }),
              folder.path() + ": another process is at work in this folder (it holds the lock on " +
                  folder / "lock" + ")");
  }
  FolderLock again(folder.path());
  const FolderLock moved(std::move(again));
  EXPECT_THROW(FolderLock(folder.path()), FileError);
}

TEST(File, LeftoversOfDeadProcessesAreRemoved) {
  const Folder folder;
  const std::string dead = "a.svg.tmp-999999999-3";  // above any process id
  const std::string alive = fmt::format("a.csv.tmp-{}-0", ::getppid());
  // A process with the number of a dead one: its own new files do not exist yet.
  const std::string own = fmt::format("a.json.tmp-{}-0", ::getpid());
  for (const std::string& name : {dead, alive, own, std::string("notes.tmp-1")})
    write(folder / name, "half");
  remove_leftovers(folder.path());
  remove_leftovers(folder / "none");
  EXPECT_EQ(folder.names(), (std::vector<std::string>{alive, "notes.tmp-1"}));
}

TEST(Text, BytesThatAreNoUtf8AreEscaped) {
  EXPECT_EQ(as_utf8("a\xff z"), "a\\xff z");
  EXPECT_EQ(as_utf8("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  // Longer than needed, a surrogate, above the last character, cut off.
  EXPECT_EQ(as_utf8("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(as_utf8("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(as_utf8("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(as_utf8("\xe2\x82"), "\\xe2\\x82");
  EXPECT_TRUE(is_utf8("\xc3\xa9"));
  EXPECT_FALSE(is_utf8("\xc3("));
}

}  // namespace
}  // namespace ballast

// Zip archives: what .npz and .pt files are made of. Not part of the public interface.
#pragma once

#include <zip.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ballast/base/file.h"

namespace ballast::io {

/// An entry of an archive, as its directory describes it.
struct ZipEntry {
  uint64_t index = 0, bytes = 0;
  std::string name;
};

/// Reads an archive in memory, which must outlive it. What the directory claims is checked before
/// anything is unpacked: consistency, names (no two equal, none that leaves a folder), and sizes
/// against what compression can reach.
class ZipReader {
 public:
  /// `file` and `kind` ("an .npz file") are for errors. Throws FileError.
  ZipReader(std::span<const std::byte> bytes, std::string file, const char* kind);

  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry of that name, or null.
  const ZipEntry* find(const std::string& name) const;
  /// The entry's content, its checksum compared. `what` is for errors. Throws FileError.
  Ref<Buffer> unpack(const ZipEntry& entry, const std::string& what) const;
  /// The first `bytes` bytes of the entry's content, or all of them, their checksum not compared.
  std::vector<std::byte> start_of(const ZipEntry& entry, uint64_t bytes,
                                  const std::string& what) const;
  /// Where the entry's content lies in the archive, if it is not compressed. Its checksum is not
  /// looked at.
  std::optional<std::span<const std::byte>> stored(const ZipEntry& entry) const;

 private:
  struct Discard {
    void operator()(zip_t* z) const { zip_discard(z); }
  };
  class Stream;
  void read_directory();

  std::span<const std::byte> bytes_;
  std::string file_;
  std::unique_ptr<zip_t, Discard> archive_;
  std::vector<ZipEntry> entries_;
};

/// Writes an archive of uncompressed entries, in one pass. The same content gives the same bytes.
class ZipWriter {
 public:
  /// Each entry's content begins at a multiple of `alignment` (at most 4096).
  explicit ZipWriter(FileSink& sink, size_t alignment = 1) : sink_(sink), alignment_(alignment) {}

  /// Adds an entry that is the concatenation of `pieces`. Throws ValueError where the name is too
  /// long, FileError where it cannot be written.
  void add(const std::string& name, std::initializer_list<std::span<const std::byte>> pieces);
  /// Writes the directory. Nothing may follow.
  void finish();

 private:
  struct Written {
    std::string name;
    uint64_t offset, bytes;
    uint32_t crc;
  };
  void write(const std::string& bytes);

  FileSink& sink_;
  size_t alignment_;
  uint64_t at_ = 0;
  std::vector<Written> entries_;
};

}  // namespace ballast::io

#include "ballast/io/pt.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ballast/base/bytes.h"
#include "ballast/base/file.h"
#include "ballast/io/pickle.h"
#include "ballast/io/zip.h"

namespace ballast::io {
namespace {

using Bytes = std::span<const std::byte>;

/// Bounds what a file may unpack to: half precision doubles, int8 takes eightfold, views repeat.
class Budget {
 public:
  Budget(uint64_t file_bytes, const std::string& file)
      : limit_((uint64_t{256} << 20) + 16 * file_bytes), file_(file) {}
  void claim(uint64_t bytes) {
    check<FileError>(bytes <= limit_ - used_,
                     "{}: unpacks to more than the {} bytes allowed for its size", file_, limit_);
    used_ += bytes;
  }

 private:
  uint64_t limit_, used_ = 0;
  const std::string& file_;
};

/// The elements of a storage as the file has them.
struct Stored {
  Bytes bytes;
  Ref<Buffer> buffer;  // holds exactly `bytes`, or null
};

bool contiguous(const PickledTensor& t) {
  int64_t step = 1;
  for (int d = t.shape.rank() - 1; d >= 0; --d) {
    if (t.shape[d] != 1 && t.strides[d] != step) return false;
    step *= t.shape[d];
  }
  return true;
}

/// Gives the tensors of one storage their elements.
class Filler {
 public:
  Filler(Stored stored, bool swap_bytes, Budget& budget)
      : stored_(std::move(stored)), swap_(swap_bytes), budget_(budget) {}

  void fill(PickledTensor& t) {
    Node& node = t.tensor.node();
    const bool dense = contiguous(t);
    const uint64_t bytes = static_cast<uint64_t>(t.shape.numel()) * t.type->bytes;
    if (dense && t.offset == 0 && bytes == stored_.bytes.size())
      node.buffer = whole(t);
    else
      node.buffer = gathered(t, dense);
    if (t.requires_grad && is_floating(node.dtype)) t.tensor.set_requires_grad();
  }

 private:
  /// All of the storage, which the tensors that show it share.
  Ref<Buffer> whole(const PickledTensor& t) {
    Ref<Buffer>& buffer = whole_[t.type];
    if (buffer) return buffer;
    const DType ours = t.type->dtype;
    const bool as_it_is = &stored_type(ours) == t.type && ours != DType::kBool && !swap_;
    return buffer = as_it_is && stored_.buffer ? stored_.buffer : gathered(t, true);
  }
  Ref<Buffer> gathered(const PickledTensor& t, bool dense) {
    const int64_t n = t.shape.numel();
    budget_.claim(bytes_of(n, t.type->dtype));
    Ref<Buffer> buffer = Buffer::allocate(bytes_of(n, t.type->dtype));
    if (n == 0) return buffer;
    const std::byte* from = stored_.bytes.data() + t.offset * t.type->bytes;
    if (dense)
      t.type->gather(from, Shape{n}, std::array<int64_t, 1>{1}, buffer->data(), swap_);
    else
      t.type->gather(from, t.shape, t.strides, buffer->data(), swap_);
    return buffer;
  }

  Stored stored_;
  bool swap_;
  Budget& budget_;
  std::map<const StoredType*, Ref<Buffer>> whole_;
};

/// Fills in all tensors, one storage after the other.
template <class Find>
void fill_tensors(Unpickled& u, bool swap_bytes, Budget& budget, Find&& find_storage) {
  std::ranges::stable_sort(u.tensors, {}, &PickledTensor::storage);
  std::optional<Filler> filler;
  for (size_t i = 0; i < u.tensors.size(); ++i) {
    PickledTensor& t = u.tensors[i];
    if (i == 0 || t.storage != u.tensors[i - 1].storage)
      filler.emplace(find_storage(u.storages[t.storage]), swap_bytes, budget);
    filler->fill(t);
  }
}

/// The folder that everything in the archive lies in.
std::string folder_of(const ZipReader& archive, const std::string& file) {
  static constexpr std::string_view kPickle = "/data.pkl";
  const ZipEntry* found = nullptr;
  for (const ZipEntry& e : archive.entries()) {
    if (!e.name.ends_with(kPickle) || e.name.find('/') != e.name.size() - kPickle.size()) continue;
    check<FileError>(!found, "{}: two entries are called data.pkl", file);
    found = &e;
  }
  check<FileError>(found, "{}: not a checkpoint of PyTorch's: the archive has no data.pkl", file);
  return found->name.substr(0, found->name.size() - kPickle.size() + 1);
}

bool is_big_endian(const ZipReader& archive, const std::string& folder, const std::string& file) {
  const ZipEntry* entry = archive.find(folder + "byteorder");
  if (!entry) return false;
  check<FileError>(entry->bytes <= 6, "{}: unknown byte order", file);
  const Ref<Buffer> content = archive.unpack(*entry, "byteorder");
  const std::string_view order(reinterpret_cast<const char*>(content->data()), content->bytes());
  check<FileError>(order == "little" || order == "big", "{}: unknown byte order '{}'", file, order);
  return order == "big";
}

/// The part of a mapped file as a buffer that keeps the map, where elements can be read from it.
Ref<Buffer> part_of(const Ref<Buffer>& map, Bytes part) {
  auto* data = const_cast<std::byte*>(part.data());
  if (reinterpret_cast<uintptr_t>(data) % alignof(std::max_align_t) != 0) return {};
  return Buffer::wrap(data, part.size(), [map] {});
}

/// `map`, where given, is the buffer that `bytes` are in.
Object parse_archive(Bytes bytes, const std::string& file, const Ref<Buffer>& map) {
  const ZipReader archive(bytes, file, "a checkpoint of PyTorch's");
  const std::string folder = folder_of(archive, file);
  check<FileError>(!archive.find(folder + "constants.pkl"),
                   "{}: holds a TorchScript program, not a checkpoint (save the state_dict())",
                   file);
  Budget budget(bytes.size(), file);
  const ZipEntry& entry = *archive.find(folder + "data.pkl");
  budget.claim(entry.bytes);
  Unpickled u = unpickle(bytes_of(*archive.unpack(entry, "data.pkl")), file);
  fill_tensors(u, is_big_endian(archive, folder, file), budget, [&](const PickledStorage& s) {
    const ZipEntry* data = archive.find(folder + "data/" + s.key);
    check<FileError>(data, "{}: storage '{}' is missing", file, s.key);
    check<FileError>(data->bytes == s.bytes,
                     "{}: storage '{}' should have {} bytes, the archive has {}", file, s.key,
                     s.bytes, data->bytes);
    if (const auto stored = map ? archive.stored(*data) : std::nullopt)
      if (Ref<Buffer> part = part_of(map, *stored)) return Stored{bytes_of(*part), part};
    budget.claim(data->bytes);
    Ref<Buffer> buffer = archive.unpack(*data, fmt::format("storage '{}'", s.key));
    return Stored{bytes_of(*buffer), buffer};
  });
  return u.value;
}

// The pickle of the magic number 0x1950a86a20f9469cfc6c, without the protocol before it.
constexpr std::string_view kMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

Object parse_legacy(Bytes bytes, const std::string& file) {
  Bytes rest = bytes.subspan(2 + kMagic.size());
  const auto next = [&] {
    Unpickled u = unpickle(rest, file);
    rest = rest.subspan(u.end);
    return u;
  };
  const Object version = next().value;
  const bool known = version.kind() == Object::Kind::kInt && version.as_int() == 1001;
  check<FileError>(known, "{}: unknown version of the format", file);
  next();  // the writing system's byte order and sizes; elements are little-endian whatever it says
  Unpickled u = next();
  const Object keys = next().value;
  check<FileError>(keys.kind() == Object::Kind::kList, "{}: the list of storages is missing", file);

  std::map<std::string_view, const PickledStorage*> expected;
  for (const PickledStorage& s : u.storages) expected.emplace(s.key, &s);
  std::map<std::string_view, Bytes> found;
  for (const Object& key : keys.items()) {
    check<FileError>(key.kind() == Object::Kind::kString, "{}: a storage's key is not text", file);
    const auto s = expected.find(key.as_string());
    check<FileError>(s != expected.end() && !found.contains(s->first),
                     "{}: the storage '{}' is unknown or occurs twice", file,
                     key.as_string().substr(0, 100));
    const uint64_t size = s->second->bytes, each = s->second->type ? s->second->type->bytes : 1;
    int64_t elements = -1;
    if (rest.size() >= 8) std::memcpy(&elements, rest.data(), 8);
    check<FileError>(rest.size() >= 8 && size <= rest.size() - 8,
                     "{}: truncated: storage '{}' has {} bytes", file, s->first, size);
    check<FileError>(elements >= 0 && static_cast<uint64_t>(elements) == size / each,
                     "{}: storage '{}' should have {} elements, the file has {}", file, s->first,
                     size / each, elements);
    found.emplace(s->first, rest.subspan(8, size));
    rest = rest.subspan(8 + size);
  }
  Budget budget(bytes.size(), file);
  fill_tensors(u, false, budget, [&](const PickledStorage& s) {
    const auto at = found.find(s.key);
    check<FileError>(at != found.end(), "{}: storage '{}' is missing", file, s.key);
    return Stored{at->second, nullptr};
  });
  return u.value;
}

}  // namespace

bool is_legacy_pt(Bytes bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return text.size() >= 2 + kMagic.size() && text[0] == '\x80' && (text[1] == 2 || text[1] == 3) &&
         text.substr(2).starts_with(kMagic);
}

namespace {

Object parse(Bytes bytes, const std::string& name, const Ref<Buffer>& map) {
  if (is_legacy_pt(bytes)) return parse_legacy(bytes, name);
  check<FileError>(bytes.size() >= 2 && std::memcmp(bytes.data(), "PK", 2) == 0,
                   "{}: not a checkpoint of PyTorch's: neither a zip archive nor the format before "
                   "version 1.6",
                   name);
  return parse_archive(bytes, name, map);
}

}  // namespace

Object parse_pt(Bytes bytes, const std::string& name) { return parse(bytes, name, {}); }

Object read_pt(const std::string& path, bool map) {
  const Ref<Buffer> file = map_file(path, map);
  return parse(bytes_of(*file), path, map ? file : Ref<Buffer>());
}

}  // namespace ballast::io

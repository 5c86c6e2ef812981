#include "ballast/base/file.h"
#include "ballast/io/pickle.h"
#include "ballast/io/pt.h"
#include "ballast/io/state.h"
#include "ballast/io/zip.h"

namespace ballast::io {
namespace {

// PyTorch's own alignment of storages, with which it maps a file into memory.
constexpr size_t kAlignment = 64;

std::span<const std::byte> elements_of(const Array& a) {
  return {a.bytes() > 0 ? a.data->data() : nullptr, a.bytes()};
}

void write_archive(FileSink& sink, const Object& value, const std::string& folder) {
  const Pickled p = pickle(value, false);
  ZipWriter archive(sink, kAlignment);
  const auto add_text = [&](const char* name, const std::string& content) {
    archive.add(folder + "/" + name, {bytes_of(content)});
  };
  add_text("data.pkl", p.bytes);
  add_text(".format_version", "1");
  add_text(".storage_alignment", std::to_string(kAlignment));
  add_text("byteorder", "little");
  for (const auto& [key, tensor] : p.storages)
    archive.add(folder + "/data/" + key, {elements_of(to_array(tensor))});
  add_text("version", "3\n");
  archive.finish();
}

void write_legacy(FileSink& sink, const Object& value) {
  const auto write = [&](const std::string& s) { sink.write(s.data(), s.size()); };
  write("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.");
  write(pickle(1001, true).bytes);
  const Object sizes = Object::dict({{"short", 2}, {"int", 4}, {"long", 4}});
  write(pickle(Object::dict(
                   {{"protocol_version", 1001}, {"little_endian", true}, {"type_sizes", sizes}}),
               true)
            .bytes);
  const Pickled p = pickle(value, true);
  write(p.bytes);
  Object::List keys;
  for (const auto& [key, tensor] : p.storages) keys.emplace_back(key);
  write(pickle(Object::list(std::move(keys)), true).bytes);
  for (const auto& [key, tensor] : p.storages) {
    // A storage of bytes, which some types lie in, counts bytes.
    const bool typed = *stored_type(tensor.dtype()).storage;
    const auto elements =
        tensor.numel() * (typed ? 1 : static_cast<int64_t>(size_of(tensor.dtype())));
    sink.write(&elements, sizeof elements);
    const auto bytes = elements_of(to_array(tensor));
    if (!bytes.empty()) sink.write(bytes.data(), bytes.size());
  }
}

void write_to(FileSink& sink, const Object& value, PtFormat format, const std::string& name) {
  format == PtFormat::kZip ? write_archive(sink, value, name) : write_legacy(sink, value);
}

struct StringSink : FileSink {
  std::string bytes;
  void write(const void* data, size_t n) override {
    bytes.append(static_cast<const char*>(data), n);
  }
};

}  // namespace

void write_pt(const std::string& path, const Object& value, PtFormat format) {
  write_atomically(path, [&](FileSink& sink) { write_to(sink, value, format, "archive"); });
}

std::string pt_bytes(const Object& value, PtFormat format, const std::string& name) {
  StringSink sink;
  write_to(sink, value, format, name);
  return std::move(sink.bytes);
}

}  // namespace ballast::io

#include "ballast/io/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <unordered_set>

#include "ballast/base/file.h"
#include "ballast/io/decode.h"

namespace ballast::io {
namespace {

using nlohmann::json;

struct StoredType {
  const char* name;
  size_t bytes;
  DType dtype;  // of the same bytes, but for U32
};

constexpr StoredType kTypes[] = {
    {"BOOL", 1, DType::kBool},     {"U8", 1, DType::kUint8},    {"I8", 1, DType::kInt8},
    {"U16", 2, DType::kUint16},    {"I16", 2, DType::kInt16},   {"U32", 4, DType::kInt64},
    {"I32", 4, DType::kInt32},     {"I64", 8, DType::kInt64},   {"F16", 2, DType::kFloat16},
    {"BF16", 2, DType::kBFloat16}, {"F32", 4, DType::kFloat32}, {"F64", 8, DType::kFloat64},
};

const char* stored_name(DType t) {
  for (const StoredType& s : kTypes)
    if (s.dtype == t && s.bytes == size_of(t)) return s.name;
  fail<TypeError>("safetensors: files cannot hold {}", name_of(t));
}

struct Entry {
  std::string name;
  const StoredType* type = nullptr;
  std::optional<Shape> shape;
  std::vector<uint64_t> offsets;
};

/// Names come from the file and may be long or odd: shown as JSON strings, cut to a line.
std::string shown(const std::string& text) {
  std::string s = json(text).dump(-1, ' ', true, json::error_handler_t::replace);
  return s.size() <= 200 ? s : s.substr(0, 200) + "...\"";
}

/// Follows the header's tokens and accepts only the grammar above; a duplicate is seen here, where
/// a parsed JSON object would silently keep the last one.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  HeaderReader(const std::string& file, SafeTensors& out) : file_(file), out_(out) {}

  std::vector<Entry> entries;

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool number_integer(number_integer_t v) override {
    if (where_ == Where::kShape || where_ == Where::kOffsets)
      bad("expected sizes and offsets of at least 0, got {}", v);
    unexpected("a number");
  }
  bool number_float(number_float_t, const string_t& text) override {
    if (where_ == Where::kShape || where_ == Where::kOffsets)
      bad("expected whole numbers below 2^63, got {}", text);
    unexpected("a number");
  }
  bool binary(binary_t&) override { unexpected("binary data"); }
  bool number_unsigned(number_unsigned_t v) override {
    if (where_ == Where::kShape) {
      if (v > INT64_MAX) bad("expected sizes below 2^63, got {}", v);
      if (entry().shape->rank() == Shape::kMaxRank)
        bad("expected at most {} dimensions, got more", int{Shape::kMaxRank});
      entry().shape->push_back(static_cast<int64_t>(v));
    } else if (where_ == Where::kOffsets) {
      if (entry().offsets.size() == 2) bad("expected two data_offsets, got more");
      entry().offsets.push_back(v);
    } else {
      unexpected("a number");
    }
    return true;
  }
  bool string(string_t& text) override {
    if (where_ == Where::kMetadata) {
      out_.metadata.emplace(key_, std::move(text));
    } else if (where_ == Where::kEntry && key_ == "dtype") {
      for (const StoredType& t : kTypes)
        if (text == t.name) entry().type = &t;
      if (!entry().type)
        bad("dtype {} is not supported (BOOL, U8, I8, U16, I16, U32, I32, I64, F16, BF16, F32 and "
            "F64 are)",
            shown(text));
    } else {
      unexpected("a string");
    }
    return true;
  }
  bool start_object(size_t) override {
    if (where_ == Where::kStart) {
      where_ = Where::kTop;
    } else if (where_ == Where::kTop && key_ == "__metadata__") {
      where_ = Where::kMetadata;
    } else if (where_ == Where::kTop) {
      entries.push_back({key_, nullptr, {}, {}});
      where_ = Where::kEntry;
      fields_.clear();
    } else {
      unexpected("an object");
    }
    return true;
  }
  bool key(string_t& text) override {
    if (where_ == Where::kTop) {
      if (!names_.insert(text).second)
        fail<FileError>("{}: the name {} occurs twice", file_, shown(text));
    } else if (where_ == Where::kMetadata) {
      if (out_.metadata.contains(text))
        fail<FileError>("{}: the metadata key {} occurs twice", file_, shown(text));
    } else {
      if (text != "dtype" && text != "shape" && text != "data_offsets")
        bad("unknown field {} (expected dtype, shape and data_offsets)", shown(text));
      if (!fields_.insert(text).second) bad("the field {} occurs twice", shown(text));
    }
    key_ = std::move(text);
    return true;
  }
  bool end_object() override {
    if (where_ == Where::kEntry) {
      if (!entry().type) bad("the field \"dtype\" is missing");
      if (!entry().shape) bad("the field \"shape\" is missing");
      if (entry().offsets.size() != 2) bad("expected two data_offsets");
    }
    where_ = where_ == Where::kTop ? Where::kEnd : Where::kTop;
    return true;
  }
  bool start_array(size_t) override {
    if (where_ == Where::kEntry && key_ == "shape") {
      entry().shape.emplace();
      where_ = Where::kShape;
    } else if (where_ == Where::kEntry && key_ == "data_offsets") {
      where_ = Where::kOffsets;
    } else {
      unexpected("an array");
    }
    return true;
  }
  bool end_array() override {
    where_ = Where::kEntry;
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    fail<FileError>("{}: the header is not valid JSON at byte {}", file_, 8 + position);
  }

 private:
  enum class Where { kStart, kTop, kMetadata, kEntry, kShape, kOffsets, kEnd };

  Entry& entry() { return entries.back(); }

  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) {
    fail<FileError>("{}: tensor {}: {}", file_, shown(entry().name),
                    fmt::format(format, std::forward<Args>(args)...));
  }
  [[noreturn]] void unexpected(const char* what) {
    switch (where_) {
      case Where::kStart:
      case Where::kEnd:
        fail<FileError>("{}: the header must be a JSON object, not {}", file_, what);
      case Where::kTop:
        fail<FileError>("{}: the entry {} must be an object, not {}", file_, shown(key_), what);
      case Where::kMetadata:
        fail<FileError>("{}: the metadata value {} must be a string, not {}", file_, shown(key_),
                        what);
      case Where::kEntry:
        bad("the field {} cannot be {}", shown(key_), what);
      case Where::kShape:
      case Where::kOffsets:
        break;
    }
    bad("{} must hold whole numbers, not {}", shown(key_), what);
  }

  const std::string& file_;
  SafeTensors& out_;
  Where where_ = Where::kStart;
  std::string key_;
  std::unordered_set<std::string> names_, fields_;
};

/// Offsets must fit the shape and type, and the tensors tile the data without overlap or hole.
void check_layout(const std::vector<Entry>& entries, uint64_t data_bytes, const std::string& file) {
  std::vector<const Entry*> sorted;
  for (const Entry& e : entries) {
    const std::optional<uint64_t> bytes = stored_bytes(*e.shape, e.type->bytes);
    check<FileError>(bytes.has_value(), "{}: tensor {}: the size of shape {} overflows", file,
                     shown(e.name), e.shape->str());
    const uint64_t begin = e.offsets[0], end = e.offsets[1];
    check<FileError>(begin <= end && end <= data_bytes,
                     "{}: tensor {}: data_offsets [{}, {}] lie outside the file's {} bytes of data",
                     file, shown(e.name), begin, end, data_bytes);
    check<FileError>(
        end - begin == *bytes,
        "{}: tensor {}: shape {} of {} takes {} bytes, but data_offsets [{}, {}] span {}", file,
        shown(e.name), e.shape->str(), e.type->name, *bytes, begin, end, end - begin);
    sorted.push_back(&e);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Entry* a, const Entry* b) { return a->offsets < b->offsets; });
  uint64_t covered = 0;
  for (const Entry* e : sorted) {
    check<FileError>(
        e->offsets[0] >= covered,
        "{}: tensor {}: data_offsets [{}, {}] overlap another tensor, which ends at {}", file,
        shown(e->name), e->offsets[0], e->offsets[1], covered);
    check<FileError>(e->offsets[0] == covered,
                     "{}: tensor {}: bytes {} to {} before it belong to no tensor", file,
                     shown(e->name), covered, e->offsets[0]);
    covered = e->offsets[1];
  }
  check<FileError>(covered == data_bytes,
                   "{}: the tensors end at byte {} of the data, which has {} bytes", file, covered,
                   data_bytes);
}

Array load(const Entry& e, const std::byte* in) {
  Array a = Array::empty(e.type->dtype, *e.shape);
  const size_t n = a.numel();
  if (a.dtype == DType::kBool)
    decode<BoolByte>(in, a.as<bool>().data(), n);
  else if (e.type->bytes != size_of(a.dtype))
    decode<uint32_t>(in, a.as<int64_t>().data(), n);
  else if (n > 0)
    std::memcpy(a.data->data(), in, a.bytes());
  return a;
}

/// The order of the tensors' data: larger elements first, so that every tensor is aligned.
std::vector<size_t> data_order(const NamedArrays& tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return size_of(tensors[a].second.dtype) > size_of(tensors[b].second.dtype);
  });
  return order;
}

std::string json_string(const std::string& text) {
  try {
    return json(text).dump();
  } catch (const json::exception&) {
    fail<ValueError>("safetensors: the name or text {} is not valid UTF-8", shown(text));
  }
}

std::string header_of(const NamedArrays& tensors, const std::vector<uint64_t>& offsets,
                      const std::map<std::string, std::string>& metadata) {
  std::string s = "{";
  if (!metadata.empty()) {
    s += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata)
      s += json_string(key) + ":" + json_string(value) + ",";
    s.back() = '}';
    s += ",";
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, a] = tensors[i];
    s += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[", json_string(name), stored_name(a.dtype));
    for (int d = 0; d < a.shape.rank(); ++d) s += fmt::format("{}{}", d ? "," : "", a.shape[d]);
    s += fmt::format("],\"data_offsets\":[{},{}]}},", offsets[i], offsets[i] + a.bytes());
  }
  if (s.back() == ',') s.pop_back();
  s += "}";
  s.resize((s.size() + 7) / 8 * 8, ' ');
  return s;
}

}  // namespace

SafeTensors parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  check<FileError>(
      bytes.size() >= 8,
      "{}: {} bytes long, a safetensors file has at least the 8 of its header's length", name,
      bytes.size());
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  check<FileError>(length <= kMaxSafeTensorsHeader,
                   "{}: not a safetensors file: the header's length is given as {}, at most {} is "
                   "allowed",
                   name, length, kMaxSafeTensorsHeader);
  check<FileError>(length <= bytes.size() - 8,
                   "{}: truncated: the header has {} bytes, the file {} after its length", name,
                   length, bytes.size() - 8);
  const char* header = reinterpret_cast<const char*>(bytes.data()) + 8;
  check<FileError>(length > 0 && header[0] == '{', "{}: the header must start with '{{'", name);
  // The JSON parser takes a zero byte for the end of its input.
  check<FileError>(!std::memchr(header, 0, length), "{}: the header contains a zero byte", name);

  SafeTensors result;
  HeaderReader reader(name, result);
  json::sax_parse(header, header + length, &reader);
  const std::byte* data = bytes.data() + 8 + length;
  check_layout(reader.entries, bytes.size() - 8 - length, name);
  for (const Entry& e : reader.entries)
    result.tensors.emplace_back(e.name, load(e, data + e.offsets[0]));
  return result;
}

SafeTensors read_safetensors(const std::string& path) {
  return parse_safetensors(bytes_of(*map_file(path)), path);
}

void write_safetensors(const std::string& path, const NamedArrays& tensors,
                       const std::map<std::string, std::string>& metadata) {
  std::unordered_set<std::string> names;
  for (const auto& [name, a] : tensors) {
    check<ValueError>(name != "__metadata__", "safetensors: the name \"__metadata__\" is reserved");
    check<ValueError>(names.insert(name).second, "safetensors: two tensors are called {}",
                      shown(name));
    check<ValueError>(a.bytes() == 0 || (a.data && a.data->bytes() >= a.bytes()),
                      "safetensors: tensor {} of shape {} has too little data", shown(name),
                      a.shape);
  }
  const std::vector<size_t> order = data_order(tensors);
  std::vector<uint64_t> offsets(tensors.size());
  uint64_t end = 0;
  for (size_t i : order) {
    offsets[i] = end;
    end += tensors[i].second.bytes();
  }
  const std::string header = header_of(tensors, offsets, metadata);
  check<ValueError>(header.size() <= kMaxSafeTensorsHeader,
                    "safetensors: the names and metadata take {} bytes, at most {} are allowed",
                    header.size(), kMaxSafeTensorsHeader);
  write_atomically(path, [&](FileSink& sink) {
    const uint64_t length = header.size();
    sink.write(&length, 8);
    sink.write(header.data(), header.size());
    for (size_t i : order)
      if (const Array& a = tensors[i].second; a.bytes() > 0) sink.write(a.data->data(), a.bytes());
  });
}

}  // namespace ballast::io

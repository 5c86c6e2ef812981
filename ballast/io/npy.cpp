#include "ballast/io/npy.h"

#include <charconv>
#include <optional>
#include <string_view>

#include "ballast/base/file.h"
#include "ballast/io/decode.h"
#include "ballast/io/npy_format.h"

namespace ballast::io {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeader = kMaxNpyStart - 12;

struct Header {
  std::string descr;
  std::optional<bool> fortran_order;
  std::optional<Shape> shape;
};

/// Reads the header, a Python dict literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2,
/// 3), }
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& file) : rest_(text), file_(file) {}

  Header parse() {
    Header h;
    expect('{', "the header must be a dictionary");
    while (!accept('}')) {
      const std::string key = string("a key");
      expect(':', "a key must be followed by ':'");
      if (key == "descr" && h.descr.empty())
        h.descr = descr();
      else if (key == "fortran_order" && !h.fortran_order)
        h.fortran_order = boolean();
      else if (key == "shape" && !h.shape)
        h.shape = shape();
      else
        bad("the key '" + key + "' is unknown or occurs twice");
      if (accept(',')) continue;
      expect('}', "entries must be separated by ','");
      break;
    }
    skip_space();
    if (!rest_.empty()) bad("there is text after the header's dictionary");
    if (h.descr.empty() || !h.fortran_order || !h.shape)
      bad("the header must have the keys descr, fortran_order and shape");
    return h;
  }

 private:
  [[noreturn]] void bad(const std::string& what) { fail<FileError>("{}: {}", file_, what); }
  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_space();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c, const char* otherwise) {
    if (!accept(c)) bad(otherwise);
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  std::string string(const char* what) {
    skip_space();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"'))
      bad(fmt::format("the header must have {} in quotes", what));
    const size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) bad("the header has a string without an end");
    const std::string_view s = rest_.substr(1, end - 1);
    for (char c : s)
      if (c < ' ' || c > '~' || c == '\\') bad("the header has a string of odd characters");
    rest_.remove_prefix(end + 1);
    return std::string(s);
  }
  std::string descr() {
    if (accept('[')) bad("arrays of structures are not supported, only of numbers");
    return string("the element type");
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) bad("fortran_order must be True or False");
    return false;
  }
  Shape shape() {
    Shape s;
    expect('(', "shape must be a tuple");
    while (!accept(')')) {
      skip_space();
      int64_t size = -1;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0) bad("shape must hold whole numbers from 0 to 2^63-1");
      if (s.rank() == Shape::kMaxRank)
        bad(fmt::format("shape has more than {} dimensions", int{Shape::kMaxRank}));
      rest_.remove_prefix(end - rest_.data());
      s.push_back(size);
      if (accept(',')) continue;
      expect(')', "shape must be a tuple");
      break;
    }
    return s;
  }

  std::string_view rest_;
  const std::string& file_;
};

/// An element type of NumPy and how to read it.
struct Stored {
  const char* code;
  size_t bytes;
  DType dtype;
  void (*decode)(const std::byte* in, const Array& out, bool swap_bytes);
};

template <class From, class To>
constexpr Stored stored(const char* code) {
  return {code, sizeof(From), dtype_of<To>, [](const std::byte* in, const Array& out, bool swap) {
            const std::span<To> to = out.as<To>();
            decode<From>(in, to.data(), to.size(), swap);
          }};
}

constexpr Stored kStored[] = {
    stored<BoolByte, bool>("b1"),   stored<uint8_t, uint8_t>("u1"),
    stored<int8_t, int8_t>("i1"),   stored<uint16_t, uint16_t>("u2"),
    stored<int16_t, int16_t>("i2"), stored<uint32_t, int64_t>("u4"),
    stored<int32_t, int32_t>("i4"), stored<int64_t, int64_t>("i8"),
    stored<Half, Half>("f2"),       stored<float, float>("f4"),
    stored<double, double>("f8"),
};

const Stored& find_stored(const std::string& descr, const std::string& file) {
  if (descr.size() == 3 && std::string_view("<>|=").find(descr[0]) != std::string_view::npos)
    for (const Stored& s : kStored)
      if (descr.compare(1, 2, s.code) == 0) return s;
  if (descr.find('O') != std::string::npos)
    fail<FileError>("{}: holds Python objects, which only Python can read (and which may run code)",
                    file);
  fail<FileError>(
      "{}: element type '{}' is not supported (b1, u1, u2, u4, i1, i2, i4, i8, f2, f4 and f8 are)",
      file, descr.substr(0, 40));
}

/// The elements of `a`, which lie in column-major order, in row-major order.
Array rows_first(const Array& a) {
  Array out = Array::empty(a.dtype, a.shape);
  dispatch_size(a.dtype, [&]<class T>(T) {
    const T* in = reinterpret_cast<const T*>(a.data->data());
    const std::span<T> to(reinterpret_cast<T*>(out.data->data()), a.numel());
    const int rank = a.shape.rank();
    int64_t index[Shape::kMaxRank] = {}, stride[Shape::kMaxRank];
    int64_t step = 1, from = 0;
    for (int d = 0; d < rank; ++d) {
      stride[d] = step;
      step *= a.shape[d];
    }
    for (T& value : to) {
      value = in[from];
      for (int d = rank - 1; d >= 0; --d) {
        from += stride[d];
        if (++index[d] < a.shape[d]) break;
        from -= stride[d] * a.shape[d];
        index[d] = 0;
      }
    }
  });
  return out;
}

std::string code_of(DType t) {
  check<TypeError>(t != DType::kBFloat16, "NumPy's files cannot hold bfloat16: save float32");
  const size_t bytes = size_of(t);
  return fmt::format("{}{}{}", bytes == 1 ? '|' : '<', facts_of(t).kind, bytes);
}

}  // namespace

std::string npy_header(const Array& a) {
  std::string dict =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': (", code_of(a.dtype));
  for (int d = 0; d < a.shape.rank(); ++d) dict += fmt::format("{}{}", d ? ", " : "", a.shape[d]);
  dict += a.shape.rank() == 1 ? ",), }" : "), }";
  // Magic, version and length take 10 bytes; the data starts at a multiple of 64, after a newline.
  dict.resize((10 + dict.size() + 1 + 63) / 64 * 64 - 10, ' ');
  dict.back() = '\n';
  std::string s(kMagic);
  s += {'\1', '\0', static_cast<char>(dict.size() & 255), static_cast<char>(dict.size() >> 8)};
  return s + dict;
}

namespace {

/// What stands before the elements, believed: it fits the file.
struct Start {
  Header header;
  const Stored* type;
  size_t bytes;
};

/// `text` is the beginning of a file of `size` bytes.
Start read_start(std::string_view text, uint64_t size, const std::string& name) {
  check<FileError>(text.size() >= 10 && text.starts_with(kMagic),
                   "{}: not a .npy file: it must start with \\x93NUMPY", name);
  const int version = static_cast<uint8_t>(text[6]);
  check<FileError>(version >= 1 && version <= 3,
                   "{}: version {} of the .npy format is not supported (1 to 3 are)", name,
                   version);
  const size_t length_bytes = version == 1 ? 2 : 4, start = 8 + length_bytes;
  uint32_t length = 0;
  if (text.size() >= start) std::memcpy(&length, text.data() + 8, length_bytes);
  check<FileError>(text.size() >= start && length <= size - start,
                   "{}: truncated: the header has {} bytes, the file only {} in all", name, length,
                   size);
  check<FileError>(length <= kMaxHeader, "{}: the header has {} bytes, at most {} are allowed",
                   name, length, kMaxHeader);
  const Header h = HeaderParser(text.substr(start, length), name).parse();
  const Stored& type = find_stored(h.descr, name);
  const std::optional<uint64_t> expected = stored_bytes(*h.shape, type.bytes);
  check<FileError>(expected.has_value(), "{}: the size of shape {} overflows", name,
                   h.shape->str());
  const uint64_t got = size - start - length;
  check<FileError>(*expected == got, "{}: shape {} of {} takes {} bytes, the file has {}", name,
                   h.shape->str(), h.descr, *expected, got);
  return {h, &type, start + length};
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

void check_npy_start(std::span<const std::byte> start, uint64_t bytes, const std::string& name) {
  read_start(text_of(start), bytes, name);
}

Array parse_npy(std::span<const std::byte> bytes, const std::string& name) {
  const Start start = read_start(text_of(bytes), bytes.size(), name);
  Array a = Array::empty(start.type->dtype, *start.header.shape);
  start.type->decode(bytes.data() + start.bytes, a, start.header.descr[0] == '>');
  return *start.header.fortran_order && a.shape.rank() > 1 ? rows_first(a) : a;
}

Array read_npy(const std::string& path) { return parse_npy(bytes_of(*map_file(path)), path); }

void write_npy(const std::string& path, const Array& array) {
  write_atomically(path, [&](FileSink& sink) {
    const std::string header = npy_header(array);
    sink.write(header.data(), header.size());
    if (array.bytes() > 0) sink.write(array.data->data(), array.bytes());
  });
}

}  // namespace ballast::io

#include "ballast/io/pickle.h"

#include <bit>
#include <map>
#include <unordered_map>

#include "ballast/io/state.h"
#include "ballast/ops/support.h"

namespace ballast::io {
namespace {

using Kind = Object::Kind;

/// Writes the instructions that Python's own pickler writes with protocol 2.
class Pickler {
 public:
  explicit Pickler(bool legacy) : legacy_(legacy) { out_.bytes = "\x80\x02"; }

  Pickled run(const Object& value) {
    write(value, 0);
    op('.');
    return std::move(out_);
  }

 private:
  void op(char c) { out_.bytes += c; }
  template <class T>
  void raw(T v) {
    out_.bytes.append(reinterpret_cast<const char*>(&v), sizeof(T));
  }

  // What has been written is remembered under a number and recalled.
  void put(uint32_t i) {
    op(i < 256 ? 'q' : 'r');
    i < 256 ? raw(static_cast<uint8_t>(i)) : raw(i);
  }
  void get(uint32_t i) {
    op(i < 256 ? 'h' : 'j');
    i < 256 ? raw(static_cast<uint8_t>(i)) : raw(i);
  }
  bool recall(const void* identity) {
    const auto at = identity ? memo_.find(identity) : memo_.end();
    if (at == memo_.end()) return false;
    get(at->second);
    return true;
  }
  void remember(const void* identity) {
    if (!identity) return;
    memo_[identity] = memos_;
    put(memos_++);
  }

  void text(const std::string& s) {
    const auto [at, added] = texts_.try_emplace(s, memos_);
    if (!added) return get(at->second);
    check<ValueError>(s.size() <= UINT32_MAX, "save: a text of {} bytes is too long", s.size());
    op('X');
    raw(static_cast<uint32_t>(s.size()));
    out_.bytes += s;
    put(memos_++);
  }
  void global(const std::string& module_and_name) {
    const auto [at, added] = globals_.try_emplace(module_and_name, memos_);
    if (!added) return get(at->second);
    out_.bytes += "c" + module_and_name + "\n";
    put(memos_++);
  }
  void integer(int64_t v) {
    if (v >= 0 && v < 256) {
      op('K');
      raw(static_cast<uint8_t>(v));
    } else if (v >= 0 && v < 1 << 16) {
      op('M');
      raw(static_cast<uint16_t>(v));
    } else if (v >= INT32_MIN && v <= INT32_MAX) {
      op('J');
      raw(static_cast<int32_t>(v));
    } else {
      op('\x8a');
      raw(uint8_t{8});
      raw(v);
    }
  }
  void boolean(bool v) { op(v ? '\x88' : '\x89'); }

  void write(const Object& o, int depth) {
    check<ValueError>(depth <= kMaxPickledDepth, "save: nested deeper than {} levels",
                      kMaxPickledDepth);
    switch (o.kind()) {
      case Kind::kNone:
        return op('N');
      case Kind::kBool:
        return boolean(o.as_bool());
      case Kind::kInt:
        return integer(o.as_int());
      case Kind::kFloat:
        op('G');
        return raw(__builtin_bswap64(std::bit_cast<uint64_t>(o.as_float())));
      case Kind::kString:
        return text(o.as_string());
      case Kind::kDType:
        return global(std::string("torch\n") + name_of(o.as_dtype()));
      default:
        break;
    }
    if (recall(o.identity())) return;
    compound(o, depth);
    remember(o.identity());
  }
  void compound(const Object& o, int depth) {
    switch (o.kind()) {
      case Kind::kBytes:
        return bytes(o.as_string());
      case Kind::kDevice:
        return device(o.as_string());
      case Kind::kTuple:
        return tuple(o.items(), depth);
      case Kind::kList:
        op(']');
        return append(o.items(), depth);
      case Kind::kSet:
        global("__builtin__\nset");
        op(']');
        append(o.items(), depth);
        op('\x85');
        return op('R');
      case Kind::kSize:
        global("torch\nSize");
        tuple(o.items(), depth);
        op('\x85');
        return op('R');
      case Kind::kDict:
        return dict(o, depth);
      case Kind::kParameter:
        global("torch._utils\n_rebuild_parameter");
        tensor(o.as_tensor(), false);
        boolean(o.as_tensor().requires_grad());
        no_hooks();
        op('\x87');
        return op('R');
      default:
        return tensor(o.as_tensor(), o.as_tensor().requires_grad());
    }
  }

  void tuple(const Object::List& items, int depth) {
    if (items.empty()) return op(')');
    if (items.size() > 3) op('(');
    for (const Object& item : items) write(item, depth + 1);
    op(items.size() > 3 ? 't' : static_cast<char>('\x84' + items.size()));
  }
  void append(const Object::List& items, int depth) {
    if (items.empty()) return;
    op('(');
    for (const Object& item : items) write(item, depth + 1);
    op('e');
  }
  void dict(const Object& o, int depth) {
    const Object::DictKind kind = o.dict_kind();
    if (kind == Object::DictKind::kOrdered) {
      global("collections\nOrderedDict");
      op(')');
      op('R');
    } else {
      if (kind == Object::DictKind::kCounter) global("collections\nCounter");
      op('}');
    }
    if (!o.entries().empty()) {
      op('(');
      for (const auto& [key, value] : o.entries()) {
        write(key, depth + 1);
        write(value, depth + 1);
      }
      op('u');
    }
    if (kind == Object::DictKind::kCounter) {
      op('\x85');
      op('R');
    }
    if (kind == Object::DictKind::kOrdered && !o.attributes().is_none()) {
      write(o.attributes(), depth + 1);
      op('b');
    }
  }
  void bytes(const std::string& s) {
    std::string utf8;
    for (uint8_t c : s) {
      if (c >= 0x80) utf8 += static_cast<char>(0xc0 | c >> 6);
      utf8 += static_cast<char>(c < 0x80 ? c : 0x80 | (c & 0x3f));
    }
    global("_codecs\nencode");
    text(utf8);
    text("latin1");
    op('\x86');
    op('R');
  }
  void device(const std::string& name) {
    global("torch\ndevice");
    const size_t colon = name.find(':');
    text(name.substr(0, colon));
    if (colon != std::string::npos) integer(std::atoll(name.c_str() + colon + 1));
    op(colon == std::string::npos ? '\x85' : '\x86');
    op('R');
  }

  void no_hooks() {
    global("collections\nOrderedDict");
    op(')');
    op('R');
  }
  /// A tensor is the whole of a storage; those that share memory share it here too.
  void tensor(const Tensor& t, bool requires_grad) {
    const Array a = to_array(t);
    const StoredType& type = stored_type(a.dtype);
    const std::string& key = storage_key(t, a);
    // Types that have no class of storages lie in one of bytes.
    const bool bytes = !*type.storage;
    global(bytes ? "torch._utils\n_rebuild_tensor_v3" : "torch._utils\n_rebuild_tensor_v2");
    op('(');
    op('(');
    text("storage");
    global(bytes ? "torch.storage\nUntypedStorage" : std::string("torch\n") + type.storage);
    text(key);
    text("cpu");
    integer(bytes ? static_cast<int64_t>(a.bytes()) : a.numel());
    if (legacy_) op('N');
    op('t');
    op('Q');
    integer(0);
    const auto strides = ops::strides_of(a.shape);
    sizes(a.shape.dims());
    sizes(std::span(strides).first(a.shape.rank()));
    boolean(requires_grad);
    no_hooks();
    if (bytes) global(std::string("torch\n") + type.name);
    op('t');
    op('R');
  }
  void sizes(std::span<const int64_t> values) {
    if (values.empty()) return op(')');
    if (values.size() > 3) op('(');
    for (int64_t v : values) integer(v);
    op(values.size() > 3 ? 't' : static_cast<char>('\x84' + values.size()));
  }
  const std::string& storage_key(const Tensor& t, const Array& a) {
    // Empty tensors may share a block, or none.
    const void* block = a.numel() > 0 ? a.data->data() : nullptr;
    const std::tuple key(block, a.dtype, a.numel());
    const auto at = block ? storages_.find(key) : storages_.end();
    if (at != storages_.end()) return out_.storages[at->second].first;
    if (block) storages_[key] = out_.storages.size();
    return out_.storages.emplace_back(std::to_string(out_.storages.size()), t).first;
  }

  bool legacy_;
  Pickled out_;
  uint32_t memos_ = 0;
  std::unordered_map<const void*, uint32_t> memo_;
  std::unordered_map<std::string, uint32_t> texts_, globals_;
  std::map<std::tuple<const void*, DType, int64_t>, size_t> storages_;
};

}  // namespace

Pickled pickle(const Object& value, bool legacy) { return Pickler(legacy).run(value); }

}  // namespace ballast::io

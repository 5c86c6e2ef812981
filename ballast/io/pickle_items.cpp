#include "ballast/io/pickle_items.h"

#include <algorithm>
#include <optional>

namespace ballast::io::pickled {
namespace {

using Kind = Item::Kind;

/// The functions and classes that a checkpoint may name, besides types of elements.
enum Global : int64_t {
  kOrderedDictClass,
  kCounterClass,
  kSetClass,
  kBytesClass,
  kByteArrayClass,
  kEncode,
  kSizeClass,
  kDeviceClass,
  kUntypedStorage,
  kRebuildTensor,
  kRebuildTensorV2,
  kRebuildTensorV3,
  kRebuildParameter,
};

struct Name {
  std::string_view name;
  Global global;
};
// (Protocol 2 has Python 2's name for the module `builtins`.)
constexpr Name kNames[] = {
    {"collections.OrderedDict", kOrderedDictClass},
    {"collections.Counter", kCounterClass},
    {"__builtin__.set", kSetClass},
    {"builtins.set", kSetClass},
    {"__builtin__.bytes", kBytesClass},
    {"builtins.bytes", kBytesClass},
    {"__builtin__.bytearray", kByteArrayClass},
    {"builtins.bytearray", kByteArrayClass},
    {"_codecs.encode", kEncode},
    {"torch.Size", kSizeClass},
    {"torch.device", kDeviceClass},
    {"torch.UntypedStorage", kUntypedStorage},
    {"torch.storage.UntypedStorage", kUntypedStorage},
    {"torch._utils._rebuild_tensor", kRebuildTensor},
    {"torch._utils._rebuild_tensor_v2", kRebuildTensorV2},
    {"torch._utils._rebuild_tensor_v3", kRebuildTensorV3},
    {"torch._utils._rebuild_parameter", kRebuildParameter},
};

/// The characters U+0000 to U+00FF of UTF-8 text as bytes; none where there are others.
std::optional<std::string> latin1(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t c = text[i];
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if ((c == 0xc2 || c == 0xc3) && i + 1 < text.size() && (text[i + 1] & 0xc0) == 0x80) {
      out += static_cast<char>(c << 6 | (text[++i] & 0x3f));
    } else {
      return {};
    }
  }
  return out;
}

}  // namespace

Item Items::text(Kind kind, std::string_view text) {
  const auto [at, added] = text_index_.try_emplace({kind, text}, texts_.size());
  if (added) texts_.push_back(text);
  return Item::at(kind, at->second);
}

Item Items::container(Container::Kind kind, std::vector<Item> items) {
  containers.push_back({kind, std::move(items), {}});
  return Item::at(Kind::kContainer, containers.size() - 1);
}

Item Items::global(std::string_view module, std::string_view name) {
  const std::string full = fmt::format("{}.{}", module, name);
  for (const Name& n : kNames)
    if (full == n.name) return Item::of(Kind::kGlobal, n.global);
  const auto types = stored_types();
  for (size_t i = 0; i < types.size(); ++i) {
    if (module == "torch" && name == types[i].name) return Item::at(Kind::kDType, i);
    const bool storage = *types[i].storage && name == types[i].storage;
    if (storage && (module == "torch" || module == "torch.cuda"))
      return Item::at(Kind::kStorageType, i);
  }
  const bool of_tensors =
      module == "torch" && (name.ends_with("Storage") || name.starts_with("complex") ||
                            name.find("int") != name.npos || name.starts_with("float"));
  if (of_tensors) bad("elements of type {} are not supported", full.substr(0, 100));
  bad("the file wants to call {}, which is not in the list of what a checkpoint may contain; it "
      "has not been called (of a module, save the state_dict())",
      full.substr(0, 200));
}

const std::vector<Item>& Items::tuple_of(const Item& item, const char* what) const {
  if (item.kind != Kind::kContainer || containers[item.index].kind != Container::kTuple)
    bad("{}: expected a tuple", what);
  return containers[item.index].items;
}
int64_t Items::integer_of(const Item& item, const char* what) const {
  if (item.kind != Kind::kInt) bad("{}: expected a whole number", what);
  return item.integer;
}
bool Items::boolean_of(const Item& item, const char* what) const {
  if (item.kind != Kind::kBool) bad("{}: expected a bool", what);
  return item.integer != 0;
}
std::string_view Items::text_of(const Item& item, const char* what) const {
  if (item.kind != Kind::kString) bad("{}: expected text", what);
  return texts_[item.index];
}
std::string Items::short_text_of(const Item& item, const char* what) const {
  const std::string_view text = text_of(item, what);
  if (text.size() > 100) bad("{}: {} bytes long, at most 100 are allowed", what, text.size());
  return std::string(text);
}
std::vector<int64_t> Items::sizes_of(const Item& item, const char* what) const {
  const bool size =
      item.kind == Kind::kContainer && containers[item.index].kind == Container::kSize;
  const std::vector<Item>& items = size ? containers[item.index].items : tuple_of(item, what);
  if (items.size() > Shape::kMaxRank)
    bad("{}: {} dimensions, at most {} are supported", what, items.size(), int{Shape::kMaxRank});
  std::vector<int64_t> sizes;
  for (const Item& i : items) {
    sizes.push_back(integer_of(i, what));
    if (sizes.back() < 0) bad("{}: {} is negative", what, sizes.back());
  }
  return sizes;
}
void Items::check_empty_dict(const Item& item, const char* what) const {
  if (item.kind == Kind::kNone) return;
  const bool dict =
      item.kind == Kind::kContainer && containers[item.index].kind >= Container::kDict;
  if (!dict || !containers[item.index].items.empty()) bad("{} are not supported", what);
}

Item Items::call(const Item& callee, const Item& arguments) {
  if (callee.kind != Kind::kGlobal)
    bad("the file wants to call something that is no function of a checkpoint's");
  const std::vector<Item> args = tuple_of(arguments, "the arguments of a call");
  switch (static_cast<Global>(callee.integer)) {
    case kOrderedDictClass:
      return ordered_dict(args);
    case kCounterClass:
    case kSetClass: {
      const bool set = callee.integer == kSetClass;
      const Container::Kind from = set ? Container::kList : Container::kDict;
      std::vector<Item> items;
      if (!args.empty()) {
        const bool fits = args.size() == 1 && args[0].kind == Kind::kContainer &&
                          containers[args[0].index].kind == from;
        if (!fits) bad("{}: unexpected arguments", set ? "set" : "collections.Counter");
        items = containers[args[0].index].items;
        charge(items.size());
      }
      return container(set ? Container::kSet : Container::kCounter, std::move(items));
    }
    case kBytesClass:
    case kByteArrayClass:
    case kEncode:
      return bytes_from(args);
    case kSizeClass: {
      if (args.size() != 1) bad("torch.Size: expected one tuple");
      sizes_of(args[0], "torch.Size");
      return container(Container::kSize, std::vector<Item>(containers[args[0].index].items));
    }
    case kDeviceClass:
      return device_from(args);
    case kRebuildTensor:
      return tensor_from(args, 1);
    case kRebuildTensorV2:
      return tensor_from(args, 2);
    case kRebuildTensorV3:
      return tensor_from(args, 3);
    case kRebuildParameter:
      return parameter_from(args);
    case kUntypedStorage:
      break;
  }
  bad("the file wants to make a storage, which only tensors refer to");
}

Item Items::ordered_dict(const std::vector<Item>& arguments) {
  const Item dict = container(Container::kOrderedDict);
  if (arguments.empty()) return dict;
  // Python 2 gives a list of pairs, each a list.
  const Item& list = arguments[0];
  if (arguments.size() != 1 || list.kind != Kind::kContainer)
    bad("collections.OrderedDict: expected a list of pairs");
  charge(2 * containers[list.index].items.size());
  for (const Item& pair : containers[list.index].items) {
    const bool fits = pair.kind == Kind::kContainer && containers[pair.index].items.size() == 2 &&
                      containers[pair.index].kind <= Container::kTuple;
    if (!fits) bad("collections.OrderedDict: expected a list of pairs");
    const std::vector<Item>& both = containers[pair.index].items;
    containers[dict.index].items.insert(containers[dict.index].items.end(), both.begin(),
                                        both.end());
  }
  return dict;
}

Item Items::bytes_from(const std::vector<Item>& arguments) {
  if (arguments.empty()) return text(Kind::kBytes, {});
  if (arguments.size() == 1 && arguments[0].kind == Kind::kBytes) return arguments[0];
  if (arguments.size() != 2) bad("bytes: expected text and an encoding");
  const std::string_view encoding = text_of(arguments[1], "bytes");
  if (encoding != "latin1" && encoding != "latin-1") bad("bytes: expected the encoding latin1");
  const std::string_view from = text_of(arguments[0], "bytes");
  const auto [at, added] = encoded_.try_emplace(arguments[0].index);
  if (!added) return at->second;
  std::optional<std::string> bytes = latin1(from);
  if (!bytes) bad("bytes: the text has characters that latin1 has not");
  return at->second = text(Kind::kBytes, owned_.emplace_back(std::move(*bytes)));
}

Item Items::device_from(const std::vector<Item>& arguments) {
  if (arguments.empty() || arguments.size() > 2) bad("torch.device: expected a type and an index");
  std::string name = short_text_of(arguments[0], "torch.device");
  if (arguments.size() == 2) name += fmt::format(":{}", integer_of(arguments[1], "torch.device"));
  return text(Kind::kDevice, owned_.emplace_back(std::move(name)));
}

Item Items::storage(const Item& id) {
  const std::vector<Item>& parts = tuple_of(id, "a persistent id");
  if (parts.size() < 5 || text_of(parts[0], "a persistent id") != "storage")
    bad("a persistent id must be of a storage");
  if (parts.size() > 5 && parts[5].kind != Kind::kNone)
    bad("views of storages, as PyTorch wrote them before 0.4, are not supported");
  PickledStorage s;
  s.key = short_text_of(parts[2], "a storage's key");
  if (parts[1].kind == Kind::kStorageType)
    s.type = &stored_types()[parts[1].index];
  else if (parts[1].kind != Kind::kGlobal || parts[1].integer != kUntypedStorage)
    bad("storage '{}': its type is not a storage's", s.key);
  const int64_t elements = integer_of(parts[4], "a storage's size");
  const uint64_t each = s.type ? s.type->bytes : 1;
  if (elements < 0 || __builtin_mul_overflow(static_cast<uint64_t>(elements), each, &s.bytes))
    bad("storage '{}': {} elements is not a size", s.key, elements);
  const auto [at, added] = storage_by_key_.try_emplace(s.key, storages.size());
  if (added) {
    storages.push_back(std::move(s));
  } else {
    const PickledStorage& first = storages[at->second];
    if (first.type != s.type || first.bytes != s.bytes)
      bad("storage '{}' has two types or sizes", s.key);
  }
  return Item::at(Kind::kStorage, at->second);
}

Item Items::tensor_from(const std::vector<Item>& a, int version) {
  static constexpr const char* kWhat = "_rebuild_tensor";
  const size_t least = version == 1 ? 4 : version == 2 ? 6 : 7;
  if (a.size() < least || a.size() > least + (version > 1))
    bad("{}: expected {} arguments, got {}", kWhat, least, a.size());
  if (a[0].kind != Kind::kStorage) bad("{}: expected a storage", kWhat);
  PickledTensor t;
  t.storage = a[0].index;
  t.offset = integer_of(a[1], "a tensor's offset");
  t.shape = Shape(std::span<const int64_t>(sizes_of(a[2], "a tensor's size")));
  t.strides = sizes_of(a[3], "a tensor's strides");
  t.type = storages[t.storage].type;
  if (version >= 2) {
    t.requires_grad = boolean_of(a[4], "requires_grad");
    check_empty_dict(a[5], "backward hooks");
  }
  if (version == 3) {
    if (a[6].kind != Kind::kDType) bad("{}: expected a dtype", kWhat);
    t.type = &stored_types()[a[6].index];
  }
  if (a.size() > least) check_empty_dict(a[least], "attributes of tensors (conjugate, negative)");
  if (!t.type) bad("{}: the storage '{}' has no type", kWhat, storages[t.storage].key);
  check_bounds(t);
  tensors.push_back(std::move(t));
  return Item::at(Kind::kTensor, tensors.size() - 1);
}

void Items::check_bounds(const PickledTensor& t) const {
  const PickledStorage& s = storages[t.storage];
  if (t.strides.size() != static_cast<size_t>(t.shape.rank()))
    bad("a tensor has {} sizes and {} strides", t.shape.rank(), t.strides.size());
  // The element count must not overflow even where one size is zero: shapes are multiplied freely.
  int64_t n = 1, last = t.offset;
  bool empty = false, fits = t.offset >= 0;
  for (int d = 0; d < t.shape.rank(); ++d) {
    empty |= t.shape[d] == 0;
    fits &= !__builtin_mul_overflow(n, std::max<int64_t>(t.shape[d], 1), &n);
    int64_t step = 0;
    fits &= !__builtin_mul_overflow(std::max<int64_t>(t.shape[d] - 1, 0), t.strides[d], &step) &&
            !__builtin_add_overflow(last, step, &last);
  }
  fits &= n <= INT64_MAX / 8;
  const uint64_t elements = s.bytes / t.type->bytes;
  if (!fits || (!empty && static_cast<uint64_t>(last) >= elements))
    bad("a tensor of shape {} from element {} on reaches outside of its storage '{}' of {} "
        "elements",
        t.shape, t.offset, s.key, elements);
}

Item Items::parameter_from(const std::vector<Item>& a) {
  if (a.size() != 3 || a[0].kind != Kind::kTensor)
    bad("_rebuild_parameter: expected a tensor, requires_grad and hooks");
  PickledTensor t = tensors[a[0].index];
  t.requires_grad = boolean_of(a[1], "requires_grad");
  check_empty_dict(a[2], "backward hooks");
  tensors.push_back(std::move(t));
  return Item::at(Kind::kParameter, tensors.size() - 1);
}

void Items::set_attributes(const Item& target, const Item& state) {
  const auto is_dict = [&](const Item& i) {
    return i.kind == Kind::kContainer && containers[i.index].kind >= Container::kDict;
  };
  if (!is_dict(target)) bad("the file sets the state of an object other than a dictionary");
  if (!is_dict(state)) bad("the attributes of a dictionary must be a dictionary");
  containers[target.index].attributes = state;
}

Object Items::object_of(const Item& item) {
  built_.assign(containers.size(), Built{Built::kNot, 0, {}});
  text_objects_.resize(texts_.size());
  int height = 0;
  Object value = object_of(item, 0, height);
  std::erase_if(tensors, [](const PickledTensor& t) { return !t.tensor.defined(); });
  return value;
}

Object Items::object_of(const Item& item, int depth, int& height) {
  height = 0;
  switch (item.kind) {
    case Kind::kNone:
      return {};
    case Kind::kBool:
      return item.integer != 0;
    case Kind::kInt:
      return item.integer;
    case Kind::kFloat:
      return item.real;
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kDevice:
      return text_object(item);
    case Kind::kDType:
      return stored_types()[item.index].dtype;
    case Kind::kTensor:
      return tensor_at(item.index);
    case Kind::kParameter:
      return Object::parameter(tensor_at(item.index));
    case Kind::kContainer:
      return build_container(item.index, depth, height);
    case Kind::kGlobal:
    case Kind::kStorageType:
    case Kind::kStorage:
      break;
  }
  bad("a function, type or storage stands where a value should");
}

Object Items::text_object(const Item& item) {
  Object& object = text_objects_[item.index];
  if (object.is_none()) {
    std::string text(texts_[item.index]);
    object = item.kind == Kind::kString  ? Object(std::move(text))
             : item.kind == Kind::kBytes ? Object::bytes(std::move(text))
                                         : Object::device(std::move(text));
  }
  return object;
}

Tensor Items::tensor_at(uint32_t index) {
  PickledTensor& t = tensors[index];
  if (!t.tensor.defined()) {
    Ref<Node> node = make_ref<Node>();
    node->shape = t.shape;
    node->dtype = t.type->dtype;
    t.tensor = Tensor(std::move(node));
  }
  return t.tensor;
}

Object Items::build_container(uint32_t index, int depth, int& height) {
  Built& built = built_[index];
  if (built.state == Built::kNow) bad("a list or dictionary holds itself");
  if (built.state == Built::kDone) {
    height = built.height;
    return built.object;
  }
  const Container& c = containers[index];
  if (depth > kMaxPickledDepth) bad("nested deeper than {} levels", kMaxPickledDepth);
  built.state = Built::kNow;
  int tallest = 0;
  const auto child = [&](const Item& item) {
    int h = 0;
    Object o = object_of(item, depth + 1, h);
    tallest = std::max(tallest, h);
    return o;
  };
  if (c.kind >= Container::kDict) {
    check_keys(c);
    Object::Entries entries;
    entries.reserve(c.items.size() / 2);
    for (size_t i = 0; i < c.items.size(); i += 2) {
      Object key = child(c.items[i]);
      entries.emplace_back(std::move(key), child(c.items[i + 1]));
    }
    const auto kind = static_cast<Object::DictKind>(c.kind - Container::kDict);
    built.object = Object::dict(std::move(entries), kind, child(c.attributes));
  } else {
    Object::List items;
    items.reserve(c.items.size());
    for (const Item& item : c.items) items.push_back(child(item));
    using Make = Object (*)(Object::List);
    static constexpr Make kMake[] = {&Object::list, &Object::tuple, &Object::size, &Object::set};
    built.object = kMake[c.kind](std::move(items));
  }
  built.height = height = tallest + 1;
  // A value used twice may stand deeper than where it was first seen.
  if (height > kMaxPickledDepth) bad("nested deeper than {} levels", kMaxPickledDepth);
  built.state = Built::kDone;
  return built.object;
}

void Items::check_keys(const Container& c) const {
  std::vector<const Item*> keys;
  for (size_t i = 0; i < c.items.size(); i += 2) {
    if (c.items[i].kind > Kind::kBytes) bad("a dictionary's keys must be text, numbers or None");
    keys.push_back(&c.items[i]);
  }
  // By kind, then by bits or text; equal text has equal indices.
  const auto value = [](const Item& i) {
    return std::pair(i.kind, i.kind >= Kind::kString ? int64_t{i.index} : i.integer);
  };
  std::ranges::sort(keys, {}, [&](const Item* i) { return value(*i); });
  for (size_t i = 1; i < keys.size(); ++i) {
    if (value(*keys[i - 1]) != value(*keys[i])) continue;
    const bool text = keys[i]->kind >= Kind::kString;
    bad("a dictionary has the key '{}' twice",
        text ? std::string(texts_[keys[i]->index].substr(0, 100))
             : fmt::format("{}", keys[i]->integer));
  }
}

}  // namespace ballast::io::pickled

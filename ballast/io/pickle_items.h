// What a pickle has made so far. Not part of the public interface.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ballast/io/pickle.h"

namespace ballast::io::pickled {

/// A value on the machine's stack: a plain value, or a position in one of the lists of `Items`.
struct Item {
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kString,  // index: in the texts, where each stands once
    kBytes,
    kDevice,
    kDType,      // index: of the stored type
    kContainer,  // index: in `containers`
    kTensor,     // index: in `tensors`
    kParameter,
    // Only on the way:
    kGlobal,       // integer: a `Global`
    kStorageType,  // index: of the stored type
    kStorage,      // index: in `storages`
  };
  Kind kind = Kind::kNone;
  uint32_t index = 0;
  union {
    int64_t integer = 0;
    double real;
  };

  static Item of(bool v) { return of(Kind::kBool, v); }
  static Item of(int64_t v) { return of(Kind::kInt, v); }
  static Item of(double v) {
    Item i;
    i.kind = Kind::kFloat;
    i.real = v;
    return i;
  }
  static Item at(Kind kind, size_t index) {
    Item i;
    i.kind = kind;
    i.index = static_cast<uint32_t>(index);
    return i;
  }
  static Item of(Kind kind, int64_t v) {
    Item i;
    i.kind = kind;
    i.integer = v;
    return i;
  }
};

struct Container {
  enum Kind : uint8_t { kList, kTuple, kSize, kSet, kDict, kOrderedDict, kCounter };
  Kind kind = kList;
  std::vector<Item> items;  // of dictionaries: key, value, key, value, ...
  Item attributes;
};

/// Everything that a pickle has made: containers refer to each other by position, so whatever the
/// pickle ties together, cycles too, is let go in one loop.
class Items {
 public:
  explicit Items(const std::string& file) : file_(file) {}

  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    throw UnpicklingError(
        fmt::format("{}: {}", file_, fmt::format(format, std::forward<Args>(args)...)));
  }

  /// Counts values against the limit.
  void charge(size_t values) {
    values_ += values;
    if (values_ > kMaxPickledValues) bad("the pickle has more than {} values", kMaxPickledValues);
  }

  Item text(Item::Kind kind, std::string_view text);
  std::string_view text_of(const Item& item, const char* what) const;
  Item container(Container::Kind kind, std::vector<Item> items = {});
  /// What a name stands for. Throws where it stands for nothing that a checkpoint may contain.
  Item global(std::string_view module, std::string_view name);
  /// What calling `callee` would make; nothing is called.
  Item call(const Item& callee, const Item& arguments);
  void set_attributes(const Item& target, const Item& state);
  /// The storage with a persistent id.
  Item storage(const Item& id);
  /// The finished value. Throws where it holds itself, is too deep, or holds what is no value.
  Object object_of(const Item& item);

  std::vector<Container> containers;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;

 private:
  struct Built {
    enum State : uint8_t { kNot, kNow, kDone };
    State state;
    int height;
    Object object;
  };

  const std::vector<Item>& tuple_of(const Item& item, const char* what) const;
  int64_t integer_of(const Item& item, const char* what) const;
  bool boolean_of(const Item& item, const char* what) const;
  std::string short_text_of(const Item& item, const char* what) const;
  std::vector<int64_t> sizes_of(const Item& item, const char* what) const;
  void check_empty_dict(const Item& item, const char* what) const;

  Item ordered_dict(const std::vector<Item>& arguments);
  Item bytes_from(const std::vector<Item>& arguments);
  Item device_from(const std::vector<Item>& arguments);
  Item tensor_from(const std::vector<Item>& arguments, int version);
  Item parameter_from(const std::vector<Item>& arguments);
  void check_bounds(const PickledTensor& t) const;

  Object object_of(const Item& item, int depth, int& height);
  Object build_container(uint32_t index, int depth, int& height);
  void check_keys(const Container& c) const;
  Object text_object(const Item& item);
  Tensor tensor_at(uint32_t index);

  const std::string& file_;
  size_t values_ = 0;
  // Every text once, so that equal keys have equal indices, and no text is copied more than once
  // however often it is referred to.
  std::map<std::pair<Item::Kind, std::string_view>, uint32_t> text_index_;
  std::vector<std::string_view> texts_;
  std::vector<Object> text_objects_;
  std::deque<std::string> owned_;     // text that is not in the file as such
  std::map<uint32_t, Item> encoded_;  // bytes made from text
  std::map<std::string, uint32_t, std::less<>> storage_by_key_;
  std::vector<Built> built_;
};

}  // namespace ballast::io::pickled

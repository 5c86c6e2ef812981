// What a checkpoint holds: tensors, numbers and text in nested lists and dictionaries.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::io {

/// A value of a checkpoint, one of the kinds below. Copies share text, lists, dictionaries and
/// tensors; all but tensors never change once made.
///
///     const io::Object checkpoint = io::Object::dict(
///         {{"model", io::object_of(net.state_dict())}, {"epoch", 3}});
///     checkpoint["epoch"].as_int();
class Object {
 public:
  enum class Kind : uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kString,
    kBytes,
    kDType,
    kDevice,  // text, such as "cpu"
    kList,
    kTuple,
    kSet,
    kSize,  // a tuple of whole numbers: the shape of a tensor
    kDict,
    kTensor,
    kParameter,  // a tensor that is a parameter of a module
  };
  /// Python's kinds of dictionaries; all keep the order of their entries.
  enum class DictKind : uint8_t { kPlain, kOrdered, kCounter };
  using List = std::vector<Object>;
  using Entries = std::vector<std::pair<Object, Object>>;

  /// None.
  Object() : kind_(Kind::kNone) {}
  // NOLINTBEGIN(google-explicit-constructor): a number is an object like any other
  template <std::same_as<bool> B>
  Object(B v) : kind_(Kind::kBool), value_(v) {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) Object(I v)
      : kind_(Kind::kInt), value_(static_cast<int64_t>(v)) {}
  template <std::floating_point F>
  Object(F v) : kind_(Kind::kFloat), value_(static_cast<double>(v)) {}
  Object(std::string v) : Object(Kind::kString, text(std::move(v))) {}
  Object(const char* v) : Object(std::string(v)) {}
  Object(Tensor v) : kind_(Kind::kTensor), value_(std::move(v)) {}
  Object(DType v) : kind_(Kind::kDType), value_(v) {}
  // NOLINTEND(google-explicit-constructor)
  static Object bytes(std::string v) { return {Kind::kBytes, text(std::move(v))}; }
  static Object device(std::string v) { return {Kind::kDevice, text(std::move(v))}; }
  static Object parameter(Tensor v) { return {Kind::kParameter, std::move(v)}; }
  static Object list(List v) { return {Kind::kList, std::make_shared<const List>(std::move(v))}; }
  static Object tuple(List v) { return {Kind::kTuple, std::make_shared<const List>(std::move(v))}; }
  static Object set(List v) { return {Kind::kSet, std::make_shared<const List>(std::move(v))}; }
  static Object size(List v) { return {Kind::kSize, std::make_shared<const List>(std::move(v))}; }
  /// `attributes`: a dictionary, or None, of what was assigned to the dictionary as an object
  /// (`_metadata` of PyTorch's state dicts).
  static Object dict(Entries entries, DictKind kind = DictKind::kPlain, Object attributes = {});

  Kind kind() const { return kind_; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  bool is_tensor() const { return kind_ == Kind::kTensor || kind_ == Kind::kParameter; }

  // Each throws TypeError where the value is of another kind.
  bool as_bool() const { return get<bool>("a bool", kind_ == Kind::kBool); }
  int64_t as_int() const { return get<int64_t>("a whole number", kind_ == Kind::kInt); }
  /// Whole numbers count as floats, as in Python.
  double as_float() const;
  /// Text, bytes, or the name of a device.
  const std::string& as_string() const {
    return *get<Text>("text", std::holds_alternative<Text>(value_));
  }
  DType as_dtype() const { return get<DType>("a dtype", kind_ == Kind::kDType); }
  /// A tensor or parameter.
  const Tensor& as_tensor() const { return get<Tensor>("a tensor", is_tensor()); }
  /// The items of a list, tuple, set or size.
  const List& items() const;
  /// The keys and values of a dictionary.
  const Entries& entries() const;
  DictKind dict_kind() const;
  const Object& attributes() const;

  /// The value under a text key of a dictionary; null where there is none.
  const Object* find(std::string_view key) const;
  /// As `find`. Throws KeyError where there is no such key.
  const Object& operator[](std::string_view key) const;

  /// "a list", "a tensor", ... for messages.
  const char* kind_name() const;
  /// Equal for copies that share one text, list, dictionary or tensor; null for other values.
  const void* identity() const;

 private:
  struct Dict;
  using Text = std::shared_ptr<const std::string>;
  using Value = std::variant<std::monostate, bool, int64_t, double, Text, DType,
                             std::shared_ptr<const List>, std::shared_ptr<const Dict>, Tensor>;

  static Text text(std::string v) { return std::make_shared<const std::string>(std::move(v)); }

  Object(Kind kind, Value value) : kind_(kind), value_(std::move(value)) {}
  template <class T>
  const T& get(const char* wanted, bool ok) const {
    check<TypeError>(ok, "expected {}, got {}", wanted, kind_name());
    return std::get<T>(value_);
  }
  const Dict& as_dict() const;

  Kind kind_;
  Value value_;
};

/// Named tensors as PyTorch's state dict, an ordered dictionary.
Object object_of(const std::vector<std::pair<std::string, Tensor>>& tensors);
/// The named tensors of a dictionary that holds nothing else. Throws TypeError, which names the
/// entry, where it holds something else.
std::vector<std::pair<std::string, Tensor>> state_dict_of(const Object& dict);

}  // namespace ballast::io

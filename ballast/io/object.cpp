#include "ballast/io/object.h"

namespace ballast::io {

struct Object::Dict {
  Entries entries;
  DictKind kind;
  Object attributes;
};

Object Object::dict(Entries entries, DictKind kind, Object attributes) {
  return {Kind::kDict,
          std::make_shared<const Dict>(Dict{std::move(entries), kind, std::move(attributes)})};
}

double Object::as_float() const {
  if (kind_ == Kind::kInt) return static_cast<double>(as_int());
  return get<double>("a number", kind_ == Kind::kFloat);
}

const Object::List& Object::items() const {
  return *get<std::shared_ptr<const List>>(
      "a list", std::holds_alternative<std::shared_ptr<const List>>(value_));
}

const Object::Dict& Object::as_dict() const {
  return *get<std::shared_ptr<const Dict>>("a dictionary", is_dict());
}
const Object::Entries& Object::entries() const { return as_dict().entries; }
Object::DictKind Object::dict_kind() const { return as_dict().kind; }
const Object& Object::attributes() const { return as_dict().attributes; }

const Object* Object::find(std::string_view key) const {
  for (const auto& [k, v] : entries())
    if (k.kind_ == Kind::kString && k.as_string() == key) return &v;
  return nullptr;
}

const Object& Object::operator[](std::string_view key) const {
  const Object* found = find(key);
  check<KeyError>(found, "there is no entry '{}'", key);
  return *found;
}

const char* Object::kind_name() const {
  static constexpr const char* kNames[] = {"None",         "a bool",   "a whole number", "a float",
                                           "text",         "bytes",    "a dtype",        "a device",
                                           "a list",       "a tuple",  "a set",          "a size",
                                           "a dictionary", "a tensor", "a parameter"};
  return kNames[static_cast<int>(kind_)];
}

const void* Object::identity() const {
  if (const auto* text = std::get_if<Text>(&value_)) return text->get();
  if (const auto* list = std::get_if<std::shared_ptr<const List>>(&value_)) return list->get();
  if (const auto* dict = std::get_if<std::shared_ptr<const Dict>>(&value_)) return dict->get();
  if (const auto* tensor = std::get_if<Tensor>(&value_)) return tensor->impl();
  return nullptr;
}

Object object_of(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  Object::Entries entries;
  for (const auto& [name, t] : tensors) entries.emplace_back(name, t);
  return Object::dict(std::move(entries), Object::DictKind::kOrdered);
}

std::vector<std::pair<std::string, Tensor>> state_dict_of(const Object& dict) {
  check<TypeError>(dict.is_dict(), "expected a dictionary of tensors, got {}", dict.kind_name());
  std::vector<std::pair<std::string, Tensor>> state;
  for (const auto& [key, value] : dict.entries()) {
    check<TypeError>(key.kind() == Object::Kind::kString,
                     "expected a dictionary of tensors, but one of its keys is {}",
                     key.kind_name());
    check<TypeError>(value.is_tensor(),
                     "expected a dictionary of tensors, but its entry '{}' is {}", key.as_string(),
                     value.kind_name());
    state.emplace_back(key.as_string(), value.as_tensor());
  }
  return state;
}

}  // namespace ballast::io

// An ONNX file under construction. Not part of the public interface.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ballast/io/array.h"

namespace ballast::io {

/// Values are known by their names; every function that makes one returns it.
class OnnxGraph {
 public:
  using Value = std::string;
  using Attribute = std::variant<int64_t, double, std::vector<int64_t>>;
  using Attributes = std::vector<std::pair<const char*, Attribute>>;
  using Inputs = std::vector<Value>;  // "" for one that is left out

  /// The size of a dimension, or its name where it may have any.
  using Size = std::variant<int64_t, std::string>;
  void input(const Value& name, DType dtype, const std::vector<Size>& sizes);
  void output(const Value& name, DType dtype, const std::vector<Size>& sizes);
  /// A constant, called `name` if that is free.
  Value constant(const Array& array, const std::string& name = "");
  /// A list of whole numbers; equal ones are kept once.
  Value integers(const std::vector<int64_t>& values);
  /// A number; equal ones are kept once.
  Value number(double value, DType dtype);
  /// A computed value: output `at` of the operation, whose outputs before that stay unread.
  Value node(const char* operation, Inputs inputs, Attributes attributes = {}, int at = 0);
  /// Gives a computed value the name of an output; a value that already is one, or is none that a
  /// node computes, is copied.
  void name_output(const Value& value, const Value& name);

  /// The file, without what no output is computed from. `open_constants`: constants are inputs,
  /// too, which whoever runs the file may give another value.
  std::string bytes(int64_t opset_version, bool open_constants = false) const;

  static int64_t type_of(DType dtype);

 private:
  struct Node {
    const char* operation;
    Inputs inputs;
    Value output;
    Attributes attributes;
    std::vector<Value> unread;  // outputs before that one
  };
  struct Declared {
    Value name;
    DType dtype;
    std::vector<Size> sizes;
  };
  Value fresh(const std::string& wanted);
  std::set<Value> needed() const;

  std::vector<Node> nodes_;
  std::vector<Declared> inputs_, outputs_;
  std::vector<std::pair<Value, Array>> constants_;
  std::map<Value, int> used_;
  std::map<std::vector<int64_t>, Value> integers_;
  std::map<std::pair<double, DType>, Value> numbers_;
};

}  // namespace ballast::io

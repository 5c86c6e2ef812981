// A plan: the needed part of a graph, free of tensors, as a list of values and the sweeps that make
// them. Made once per structure, then looked up.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ballast/graph/node.h"

namespace ballast::plan {

/// Passes that can be switched off one by one: `BALLAST_PLAN=-cse,-fuse_pointwise` in the
/// environment, or here.
struct Options {
  bool fast = true;            // vector kernels; off: the reference kernels do everything
  bool cse = true;             // equal operations on equal inputs are computed once
  bool fuse_pointwise = true;  // chains of pointwise operations become one sweep

  bool operator==(const Options&) const = default;
};
/// The options of this thread; first read from the environment. Throws ValueError for an unknown
/// name there.
Options& options();

/// One value: a leaf, or the result of an operation on earlier values.
struct Value {
  const Op* op = nullptr;  // null: a leaf
  Attributes attributes;
  InlineVector<int, 4> in;
  Shape shape;
  DType dtype = DType::kFloat32;
  Layout layout = Layout::kRowMajor;
  bool output = false;  // leaves the plan

  // Decided by the passes.
  int alias = -1;       // a view: shares the memory of this value
  int64_t offset = -1;  // in the arena, where it is neither a leaf nor an output

  int64_t bytes() const { return shape.numel() * static_cast<int64_t>(size_of(dtype)); }
  bool view() const { return op && op->traits().kind == Traits::Kind::kView; }
};

/// Values that one sweep makes, in order. Several only where a chain was fused.
struct Group {
  std::vector<int> values;
};

struct Plan {
  std::vector<Value> values;  // topologically ordered
  std::vector<int> leaves;    // in the order of the graph walk
  std::vector<int> outputs;   // likewise
  std::vector<Group> groups;  // in the order they run
  int64_t arena_bytes = 0;
};

/// Runs the passes, in the order pipeline.cpp names.
void run_passes(Plan& plan, const Options& options);

// The passes.
void common_subexpressions(Plan& plan);
/// Chooses each value's layout and inserts conversions where a reader wants the other one.
void choose_layouts(Plan& plan, bool fast);
/// Puts every value into a group; with `fuse`, chains of pointwise operations into one.
void make_groups(Plan& plan, bool fuse);
/// Places temporaries in one arena so that values alive together do not overlap.
void place_memory(Plan& plan);

/// Whether a reader of pointwise value `v` can take operand `in` inside a vector program, and how.
enum class OperandMode : uint8_t { kFull, kScalar, kChannel, kCoefficients, kNo };
OperandMode operand_mode(const Plan& plan, const Value& v, int input);

/// Copies a value into the other layout; inserted by choose_layouts, never recorded by users.
const Op& convert_layout_op();
struct ConvertAttributes {
  int64_t to_channels_last;
};

/// Whether both layouts of a shape are the same bytes.
bool layouts_coincide(const Shape& shape);

/// Throws Error if a plan is inconsistent; run between passes in debug builds.
void verify(const Plan& plan);

}  // namespace ballast::plan

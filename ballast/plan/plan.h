// A plan: the needed part of a graph, free of tensors, as a list of values and the sweeps that make
// them. Made once per structure, then looked up.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ballast/base/bytes.h"
#include "ballast/graph/node.h"

namespace ballast::plan {

/// What can be switched off one by one: `BALLAST_PLAN=-cse,-fuse_pointwise` in the environment, or
/// here. `BALLAST_CONV=direct` is short for -winograd.
struct Options {
  bool fast = true;            // vector kernels; off: the reference kernels do everything
  bool normal_form = true;     // moments of a concatenation are put together from its parts'
  bool accumulate = true;      // gradients of concatenations are summed as they are made
  bool cse = true;             // equal operations on equal inputs are computed once
  bool fuse_pointwise = true;  // chains of pointwise operations become one sweep
  bool fuse_prologue = true;   // pointwise chains are computed by the sweeps that read them
  bool fuse_epilogue = true;  // pointwise chains and sums are computed by the sweep that makes rows
  bool pair_gradients = true;  // both gradients of a small 3x3 convolution are one sweep
  bool winograd = true;        // 3x3 convolutions by Winograd's algorithm where it is faster
  bool memory = true;          // values that do not live at the same time share memory
  bool cache = true;           // plans are kept for the next evaluation of the same structure

  bool operator==(const Options&) const = default;
  /// All of them as a number, for keys.
  uint64_t bits() const;
};

/// The options by name.
struct Pass {
  std::string_view name;
  bool Options::*option;
};
inline constexpr Pass kPasses[] = {{"fast", &Options::fast},
                                   {"cse", &Options::cse},
                                   {"normal_form", &Options::normal_form},
                                   {"accumulate", &Options::accumulate},
                                   {"fuse_pointwise", &Options::fuse_pointwise},
                                   {"fuse_prologue", &Options::fuse_prologue},
                                   {"fuse_epilogue", &Options::fuse_epilogue},
                                   {"pair_gradients", &Options::pair_gradients},
                                   {"winograd", &Options::winograd},
                                   {"memory", &Options::memory},
                                   {"cache", &Options::cache}};

/// The options of this thread; first read from the environment. Throws ValueError for an unknown
/// name there.
Options& options();

/// Where a value lives.
enum class Home : uint8_t {
  kMemory,   // in memory, its own or that of the value it is a view of
  kFused,    // only within the sweep that makes it
  kInlined,  // nowhere: whoever reads it computes it as it is read
};

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
  Home home = Home::kMemory;
  int alias = -1;             // shares the memory of this value: a view of it, or made in its place
  std::vector<int64_t> cuts;  // in memory: columns at which another array begins; empty: one array
  int64_t offset = -1;        // in the arena, where it is neither a leaf nor an output

  int64_t bytes() const { return static_cast<int64_t>(bytes_of(shape, dtype)); }
  bool view() const { return op && op->traits().kind == Traits::Kind::kView; }
};

/// Values that one sweep makes, in order: perhaps a product first, then what is made of rows while
/// they are in cache: pointwise operations and sums over rows. Where the product is the gradient of
/// a convolution's input, that of its weights may be there, too (second_product).
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
void normal_form(Plan& plan);
void common_subexpressions(Plan& plan);
void accumulate_gradients(Plan& plan);
/// Chooses each value's layout and inserts conversions where a reader wants the other one.
void choose_layouts(Plan& plan, bool fast);
/// Puts every value into a group. With `epilogues`, what can be made of rows joins the group that
/// makes them; with `prologues`, values made by rows are left to their readers where that costs
/// less memory traffic than storing them; with `pointwise`, chains without a product are one group.
void make_groups(Plan& plan, const Options& options);
/// Orders the groups: each after those it reads from, for little memory in use at a time.
void order_groups(Plan& plan);
/// Adds up gradients in the memory of the longer one they are added to (accumulate_gradients) where
/// that is not read any more, each part an array of its own.
void accumulate_in_place(Plan& plan);
/// Places temporaries in one arena so that values alive together do not overlap; without `share`,
/// none do.
void place_memory(Plan& plan, bool share);

/// Drops the values that nobody reads, and puts each behind those it reads.
void drop_and_sort(Plan& plan);

/// Calls f(value) for every value that the sweep which makes `v` reads for it, from memory or as it
/// makes it itself, and inlined(value) for those that it computes on the way.
template <class F, class Inlined>
void for_each_read(const Plan& plan, int v, const F& f, const Inlined& inlined) {
  for (int in : plan.values[v].in) {
    if (plan.values[in].home == Home::kInlined) {
      inlined(in);
      for_each_read(plan, in, f, inlined);
    } else {
      f(in);
    }
  }
}
template <class F>
void for_each_read(const Plan& plan, int v, const F& f) {
  for_each_read(plan, v, f, [](int) {});
}

/// Whether the value is made by the vector instruction `code`.
bool made_by(const Value& v, Pointwise code);
/// Whether the value joins others along its channels.
bool joins_channels(const Value& v);
/// Whether a row of the value holds its channels: matrices, and images stored channels-last.
bool rows_are_pixels(const Value& v);
/// Whether a program can make `v` row by row: pointwise operations, and those that only choose
/// which columns or rows are read (concatenation, slices, repetition over pixels).
bool made_by_rows(const Plan& plan, const Value& v);
/// The product of a group besides its first value, or -1.
int second_product(const Plan& plan, const Group& group);
/// Whether `v` sums the rows of its first operand: moments, sums of gradients.
bool sums_rows(const Plan& plan, const Value& v);
/// First channel that a slice (made_by_rows) reads.
int64_t slice_start(const Value& v);

/// How a reader that is made by rows takes an operand.
enum class OperandMode : uint8_t {
  kFull,          // row by row
  kScalar,        // one number
  kChannel,       // one row for all
  kSample,        // one row for all pixels of a sample
  kCoefficients,  // three rows for all
  kNo,            // not at all
};
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

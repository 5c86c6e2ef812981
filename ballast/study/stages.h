// A recorded computation, cut where samples meet. Not part of the public interface.
#pragma once

#include <unordered_map>
#include <vector>

#include "ballast/graph/tensor.h"

namespace ballast::study {

/// The point where a batch-norm layer asks for statistics of the whole batch, as an operation:
/// (x) -> moments (2, C). Its value is nowhere in the graph; whoever evaluates it gets an error.
const Op& barrier_op();

/// A computation with barriers, as stages 0, 1, ...: stage s is what depends on s barriers one
/// after the other. Values are known by their position in the recording. None of it is evaluated;
/// it is recorded again, in pieces, from values that are there.
class Stages {
 public:
  using Values = std::unordered_map<int, Tensor>;

  /// Of all that `outputs` (positions: their order) are made of.
  explicit Stages(const std::vector<Tensor>& outputs);

  int count() const { return count_; }
  int level(int v) const { return levels_[v]; }
  const Node& node(int v) const { return *nodes_[v]; }
  Tensor tensor(int v) const { return Tensor(nodes_[v]); }
  int position(const Tensor& t) const { return positions_.at(&t.node()); }
  /// What stages before `s` make and stages from `s` on read, in topological order. Barriers are
  /// not among them.
  const std::vector<int>& front(int s) const { return fronts_[s]; }
  /// The part of front(s) that the rest of it can be made of within a stage.
  std::vector<int> core(int s) const;
  /// Bytes of values.
  int64_t bytes(const std::vector<int>& values) const;
  /// The leaves whose gradients are asked for, of the whole computation.
  const std::vector<int>& trained() const { return trained_; }

  /// What must be recorded to get from `have` to `wanted`, in order. Barriers count as had.
  std::vector<int> path(const std::vector<int>& wanted, const Values& have) const;
  /// What `path` reads that is not of it: leaves, barriers, and values that are had.
  std::vector<int> read_by(const std::vector<int>& path) const;
  bool is_barrier(int v) const { return barrier_[v]; }
  /// Records `path` again: operations read what is in `values` where it is there, and are put
  /// there. Parts that the recording kept from differentiation stay so.
  void replay(const std::vector<int>& path, Values& values) const;

 private:
  bool is_leaf(const Node& n) const;
  bool is_transparent(int v) const;
  void enter(const Tensor& output);
  void read(int v, int by_level);
  enum class Made : char { kUnknown, kNo, kYes };
  bool made_of(int v, int least, std::vector<Made>& known) const;

  std::vector<Ref<Node>> nodes_;  // inputs before readers
  std::unordered_map<const Node*, int> positions_;
  std::vector<std::vector<int>> inputs_;
  std::vector<int> levels_, last_read_;
  std::vector<char> leaf_, barrier_;
  std::vector<int> trained_;
  std::vector<std::vector<int>> fronts_;
  int count_ = 1;
};

}  // namespace ballast::study

#include "ballast/study/stages.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "ballast/base/bytes.h"

namespace ballast::study {
namespace {

class BarrierOp final : public Op {
 public:
  BarrierOp() : Op("whole_batch_moments") {}
  void reference(const Call&) const override {
    fail(
        "train_step: the network looks at a value that depends on the whole batch's statistics "
        "while a part of the batch is recorded");
  }
};

}  // namespace

const Op& barrier_op() {
  static const BarrierOp op;
  return op;
}

Stages::Stages(const std::vector<Tensor>& outputs) {
  for (const Tensor& t : outputs) enter(t);
  const int n = static_cast<int>(nodes_.size());
  levels_.assign(n, 0);
  last_read_.assign(n, -1);
  for (int v = 0; v < n; ++v) {
    for (int in : inputs_[v]) levels_[v] = std::max(levels_[v], levels_[in]);
    levels_[v] += barrier_[v];
    count_ = std::max(count_, levels_[v] + 1);
    // A barrier's moments are taken where its input is made.
    if (!barrier_[v])
      for (int in : inputs_[v]) read(in, levels_[v]);
  }
  fronts_.resize(count_ + 1);
  for (int v = 0; v < n; ++v)
    for (int s = levels_[v] + 1; s <= last_read_[v]; ++s) fronts_[s].push_back(v);
}

bool Stages::is_leaf(const Node& n) const {
  return n.grad_leaf || (n.evaluated() && n.inputs.empty());
}

/// Operations that choose what is read: whoever needs the result looks through them.
bool Stages::is_transparent(int v) const {
  if (leaf_[v] || barrier_[v]) return false;
  const auto kind = nodes_[v]->op->traits().kind;
  return kind == Traits::Kind::kView || kind == Traits::Kind::kConcatenate ||
         kind == Traits::Kind::kSlice || kind == Traits::Kind::kRepeat;
}

/// Depth first, without recursion: recordings are as deep as networks.
void Stages::enter(const Tensor& output) {
  struct Frame {
    Node* node;
    int next;
  };
  std::vector<Frame> stack;
  const auto visit = [&](Node& n) {
    if (positions_.try_emplace(&n, -1).second) stack.push_back({&n, 0});
  };
  visit(output.node());
  while (!stack.empty()) {
    auto& [n, next] = stack.back();
    if (!is_leaf(*n) && next < n->inputs.size()) {
      visit(*n->inputs[next++]);
      continue;
    }
    const bool leaf = is_leaf(*n);
    check<NotImplementedError>(
        leaf || !std::string_view(n->op->name()).starts_with("custom_"),
        "train_step: the network calls an autograd.Function, which cannot be "
        "called again");
    const int v = static_cast<int>(nodes_.size());
    positions_[n] = v;
    nodes_.emplace_back(n);
    leaf_.push_back(leaf);
    barrier_.push_back(!leaf && n->op == &barrier_op());
    inputs_.emplace_back();
    if (!leaf)
      for (const auto& in : n->inputs) inputs_.back().push_back(positions_.at(in.get()));
    if (n->grad_leaf) trained_.push_back(v);
    stack.pop_back();
  }
}

void Stages::read(int v, int by_level) {
  if (leaf_[v] || barrier_[v] || levels_[v] >= by_level) return;
  if (is_transparent(v)) {
    for (int in : inputs_[v]) read(in, by_level);
  } else {
    last_read_[v] = std::max(last_read_[v], by_level);
  }
}

/// Whether v can be recorded from values that are known to be there, with operations of stage
/// `least`.
bool Stages::made_of(int v, int least, std::vector<Made>& known) const {
  return std::all_of(inputs_[v].begin(), inputs_[v].end(), [&](int in) {
    if (leaf_[in] || barrier_[in]) return true;
    if (known[in] == Made::kUnknown) {
      const bool near = levels_[in] >= least || is_transparent(in);
      known[in] = near && made_of(in, least, known) ? Made::kYes : Made::kNo;
    }
    return known[in] == Made::kYes;
  });
}

std::vector<int> Stages::core(int s) const {
  std::vector<Made> known(nodes_.size(), Made::kUnknown);
  for (int v : front(s)) known[v] = Made::kYes;
  std::vector<int> out;
  // The last first: what it is made of comes before it.
  for (auto v = front(s).rbegin(); v != front(s).rend(); ++v)
    if (!made_of(*v, s - 1, known)) out.push_back(*v);
  return out;
}

int64_t Stages::bytes(const std::vector<int>& values) const {
  int64_t out = 0;
  for (int v : values) out += static_cast<int64_t>(bytes_of(nodes_[v]->shape, nodes_[v]->dtype));
  return out;
}

std::vector<int> Stages::path(const std::vector<int>& wanted, const Values& have) const {
  std::vector<char> needed(nodes_.size());
  int last = -1;
  for (int v : wanted) {
    if (have.contains(v) || leaf_[v]) continue;
    needed[v] = 1;
    last = std::max(last, v);
  }
  std::vector<int> out;
  for (int v = last; v >= 0; --v) {
    if (!needed[v]) continue;
    out.push_back(v);
    for (int in : inputs_[v])
      if (!leaf_[in] && !barrier_[in] && !have.contains(in)) needed[in] = 1;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<int> Stages::read_by(const std::vector<int>& path) const {
  std::vector<char> seen(nodes_.size());
  for (int v : path) seen[v] = 1;
  std::vector<int> out;
  for (int v : path)
    for (int in : inputs_[v])
      if (!std::exchange(seen[in], 1)) out.push_back(in);
  return out;
}

void Stages::replay(const std::vector<int>& path, Values& values) const {
  for (int v : path) {
    const Node& n = *nodes_[v];
    if (!n.op) {  // evaluated since, and nobody differentiates through it
      values[v] = Tensor(nodes_[v]);
      continue;
    }
    std::vector<Tensor> in;
    for (int i : inputs_[v]) {
      const auto it = values.find(i);
      in.push_back(it != values.end() ? it->second : Tensor(nodes_[i]));
    }
    const NoGrad off(!n.requires_grad);
    values[v] = record(*n.op, n.shape, n.dtype, in, n.attributes);
  }
}

}  // namespace ballast::study

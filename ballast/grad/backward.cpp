#include <algorithm>

#include "ballast/grad/grad.h"
#include "ballast/graph/pending.h"
#include "ballast/ops/create.h"
#include "ballast/ops/pointwise.h"
#include "ballast/ops/view.h"

namespace ballast {
namespace {

/// One reverse walk: the nodes that carry gradient from the roots, in topological order, and what
/// has been accumulated for each.
class ReverseWalk {
 public:
  explicit ReverseWalk(std::span<const Tensor> roots) : walk_(next_walk()) {
    order_.reserve(kUsual);
    edges_.reserve(kUsual);
    for (const Tensor& root : roots) order_from(root.node());
    for (const Tensor& root : roots) roots_.push_back(root.node().index);
    // Gradient rules record operations, which may evaluate a graph that has grown deep: that is
    // another walk, and takes the scratch fields of the nodes. What is needed of them stays here.
    for (const Node* node : order_)
      if (!node->grad_leaf)
        for (const auto& in : node->inputs) edges_.push_back(in->requires_grad ? in->index : -1);
  }

  /// One seed for each root.
  void run(std::span<const Tensor> seeds) {
    grads_.resize(order_.size());
    for (size_t i = 0; i < seeds.size(); ++i) {
      Tensor& slot = grads_[roots_[i]];
      slot = slot.defined() ? slot + seeds[i] : seeds[i];
    }
    const int32_t* edges = edges_.data() + edges_.size();
    for (size_t i = order_.size(); i-- > 0;) {
      Node& node = *order_[i];
      if (node.slot && grads_[i].defined()) call_hooks(node, grads_[i]);
      if (node.grad_leaf) continue;
      edges -= node.inputs.size();
      const Tensor& g = grads_[i];
      if (!g.defined()) continue;
      Gradients gradients = node.op->gradient(Backward(node, g));
      for (int k = 0; k < node.inputs.size() && k < gradients.size(); ++k) {
        if (edges[k] < 0 || !gradients[k].defined()) continue;
        const Node& in = *node.inputs[k];
        check(gradients[k].shape() == in.shape, "{}: gradient of shape {} for an input of shape {}",
              node.op->name(), gradients[k].shape(), in.shape);
        Tensor& slot = grads_[edges[k]];
        slot = slot.defined() ? slot + gradients[k] : std::move(gradients[k]);
      }
    }
  }

  /// Where the walk has the value of `t`, and those it had before where it is a leaf. To be asked
  /// before `run`.
  std::vector<int32_t> find(const Tensor& t) const {
    const Node& n = t.node();
    std::vector<int32_t> found;
    if (n.walk == walk_) found.push_back(n.index);
    if (!n.grad_leaf || !n.slot) return found;
    for (size_t i = 0; i < order_.size(); ++i)
      if (order_[i] != &n && order_[i]->grad_leaf && order_[i]->slot == n.slot)
        found.push_back(static_cast<int32_t>(i));
    return found;
  }
  /// The gradient that reached the nodes found at `indices`; undefined where none did.
  Tensor at(std::span<const int32_t> indices) const {
    Tensor sum;
    for (int32_t i : indices)
      if (grads_[i].defined()) sum = sum.defined() ? sum + grads_[i] : grads_[i];
    return sum;
  }

  void accumulate_into_leaves() const {
    for (size_t i = 0; i < order_.size(); ++i) {
      const Ref<GradSlot> slot = order_[i]->grad_leaf ? order_[i]->slot : Ref<GradSlot>();
      if (!slot || !slot->owner || !grads_[i].defined()) continue;
      const Ref<TensorImpl> owner(slot->owner);
      accumulate_grad(*owner, grads_[i]);
      for (const auto& hook : std::vector(slot->accumulated)) {
        Tensor tensor(owner);
        hook->run(tensor);
      }
    }
  }

  /// The graph has served: what was kept for this walk may go. Parts whose rules read no value,
  /// down to the leaves, can be walked again.
  void release() const {
    std::vector<char> reads(order_.size());
    const int32_t* edge = edges_.data();
    for (size_t i = 0; i < order_.size(); ++i) {
      Node* n = order_[i];
      if (n->grad_leaf) continue;
      reads[i] = n->backward_reads() != 0;
      for (int k = 0; k < n->inputs.size(); ++k, ++edge)
        if (*edge >= 0) reads[i] |= reads[*edge];
    }
    for (size_t i = 0; i < order_.size(); ++i) {
      Node* n = order_[i];
      if (n->grad_leaf || !reads[i]) continue;
      n->released = true;
      if (n->evaluated()) {
        n->inputs.clear();
        n->op = nullptr;
      } else {
        Pending::here().add(*n);  // nobody differentiates through it any more
      }
    }
  }

 private:
  static constexpr size_t kUsual = 64;  // nodes that the vectors have room for from the start

  /// Throws where the rule of `n` would read a leaf, or its own result, as it no longer is.
  static void check_read(const Node& n) {
    const auto check_same = [](bool same, const Node& read) {
      check(same,
            "one of the variables needed for gradient computation has been modified by an inplace "
            "operation: a tensor of shape {}. Hint: compute the loss again after changing its "
            "parameters.",
            read.shape);
    };
    const uint32_t reads = n.backward_reads();
    check_same(!(reads & Op::kReadsOutput) || !n.rewritten, n);
    for (int k = 0; k < n.inputs.size(); ++k)
      check_same(!has_input(reads, k) || !n.inputs[k]->overwritten, *n.inputs[k]);
  }

  static void call_hooks(const Node& n, Tensor& grad) {
    const Ref<GradSlot> slot = n.slot;
    for (const auto& hook : std::vector(slot->hooks)) hook->run(grad);
    if (!n.grad_leaf && slot->owner)
      slot->owner->grad = make_ref<TensorImpl>(Ref<Node>(&grad.node()));
  }

  // Depth first, without recursion: graphs are as deep as the networks.
  void order_from(Node& root) {
    struct Frame {
      Node* node;
      int next;
    };
    std::vector<Frame> stack;
    stack.reserve(kUsual);
    auto enter = [&](Node& n) {
      if (n.walk == walk_) return;
      n.walk = walk_;
      check(n.grad_leaf || !n.released,
            "Trying to backward through the graph a second time (or directly access saved tensors "
            "after "
            "they have already been freed). Saved intermediate values of the graph are freed when "
            "you call "
            ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
            "through the "
            "graph a second time or if you need to access saved tensors after calling backward.");
      if (!n.grad_leaf) check_read(n);
      stack.push_back({&n, 0});
    };
    enter(root);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (!node->grad_leaf && next < node->inputs.size()) {
        Node& in = *node->inputs[next++];
        if (in.requires_grad) enter(in);
      } else {
        node->index = static_cast<int32_t>(order_.size());
        order_.push_back(node);
        stack.pop_back();
      }
    }
  }

  uint64_t walk_;
  std::vector<Node*> order_;
  std::vector<int32_t> edges_;  // of one node after the other: where its inputs are, or -1
  std::vector<Tensor> grads_;
  std::vector<int32_t> roots_;
};

Tensor seed_for(const Tensor& output, const Tensor& gradient) {
  check(output.requires_grad(),
        "element 0 of tensors does not require grad and does not have a grad_fn");
  if (gradient.defined()) {
    check(gradient.shape() == output.shape(),
          "Mismatch in shape: grad_output[0] has a shape of {} and output[0] has a shape of {}.",
          gradient.shape(), output.shape());
    const Tensor g = gradient.to(output.dtype());
    return g.node().external() ? clone(g) : g;
  }
  check(output.numel() == 1, "grad can be implicitly created only for scalar outputs");
  const Tensor one = ones({}, output.dtype());
  return output.dim() == 0 ? one : one.reshape({output.shape().begin(), output.shape().end()});
}

}  // namespace

void accumulate_grad(TensorImpl& leaf, const Tensor& gradient) {
  const Tensor sum = leaf.grad ? Tensor(leaf.grad) + gradient : gradient;
  // What can be differentiated again is not overwritten.
  if (leaf.grad && !grad_enabled())
    leaf.grad->assign(Ref<Node>(&sum.node()));
  else
    leaf.grad = make_ref<TensorImpl>(Ref<Node>(&sum.node()));
}

void Tensor::backward(const Tensor& gradient, bool retain_graph) const {
  ballast::backward(*this, gradient, retain_graph, false);
}

void backward(const Tensor& output, const Tensor& gradient, bool retain_graph, bool create_graph) {
  NoGrad off(!create_graph);
  const Tensor seed = seed_for(output, gradient);
  std::lock_guard lock(graph_mutex());
  const Pending::InBackward in_backward;
  ReverseWalk walk({&output, 1});
  walk.run({&seed, 1});
  walk.accumulate_into_leaves();
  if (!retain_graph) walk.release();
}

std::vector<Tensor> grads(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                          const std::vector<Tensor>& grad_outputs, bool retain_graph,
                          bool create_graph, bool allow_unused) {
  NoGrad off(!create_graph);
  check(grad_outputs.size() == outputs.size(), "grads: {} gradients were given for {} outputs",
        grad_outputs.size(), outputs.size());
  std::vector<Tensor> seeds;
  for (size_t i = 0; i < outputs.size(); ++i)
    seeds.push_back(seed_for(outputs[i], grad_outputs[i]));
  std::lock_guard lock(graph_mutex());
  const Pending::InBackward in_backward;
  ReverseWalk walk(outputs);
  std::vector<std::vector<int32_t>> found;
  for (const Tensor& in : inputs) {
    check(in.requires_grad(), "One of the differentiated Tensors does not require grad");
    found.push_back(walk.find(in));
  }
  walk.run(seeds);
  std::vector<Tensor> out;
  for (const auto& indices : found) {
    out.push_back(walk.at(indices));
    check(allow_unused || out.back().defined(),
          "The differentiated Tensor at index {} appears to not have been used in the graph. Set "
          "allow_unused=True if this is the desired behavior.",
          out.size() - 1);
  }
  if (!retain_graph && !create_graph) walk.release();
  return out;
}

std::vector<Tensor> grad(const Tensor& output, const std::vector<Tensor>& inputs,
                         const Tensor& grad_output, bool retain_graph, bool create_graph,
                         bool allow_unused) {
  return grads({output}, inputs, {grad_output}, retain_graph, create_graph, allow_unused);
}

}  // namespace ballast

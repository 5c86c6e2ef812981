// Reverse-mode differentiation: gradients are more nodes of the same graph.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// The gradients of `output` (a scalar, or weighted by `grad_output` of its shape) with respect to
/// `inputs`, without touching any `grad`; as `torch.autograd.grad`. With `create_graph` they can be
/// differentiated again. Throws where an input was not used to compute the output, unless
/// `allow_unused` (then undefined).
std::vector<Tensor> grad(const Tensor& output, const std::vector<Tensor>& inputs,
                         const Tensor& grad_output = {}, bool retain_graph = false,
                         bool create_graph = false, bool allow_unused = false);

/// The same of the sum of several outputs, each weighted by the entry of `grad_outputs` in its
/// place.
std::vector<Tensor> grads(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                          const std::vector<Tensor>& grad_outputs, bool retain_graph = false,
                          bool create_graph = false, bool allow_unused = false);

/// `output.backward(gradient, retain_graph)`; with `create_graph` what it adds to the leaves'
/// `grad` can be differentiated again (and keeps the graph alive as long as it is held).
void backward(const Tensor& output, const Tensor& gradient, bool retain_graph, bool create_graph);

/// Adds `gradient` to the `grad` of a leaf: in place, unless gradients are enabled, so that the sum
/// can be differentiated again.
void accumulate_grad(TensorImpl& leaf, const Tensor& gradient);

}  // namespace ballast

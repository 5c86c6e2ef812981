// External memory: memory that others may change at any time, because it is theirs (NumPy's arrays)
// or because it was lent to them.
//
// An operation reads such memory as it is when it is called; a view of it shows what it holds at
// any time; a write goes to it at once.
#pragma once

#include "ballast/graph/tensor.h"

namespace ballast {

/// Whether `t` shows elements of external memory.
inline bool shows_external(const Tensor& t) {
  if (!t.impl()->is_view()) return t.node().external();
  const ViewGroup& group = *t.impl()->view->group;
  return (group.base ? group.base->node() : group.kept)->external();
}

/// A view whose elements lie apart in external memory has a copy of them: makes it a copy of those
/// that are there now. (Defined in ops/.)
void look_at_memory(TensorImpl& view);
/// The same of any tensor; called before elements are read.
inline void look_again(const Tensor& t) {
  if (t.impl()->is_view()) [[unlikely]]
    look_at_memory(*t.impl());
}

/// A copy of an evaluated node in external memory; gradients flow to `node`.
Ref<Node> snapshot(Node& node);
/// A node in external memory with the elements of `value`, which are computed and written there;
/// gradients flow to `value`.
Ref<Node> stored(const Ref<Node>& value, const Ref<Buffer>& memory);

/// Lends memory to others, who may change it as long as they hold the result.
Ref<Buffer> lent(Ref<Buffer> own);
/// Takes back what was lent of an evaluated node's memory, once nobody else holds it; returns
/// whether that could be.
bool take_back(Node& node);

}  // namespace ballast

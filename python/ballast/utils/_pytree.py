"""Nested containers as a list of leaves and a description, as ``torch.utils._pytree``."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple

__all__ = [
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_only",
    "tree_unflatten",
]


class _Kind(NamedTuple):
    """How a container comes apart, into parts and a context, and together again."""

    flatten: Callable[[Any], tuple[list, Any]]
    unflatten: Callable[[Iterable, Any], Any]


def _dictionary(make: Callable[[Any, list], Any], context: Callable[[Any], Any]) -> _Kind:
    def unflatten(values: Iterable, kept: Any) -> Any:
        return make(kept[1], list(zip(kept[0], values, strict=True)))

    return _Kind(lambda d: (list(d.values()), (list(d), context(d))), unflatten)


SUPPORTED_NODES: dict[type, _Kind] = {
    tuple: _Kind(lambda t: (list(t), None), lambda values, _: tuple(values)),
    list: _Kind(lambda t: (t, None), lambda values, _: list(values)),
    dict: _dictionary(lambda _, items: dict(items), lambda d: None),
    OrderedDict: _dictionary(lambda _, items: OrderedDict(items), lambda d: None),
    defaultdict: _dictionary(defaultdict, lambda d: d.default_factory),
    deque: _Kind(lambda t: (list(t), t.maxlen), lambda values, n: deque(values, maxlen=n)),
    namedtuple: _Kind(lambda t: (list(t), type(t)), lambda values, cls: cls(*values)),  # type: ignore
}


def register_pytree_node(
    cls: type, flatten_fn: Callable, unflatten_fn: Callable, **kwargs: Any
) -> None:
    """Let a class of containers be taken apart, too."""
    SUPPORTED_NODES[cls] = _Kind(flatten_fn, unflatten_fn)


_register_pytree_node = register_pytree_node


def _kind_of(tree: Any) -> Hashable | None:
    cls = type(tree)
    if cls in SUPPORTED_NODES:
        return cls
    if isinstance(tree, tuple) and hasattr(cls, "_fields"):
        return namedtuple
    return None


class TreeSpec:
    """The shape of a nested container: its kind, its context, and its children's shapes."""

    def __init__(self, type: Any, context: Any, children_specs: list[TreeSpec]):  # noqa: A002
        self.type, self.context, self.children_specs = type, context, children_specs
        self.num_leaves = 1 if type is None else sum(c.num_leaves for c in children_specs)

    def is_leaf(self) -> bool:
        """Whether this is one value."""
        return self.type is None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        return f"TreeSpec({self.type.__name__}, {self.context}, {self.children_specs})"


class LeafSpec(TreeSpec):
    """The shape of one value."""

    def __init__(self):
        super().__init__(None, None, [])


def _collect(tree: Any, leaves: list, is_leaf: Callable[[Any], bool] | None) -> TreeSpec:
    kind = None if is_leaf is not None and is_leaf(tree) else _kind_of(tree)
    if kind is None:
        leaves.append(tree)
        return LeafSpec()
    parts, context = SUPPORTED_NODES[kind].flatten(tree)  # type: ignore[index]
    return TreeSpec(kind, context, [_collect(p, leaves, is_leaf) for p in parts])


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """Take a nested container apart: its leaves in order, and its shape."""
    leaves: list[Any] = []
    return leaves, _collect(tree, leaves, is_leaf)


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """Put leaves together in a shape."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(f"{len(leaves)} leaves do not fit a tree of {treespec.num_leaves}")
    rest = iter(leaves)

    def build(spec: TreeSpec) -> Any:
        if spec.type is None:
            return next(rest)
        parts = [build(c) for c in spec.children_specs]
        return SUPPORTED_NODES[spec.type].unflatten(parts, spec.context)

    return build(treespec)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """List the leaves."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Iterable[Any]:
    """Iterate over the leaves."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """Describe the shape."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable, tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """Apply a function to all leaves, of several trees of one shape together."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_leaves(r, is_leaf) for r in rests]
    return tree_unflatten([func(*values) for values in zip(leaves, *others, strict=True)], spec)


def tree_map_only(type_or_types: Any, func: Callable, tree: Any, **kwargs: Any) -> Any:
    """Apply a function to the leaves of some types."""
    test = (
        type_or_types
        if callable(type_or_types) and not isinstance(type_or_types, type)
        else lambda x: isinstance(x, type_or_types)
    )
    return tree_map(lambda x: func(x) if test(x) else x, tree, **kwargs)


def tree_all(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether all leaves fulfil a condition."""
    return all(map(pred, tree_leaves(tree)))


def tree_any(pred: Callable[[Any], bool], tree: Any) -> bool:
    """Whether a leaf fulfils a condition."""
    return any(map(pred, tree_leaves(tree)))


tree_map_ = tree_map


#: What a structure of tensors is, for annotations.
PyTree = Any


def _get_node_type(tree: Any) -> type:
    """Tell a container's type; that of named tuples is one for all."""
    kind = type(tree)
    return NamedTuple if issubclass(kind, tuple) and hasattr(kind, "_fields") else kind

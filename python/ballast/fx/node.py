"""One operation of a traced program, as ``torch.fx.Node``."""

from __future__ import annotations

import builtins
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from .graph import Graph

#: What a node calls: a function, or the name of a method, module or attribute.
Target = Union[Callable[..., Any], str]  # noqa: UP007
Argument = Any
base_types = (str, int, float, bool, complex, type(None))


def map_arg(value: Any, fn: Callable[[Node], Any]) -> Any:
    """Apply `fn` to all nodes of a nested argument."""
    return map_aggregate(value, lambda v: fn(v) if isinstance(v, Node) else v)


def map_aggregate(value: Any, fn: Callable[[Any], Any]) -> Any:
    """Apply `fn` to all leaves of a nested argument: of tuples, lists, dictionaries, slices."""
    if isinstance(value, tuple):
        parts = [map_aggregate(v, fn) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [map_aggregate(v, fn) for v in value]
    if isinstance(value, dict):
        return {k: map_aggregate(v, fn) for k, v in value.items()}
    if isinstance(value, slice):
        return slice(*(map_aggregate(v, fn) for v in (value.start, value.stop, value.step)))
    return fn(value)


def qualified_name(function: Callable) -> str:
    """Name a function so that a program finds it: ``torch.relu``, ``operator.add``."""
    name = getattr(function, "__name__", type(function).__name__)
    module = getattr(function, "__module__", None) or "builtins"
    if getattr(builtins, name, None) is function:
        return name
    if module == "_operator" or getattr(operator, name, None) is function:
        return f"operator.{name}"
    if module == "ballast" or module.startswith("ballast."):
        from .. import nn

        home = "torch.nn.functional" if hasattr(nn.functional, name) else "torch"
        return f"{home}.{name}"
    return f"{module}.{name}"


class Node:
    """An operation in a `Graph`.

    Attributes
    ----------
    op : str
        ``placeholder``, ``get_attr``, ``call_function``, ``call_module``, ``call_method`` or
        ``output``.
    name : str
        The name of its value in the generated code.
    target : callable or str
        The function, or the name of the method, module or attribute.
    args, kwargs
        Its arguments: nodes, and values that are the same at every run.
    """

    def __init__(
        self,
        graph: Graph,
        name: str,
        op: str,
        target: Target,
        args: tuple,
        kwargs: dict[str, Any],
        return_type: Any = None,
    ):
        self.graph, self.name, self.op, self.target, self.type = (
            graph,
            name,
            op,
            target,
            return_type,
        )
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._prev = self._next = self
        self._erased = False
        self._input_nodes: dict[Node, None] = {}
        self._args, self._kwargs = (), {}
        self._set(args, kwargs)

    def _set(self, args: tuple, kwargs: dict[str, Any]) -> None:
        for n in self._input_nodes:
            n.users.pop(self, None)
        self._args, self._kwargs, self._input_nodes = args, kwargs, {}
        map_arg((args, kwargs), lambda n: self._input_nodes.setdefault(n))
        for n in self._input_nodes:
            n.users.setdefault(self)

    @property
    def args(self) -> tuple:
        """The positional arguments."""
        return self._args

    @args.setter
    def args(self, value: tuple) -> None:
        self._set(value, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Any]:
        """The arguments by name."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: dict[str, Any]) -> None:
        self._set(self._args, value)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once."""
        return list(self._input_nodes)

    @property
    def next(self) -> Node:
        """The node after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The node before this one."""
        return self._prev

    def _remove(self) -> None:
        self._prev._next, self._next._prev = self._next, self._prev

    def prepend(self, x: Node) -> None:
        """Move `x` to the place before this node."""
        x._remove()
        before = self._prev
        before._next, x._prev, x._next, self._prev = x, before, self, x

    def append(self, x: Node) -> None:
        """Move `x` to the place after this node."""
        self._next.prepend(x)

    def update_arg(self, idx: int, arg: Any) -> None:
        """Replace one positional argument."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def update_kwarg(self, key: str, arg: Any) -> None:
        """Replace one argument by name."""
        self.kwargs = {**self.kwargs, key: arg}

    def insert_arg(self, idx: int, arg: Any) -> None:
        """Insert a positional argument."""
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Read another node where this one reads `old_input`."""

        def swap(n: Node) -> Node:
            return new_input if n is old_input else n

        self._set(map_arg(self.args, swap), map_arg(self.kwargs, swap))

    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] = lambda user: True,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Let all that reads this node read another; returns those nodes."""
        changed = [u for u in self.users if delete_user_cb(u)]
        for user in changed:
            user.replace_input_with(self, replace_with)
        if propagate_meta:
            replace_with.meta.update(self.meta)
        return changed

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether it does more than compute a value that somebody reads."""
        return self.op in ("placeholder", "output")

    def format_node(self) -> str:
        """Write the node as a line of text."""
        if self.op == "output":
            return f"return {self.args[0]}"
        if self.op in ("placeholder", "get_attr"):
            return f"%{self.name} : [num_users={len(self.users)}] = {self.op}[target={self.target}]"
        target = self.target if isinstance(self.target, str) else qualified_name(self.target)
        return (
            f"%{self.name} : [num_users={len(self.users)}] = {self.op}[target={target}]"
            f"(args = {self.args}, kwargs = {self.kwargs})"
        )

    def __repr__(self) -> str:
        return self.name

    def __lt__(self, other: Node) -> bool:
        order = list(self.graph.nodes)
        return order.index(self) < order.index(other)

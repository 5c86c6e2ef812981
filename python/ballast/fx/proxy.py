"""Values that record what is done with them, as ``torch.fx.Proxy``."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from .graph import Graph
from .node import Node, base_types, map_aggregate


class TraceError(ValueError):
    """A program whose course depends on values, which tracing does not know."""


class TracerBase:
    """What makes nodes while a program is traced."""

    graph: Graph
    record_stack_traces = False
    param_shapes_constant = False
    trace_asserts = False
    proxy_buffer_attributes = False

    def create_node(
        self,
        kind: str,
        target: Any,
        args: tuple,
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Add a node to the graph."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """Make the value that stands for a node."""
        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple,
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Any = None,
    ) -> Proxy:
        """Add a node whose arguments may be proxies, and make its value."""
        node = self.create_node(
            kind, target, self.create_arg(args), self.create_arg(kwargs), name, type_expr
        )
        return (proxy_factory_fn or self.proxy)(node)

    def create_arg(self, a: Any) -> Any:
        """Turn an argument, in which there may be proxies, into one of a node."""
        return map_aggregate(a, self._leaf)

    def _leaf(self, a: Any) -> Any:
        if isinstance(a, Proxy):
            return a.node
        if isinstance(a, (Node, range, *base_types)) or a is ...:
            return a
        return self._other(a)

    def _other(self, a: Any) -> Any:
        from .._core import dtype
        from .._types import device

        if isinstance(a, (dtype, device)) or callable(a):
            return a
        raise NotImplementedError(f"argument of type: {type(a)}")

    def to_bool(self, obj: Proxy) -> bool:
        """Refuse: a branch that depends on a value."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator:
        """Refuse: a loop over a value of unknown length."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a "
            "loop or as a *args or **kwargs function argument."
        )

    def keys(self, obj: Proxy) -> Any:
        """Record the keys of a value that is taken for a dictionary."""
        return Attribute(obj, "keys")()


class GraphAppendingTracer(TracerBase):
    """Adds nodes to a graph that is there."""

    def __init__(self, graph: Graph):
        self.graph = graph


class Proxy:
    """Stands for a value: operators, functions, methods and attributes become nodes."""

    def __init__(self, node: Node, tracer: TracerBase | None = None):
        self.node = node
        self.tracer = tracer if tracer is not None else GraphAppendingTracer(node.graph)

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, name: str) -> Attribute:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return Attribute(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        """Record a call of the value."""
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator:
        import dis
        import sys

        # `a, b = proxy` says in the bytecode of the caller how many values it wants.
        frame = sys._getframe(1)
        for instruction in dis.get_instructions(frame.f_code):
            if instruction.offset == frame.f_lasti:
                if instruction.opname == "UNPACK_SEQUENCE":
                    return (self[i] for i in range(instruction.argval))
                break
        return self.tracer.iter(self)

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be "
            "recorded, please call torch.fx.wrap('len') at module scope"
        )

    def keys(self) -> Any:
        """Record the keys of a value that is taken for a dictionary."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Proxy:
        from .._core import Tensor

        kwargs = kwargs or {}
        found: list[TracerBase] = []

        def look(a: Any) -> Any:
            if isinstance(a, Proxy):
                found.append(a.tracer)
            return a

        map_aggregate((args, kwargs), look)
        name = getattr(orig_method, "__name__", "")
        if getattr(Tensor, name, None) is orig_method:
            return found[0].create_proxy("call_method", name, args, kwargs)
        return found[0].create_proxy("call_function", orig_method, args, kwargs)


class Attribute(Proxy):
    """An attribute of a proxy: read, or called as a method."""

    def __init__(self, root: Proxy, attr: str):
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads the attribute, made when somebody wants its value."""
        if self._node is None:
            self._node = self.tracer.create_proxy(
                "call_function", getattr, (self.root, self.attr), {}
            ).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        """Record a call of the method."""
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """Stands for a parameter, whose shape is known."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any):
        super().__init__(node, tracer)
        self.param, self.name = param, name


def _operator(name: str, function: Any, reflected: bool = False) -> Any:
    def apply(self: Proxy, *others: Any) -> Proxy:
        args = (others[0], self) if reflected else (self, *others)
        return self.tracer.create_proxy("call_function", function, args, {})

    apply.__name__ = name
    return apply


for _name in (
    "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
    + "eq ne lt le gt ge neg pos invert getitem".split()
):
    _function = getattr(operator, f"__{_name}__")
    _function = getattr(operator, {"and": "and_", "or": "or_"}.get(_name, _name), _function)
    setattr(Proxy, f"__{_name}__", _operator(f"__{_name}__", _function))
    if _name not in ("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "invert", "getitem"):
        setattr(Proxy, f"__r{_name}__", _operator(f"__r{_name}__", _function, reflected=True))
Proxy.__abs__ = _operator("__abs__", operator.abs)
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]

"""A traced program: nodes in order, and the Python code they stand for, as ``torch.fx.Graph``."""

from __future__ import annotations

import builtins
import contextlib
import keyword
import re
from collections.abc import Callable, Iterator
from typing import Any

from .node import Node, map_arg, qualified_name

_IDENTIFIER = re.compile(r"[^0-9a-zA-Z_]+")


class _Namespace:
    """Names, none of which is used twice."""

    def __init__(self):
        self._used: set[str] = set()
        self._next: dict[str, int] = {}

    def create_name(self, candidate: str, obj: Any = None) -> str:
        name = _IDENTIFIER.sub("_", candidate) or "_unnamed"
        if name[0].isdigit():
            name = f"_{name}"
        base = re.match(r"(.*?)(?:_(\d+))?$", name)
        stem = base.group(1) if base is not None and base.group(2) else name
        taken = keyword.iskeyword(name) or hasattr(builtins, name)
        while name in self._used or taken:
            n = self._next.get(stem, 0) + 1
            self._next[stem] = n
            name, taken = f"{stem}_{n}", False
        self._used.add(name)
        return name


def _snake(name: str) -> str:
    """Turn ``CamelCase`` into ``camel_case``."""
    return re.sub(r"(?<!^)(?<![A-Z_])(?=[A-Z])", "_", name).lower()


class _NodeList:
    """The nodes of a graph, as they are while one walks over them."""

    def __init__(self, graph: Graph, direction: str = "_next"):
        self._graph, self._direction = graph, direction

    def __len__(self) -> int:
        return self._graph._length

    def __iter__(self) -> Iterator[Node]:
        root = self._graph._root
        node = getattr(root, self._direction)
        while node is not root:
            if not node._erased:
                yield node
            node = getattr(node, self._direction)

    def __reversed__(self) -> _NodeList:
        return _NodeList(self._graph, "_prev" if self._direction == "_next" else "_next")


class PythonCode:
    """Generated code, and the global names it reads."""

    def __init__(self, src: str, globals: dict[str, Any]):  # noqa: A002
        self.src, self.globals = src, globals


class Graph:
    """A list of nodes: what a traced function does, one operation after the other."""

    def __init__(self, owning_module: Any = None, tracer_cls: type | None = None, **kwargs: Any):
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._length = 0
        self._names = _Namespace()
        self._tracer_cls = tracer_cls
        self.owning_module = owning_module

    @property
    def nodes(self) -> _NodeList:
        """All nodes, in order."""
        return _NodeList(self)

    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """List the nodes of one kind, and of one target."""
        fits = (n for n in self.nodes if n.op == op)
        return [n for n in fits if target is None or n.target == target]

    def create_node(
        self,
        op: str,
        target: Any,
        args: tuple | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """Add a node at the place where nodes are inserted."""
        if name is None:
            name = target if isinstance(target, str) else getattr(target, "__name__", "call")
            name = _snake(name.replace(".", "_")).strip("_") if name.strip("_") else name
        node = Node(
            self, self._names.create_name(name), op, target, args or (), kwargs or {}, type_expr
        )
        self._insert(node)
        self._length += 1
        return node

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """Add an input."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """Add a read of a parameter or buffer."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: tuple = (), kwargs: dict | None = None, type_expr: Any = None
    ) -> Node:
        """Add a call of a module."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: tuple = (), kwargs: dict | None = None, type_expr: Any = None
    ) -> Node:
        """Add a call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable,
        args: tuple = (),
        kwargs: dict | None = None,
        type_expr: Any = None,
        name: str | None = None,
    ) -> Node:
        """Add a call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """Add the end: what the program returns."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda n: n) -> Node:
        """Add a copy of a node of another graph, with arguments transformed."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        copy = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        copy.meta = dict(node.meta)
        return copy

    def graph_copy(self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False):
        """Add copies of all nodes of another graph; returns what that graph returns."""
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    def erase_node(self, to_erase: Node) -> None:
        """Remove a node that no other reads."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in "
                f"the graph: {to_erase.users}!"
            )
        if to_erase._erased:
            return
        to_erase._remove()
        to_erase._erased = True
        to_erase._set((), {})
        self._length -= 1

    @contextlib.contextmanager
    def _inserting(self, at: Callable[[Node], None]) -> Iterator[None]:
        before, self._insert = self._insert, at
        try:
            yield
        finally:
            self._insert = before

    def inserting_before(self, n: Node | None = None):
        """Insert new nodes before `n`, within a `with` block."""
        return self._inserting((n or self._root._next).prepend)

    def inserting_after(self, n: Node | None = None):
        """Insert new nodes after `n`, within a `with` block."""
        return self._inserting((n or self._root).append)

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Remove nodes whose values nobody reads."""
        impure = is_impure_node or Node.is_impure
        changed = False
        for node in list(reversed(self.nodes)):
            if not node.users and not impure(node):
                self.erase_node(node)
                changed = True
        return changed

    def lint(self) -> None:
        """Raise RuntimeError unless each node has its own name and is made before it is read."""
        seen: set[Node] = set()
        for node in self.nodes:
            for argument in node.all_input_nodes:
                if argument not in seen:
                    raise RuntimeError(
                        f"Argument '{argument}' of Node '{node}' was used before it was defined"
                    )
            seen.add(node)
        if len({n.name for n in seen}) != len(seen):
            raise RuntimeError("two nodes have one name")

    def python_code(self, root_module: str = "self") -> PythonCode:
        """Write the program: a function ``forward`` of `root_module` and the inputs."""
        scope: dict[str, Any] = {}
        functions: dict[str, Any] = {}

        def named(function: Callable) -> str:
            name = qualified_name(function)
            short = _IDENTIFIER.sub("_", name)
            while functions.setdefault(short, function) is not function:
                short += "_"
            scope[short] = function
            return short

        def written(value: Any) -> str:
            if isinstance(value, Node):
                return value.name
            if isinstance(value, tuple) and hasattr(value, "_fields"):
                return f"{named(type(value))}({', '.join(map(written, value))})"
            if isinstance(value, tuple):
                parts = "".join(f"{written(v)}, " for v in value)
                return f"({parts.strip() if len(value) == 1 else parts.rstrip(', ')})"
            if isinstance(value, list):
                return f"[{', '.join(map(written, value))}]"
            if isinstance(value, dict):
                return "{" + ", ".join(f"{k!r}: {written(v)}" for k, v in value.items()) + "}"
            if isinstance(value, slice):
                return (
                    f"slice({written(value.start)}, {written(value.stop)}, {written(value.step)})"
                )
            if isinstance(value, (str, int, bool, type(None))):
                return repr(value)
            key = f"_constant_{len(scope)}"
            scope[key] = value
            return key

        def arguments(node: Node, first: int = 0) -> str:
            parts = [written(a) for a in node.args[first:]]
            return ", ".join(parts + [f"{k}={written(v)}" for k, v in node.kwargs.items()])

        inputs, lines = [root_module], []
        last_use = self._last_uses()
        for node in self.nodes:
            if node.op == "placeholder":
                name = str(node.target)
                default = f" = {written(node.args[0])}" if node.args else ""
                inputs.append(name + default)
                if name.lstrip("*") != node.name:
                    lines.append(f"{node.name} = {name.lstrip('*')}")
            elif node.op == "output":
                lines.append(f"return {written(node.args[0])}")
            else:
                if node.op == "get_attr":
                    value = _access(root_module, str(node.target))
                elif node.op == "call_module":
                    value = f"{_access(root_module, str(node.target))}({arguments(node)})"
                elif node.op == "call_method":
                    value = f"{written(node.args[0])}.{node.target}({arguments(node, 1)})"
                else:
                    value = f"{named(node.target)}({arguments(node)})"
                over = last_use.get(node, [])
                lines.append(
                    f"{node.name} = {value}" + (f"; {' = '.join(over)} = None" if over else "")
                )
        body = "\n    ".join(lines or ["pass"])
        return PythonCode(f"def forward({', '.join(inputs)}):\n    {body}\n", scope)

    def _last_uses(self) -> dict[Node, list[str]]:
        """List, for each node, the values that nobody reads after it: their names are let go of."""
        last: dict[Node, Node] = {}
        for node in self.nodes:
            for argument in node.all_input_nodes:
                last[argument] = node
        over: dict[Node, list[str]] = {}
        for value, reader in last.items():
            over.setdefault(reader, []).append(value.name)
        return over

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        print(f"{'opcode':<14} {'name':<24} {'target':<40} args, kwargs")
        for n in self.nodes:
            target = n.target if isinstance(n.target, str) else qualified_name(n.target)
            print(f"{n.op:<14} {n.name:<24} {target:<40} {n.args}, {n.kwargs}")

    def __str__(self) -> str:
        return "graph():\n    " + "\n    ".join(n.format_node() for n in self.nodes)

    def __deepcopy__(self, memo: dict | None = None) -> Graph:
        copy = Graph(tracer_cls=self._tracer_cls)
        result = copy.graph_copy(self, {}, return_output_node=True)
        if result is not None:
            copy.output(result[0], result[1].type).meta = dict(result[1].meta)
        return copy


def _access(root: str, path: str) -> str:
    """Write the access to a nested attribute; parts that are no identifiers by getattr."""
    out = root
    for part in path.split("."):
        out = (
            f"{out}.{part}"
            if part.isidentifier() and not keyword.iskeyword(part)
            else (f'getattr({out}, "{part}")')
        )
    return out

"""A module that runs a graph, as ``torch.fx.GraphModule``."""

from __future__ import annotations

import copy
import linecache
from typing import Any

from .. import nn
from .._core import Tensor
from .graph import Graph, PythonCode

_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"
_count = 0


class _CodeOnlyModule(nn.Module):
    """A module of nothing but what was copied into it."""

    def __init__(self, body: dict[str, Any]):
        super().__init__()
        self.__dict__ = body


def _copy_attr(from_module: nn.Module, to_module: nn.Module, target: str) -> None:
    """Let `to_module` have the nested attribute of `from_module`; the folders are plain modules."""
    *folders, name = target.split(".")
    for folder in folders:
        from_module = getattr(from_module, folder)
        inner = getattr(to_module, folder, None)
        if inner is from_module:
            return
        if inner is None:
            inner = nn.Module()
            setattr(to_module, folder, inner)
        to_module = inner
    value = getattr(from_module, name)
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        to_module.register_buffer(name, value)
    else:
        setattr(to_module, name, value)


def _compiled(code: PythonCode) -> Any:
    """Compile generated code; tracebacks show its lines."""
    global _count
    _count += 1
    name = f"<eval_with_key>.{_count}"
    linecache.cache[name] = (len(code.src), None, code.src.splitlines(True), name)
    scope = dict(code.globals)
    exec(compile(code.src, name, "exec"), scope)
    return scope["forward"]


class GraphModule(nn.Module):
    """A module whose ``forward`` is the code of a graph.

    Parameters
    ----------
    root : Module or dict
        Where the modules, parameters and buffers come from that the graph names.
    graph : Graph
        What to run.
    class_name : str
        The name that printing shows.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        """Make the object of a class of its own, for a `forward` of its own."""
        return super().__new__(type(cls.__name__, (cls,), {"__module__": cls.__module__}))

    def __init__(
        self, root: nn.Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule"
    ):
        super().__init__()
        type(self).__name__ = class_name
        if isinstance(root, nn.Module):
            self.training = root.training
        for node in graph.nodes:
            if node.op in ("get_attr", "call_module"):
                self._take(root, str(node.target))
        self.meta: dict[str, Any] = {}
        self.graph = graph

    def _take(self, root: nn.Module | dict[str, Any], target: str) -> None:
        if isinstance(root, nn.Module):
            _copy_attr(root, self, target)
            return
        if target not in root:
            raise RuntimeError(f"Node referenced target {target} but that target was not in root")
        *folders, name = target.split(".")
        module: nn.Module = self
        for folder in folders:
            if not hasattr(module, folder):
                setattr(module, folder, nn.Module())
            module = getattr(module, folder)
        setattr(module, name, root[target])

    @property
    def graph(self) -> Graph:
        """The graph that this module runs."""
        return self._graph

    @graph.setter
    def graph(self, graph: Graph) -> None:
        object.__setattr__(self, "_graph", graph)
        graph.owning_module = self
        self.recompile()

    def recompile(self) -> PythonCode:
        """Make ``forward`` anew after the graph has changed."""
        code = self._graph.python_code("self")
        object.__setattr__(self, "_code", code.src)
        type(self).forward = _compiled(code)
        return code

    @property
    def code(self) -> str:
        """The generated Python code."""
        return self._code

    def add_submodule(self, target: str, m: nn.Module) -> bool:
        """Add a module under a path."""
        *folders, name = target.split(".")
        module: nn.Module = self
        for folder in folders:
            if not hasattr(module, folder):
                setattr(module, folder, nn.Module())
            module = getattr(module, folder)
            if not isinstance(module, nn.Module):
                return False
        module.add_module(name, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Remove the module under a path."""
        path, _, name = target.rpartition(".")
        try:
            parent = self.get_submodule(path)
            if not isinstance(getattr(parent, name), nn.Module):
                return False
        except AttributeError:
            return False
        delattr(parent, name)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Remove modules that the graph does not call."""
        used = {str(n.target) for n in self._graph.nodes if n.op in ("call_module", "get_attr")}
        keep = {".".join(u.split(".")[: i + 1]) for u in used for i in range(u.count(".") + 1)}
        for name, _ in list(self.named_modules()):
            inside = any(name.startswith(f"{u}.") for u in used)
            if name and name not in keep and not inside:
                self.delete_submodule(name)

    def __deepcopy__(self, memo: dict) -> GraphModule:
        fake = _CodeOnlyModule(
            copy.deepcopy(
                {k: v for k, v in vars(self).items() if k not in ("_graph", "_code")}, memo
            )
        )
        out = GraphModule(fake, copy.deepcopy(self._graph), type(self).__name__)
        out.meta = dict(self.meta)
        return out

    def __copy__(self) -> GraphModule:
        return GraphModule(self, copy.deepcopy(self._graph), type(self).__name__)

    def __reduce__(self) -> Any:
        body = {k: v for k, v in vars(self).items() if k not in ("_graph", "_code")}
        tracer = self._graph._tracer_cls
        if tracer is not None and "<locals>" in tracer.__qualname__:
            tracer = None
        nodes = [(n.name, n.op, n.target, n.args, n.kwargs, n.type) for n in self._graph.nodes]
        from .node import map_arg

        flat = [
            (*n[:3], *(map_arg(a, lambda x: _Name(x.name)) for a in n[3:5]), n[5]) for n in nodes
        ]
        return _rebuilt, (body, flat, tracer, type(self).__name__)

    def print_readable(self, print_output: bool = True, **kwargs: Any) -> str:
        """Print the generated code."""
        if print_output:
            print(self._code)
        return self._code

    def __str__(self) -> str:
        return f"{super().__str__()}\n\n\n{self._code}"


class _Name:
    """A node, by its name, in a pickled graph."""

    def __init__(self, name: str):
        self.name = name


def _rebuilt(body: dict, nodes: list, tracer: type | None, name: str) -> GraphModule:
    from .node import map_aggregate

    graph, made = Graph(tracer_cls=tracer), {}

    def found(a: Any) -> Any:
        return made[a.name] if isinstance(a, _Name) else a

    for own, op, target, args, kwargs, kind in nodes:
        args, kwargs = map_aggregate(args, found), map_aggregate(kwargs, found)
        made[own] = graph.create_node(op, target, args, kwargs, own, kind)
    return GraphModule(_CodeOnlyModule(body), graph, name)

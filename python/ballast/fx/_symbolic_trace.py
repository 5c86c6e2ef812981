"""Tracing: a module's ``forward`` is run with proxies, and what it does is written down."""

from __future__ import annotations

import builtins
import functools
import inspect
import math
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from .. import nn
from .._core import Tensor
from .graph import Graph
from .graph_module import GraphModule
from .node import map_aggregate
from .proxy import ParameterProxy, Proxy, TracerBase

__all__ = ["Tracer", "is_fx_tracing", "symbolic_trace", "wrap"]

#: Functions that programs want recorded as they are: the globals they stand in, and their name.
_wrapped: list[tuple[dict[str, Any], str]] = []
_tracing = 0


def is_fx_tracing() -> bool:
    """Whether a program is being traced."""
    return _tracing > 0


def wrap(fn_or_name: str | Callable) -> str | Callable:
    """Record calls of a function of the module that says this, instead of tracing through it."""
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = sys._getframe(1)
    if frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped.append((frame.f_globals, name))
    return fn_or_name


def _find_proxy(*values: Any) -> Proxy | None:
    found: list[Proxy] = []
    map_aggregate(values, lambda a: found.append(a) if isinstance(a, Proxy) else None)
    return found[0] if found else None


def _recording(function: Callable) -> Callable:
    """Make a function that is recorded where an argument is a proxy, and else called."""

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        proxy = _find_proxy(args, kwargs)
        if proxy is None:
            return function(*args, **kwargs)
        out = proxy.tracer.create_proxy("call_function", function, args, kwargs)
        out.node.meta["is_wrapped"] = True
        return out

    return recorded


class _Patches:
    """Values of modules and classes replaced for a while."""

    def __init__(self):
        self._undo: list[Callable[[], None]] = []

    def set_item(self, scope: dict[str, Any], name: str, value: Any) -> None:
        there, before = name in scope, scope.get(name)
        scope[name] = value

        def undo() -> None:
            if there:
                scope[name] = before
            else:
                del scope[name]

        self._undo.append(undo)

    def set_attribute(self, owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))

    def __enter__(self) -> _Patches:
        return self

    def __exit__(self, *exception: Any) -> None:
        for undo in reversed(self._undo):
            undo()


class Tracer(TracerBase):
    """Traces modules: those of PyTorch's own layers become single nodes, others are run through."""

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable, ...] = (),
        param_shapes_constant: bool = False,
    ):
        self._autowrap: list[Callable] = [
            f
            for m in autowrap_modules
            for n, f in vars(m).items()
            if not n.startswith("_") and callable(f)
        ]
        self._autowrap += autowrap_functions
        self._search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[nn.Module, str] | None = None
        self.root: nn.Module = nn.Module()
        self.tensor_attrs: dict[int, str] = {}
        self.graph = Graph(tracer_cls=type(self))
        self.scope = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether calls of a module are recorded as they are: of the package's own layers."""
        own = m.__module__.startswith(("ballast.nn", "torch.nn"))
        return own and not isinstance(m, nn.Sequential)

    def path_of_module(self, mod: nn.Module) -> str:
        """Name a module by its path from the root."""
        if self.submodule_paths is not None and mod in self.submodule_paths:
            return self.submodule_paths[mod]
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(
        self, m: nn.Module, forward: Callable, args: tuple, kwargs: dict[str, Any]
    ) -> Any:
        """Record a call of a module, or run through it."""
        path = self.path_of_module(m)
        if not self.is_leaf_module(m, path):
            return forward(*args, **kwargs)
        return self.create_proxy("call_module", path, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Give a proxy for a parameter that the program reads."""
        if isinstance(attr_val, nn.Parameter):
            for name, p in self.root.named_parameters():
                if p is attr_val:
                    if name not in parameter_proxy_cache:
                        node = self.create_node("get_attr", name, (), {})
                        known = self.param_shapes_constant
                        parameter_proxy_cache[name] = (
                            ParameterProxy(self, node, name, attr_val)
                            if known
                            else self.proxy(node)
                        )
                    return parameter_proxy_cache[name]
        return attr_val

    def _other(self, a: Any) -> Any:
        if isinstance(a, Tensor):
            return self.create_node("get_attr", self._path_of_tensor(a), (), {})
        if isinstance(a, nn.Module):
            return self.create_node("get_attr", self.path_of_module(a), (), {})
        return super()._other(a)

    def _path_of_tensor(self, t: Tensor) -> str:
        """Name a tensor that the program holds: a parameter, a buffer, or a new constant."""
        if id(t) in self.tensor_attrs:
            return self.tensor_attrs[id(t)]
        i = 0
        while hasattr(self.root, f"_tensor_constant{i}"):
            i += 1
        name = f"_tensor_constant{i}"
        setattr(self.root, name, t)
        self.tensor_attrs[id(t)] = name
        return name

    def _collect_tensors(self) -> None:
        self.tensor_attrs = {}
        for prefix, module in self.root.named_modules():
            held = {**vars(module), **module._parameters, **module._buffers}
            for name, value in held.items():
                if isinstance(value, Tensor):
                    path = f"{prefix}.{name}" if prefix else name
                    self.tensor_attrs.setdefault(id(value), path)

    def _inputs(
        self, function: Callable, is_module: bool, concrete: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Make proxies for the arguments of a function, but for those that are given."""
        args: list[Any] = [self.root] if is_module else []
        kwargs: dict[str, Any] = {}
        parameters = list(inspect.signature(inspect.unwrap(function)).parameters.values())
        for p in parameters[1:] if is_module else parameters:
            if p.name in concrete:
                value = concrete[p.name]
            else:
                stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
                default = () if p.default is p.empty else (p.default,)
                value = self.create_proxy("placeholder", stars + p.name, default, {}, p.name)
            if p.kind is p.VAR_POSITIONAL:
                args.extend(value if isinstance(value, tuple) else ())
            elif p.kind is p.VAR_KEYWORD:
                kwargs.update(value if isinstance(value, dict) else {})
            elif p.kind is p.KEYWORD_ONLY:
                kwargs[p.name] = value
            else:
                args.append(value)
        return args, kwargs

    def trace(
        self, root: nn.Module | Callable, concrete_args: dict[str, Any] | None = None
    ) -> Graph:
        """Run a module, or a function, with proxies; returns what it did.

        Parameters
        ----------
        root : Module or callable
            What to trace.
        concrete_args : dict, optional
            Arguments that have these values and become no inputs.
        """
        global _tracing
        is_module = isinstance(root, nn.Module)
        if is_module:
            self.root, function = root, type(root).forward
            self.submodule_paths = {m: n for n, m in root.named_modules()}
        else:
            self.root, function = nn.Module(), root
        self.graph = Graph(tracer_cls=type(self))
        self._collect_tensors()
        scope = getattr(inspect.unwrap(function), "__globals__", {})
        with _Patches() as patches:
            self._patch(patches, scope)
            _tracing += 1
            try:
                args, kwargs = self._inputs(function, is_module, dict(concrete_args or {}))
                result = function(*args, **kwargs)
            finally:
                _tracing -= 1
        self.create_node("output", "output", (self.create_arg(result),), {})
        self.submodule_paths = None
        return self.graph

    def _patch(self, patches: _Patches, scope: dict[str, Any]) -> None:
        call, tracer = nn.Module.__call__, self
        get = nn.Module.__getattr__
        proxies: dict[str, Any] = {}

        def call_module(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if _find_proxy(args, kwargs) is None and not tracer._is_below_root(module):
                return call(module, *args, **kwargs)

            def forward(*args: Any, **kwargs: Any) -> Any:
                return call(module, *args, **kwargs)

            return tracer.call_module(module, forward, args, kwargs)

        def get_attribute(module: nn.Module, name: str) -> Any:
            return tracer.getattr(name, get(module, name), proxies)

        patches.set_attribute(nn.Module, "__call__", call_module)
        patches.set_attribute(nn.Module, "__getattr__", get_attribute)
        for module_globals, name in _wrapped:
            found = module_globals.get(name, getattr(builtins, name, None))
            if found is not None:
                patches.set_item(module_globals, name, _recording(found))
        for name, value in list(scope.items()):
            if isinstance(value, (FunctionType, type(math.sqrt))) and value in self._autowrap:
                patches.set_item(scope, name, _recording(value))
        for module in self._search:
            for name, value in list(vars(module).items()):
                if not name.startswith("_") and callable(value):
                    patches.set_item(vars(module), name, _recording(value))

    def _is_below_root(self, module: nn.Module) -> bool:
        return self.submodule_paths is not None and module in self.submodule_paths


def symbolic_trace(
    root: nn.Module | Callable, concrete_args: dict[str, Any] | None = None
) -> GraphModule:
    """Trace a module or function; returns a module that does the same by its graph."""
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)

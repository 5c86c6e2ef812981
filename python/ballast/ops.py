"""Operators by the name of the library that declares them, as ``torch.ops``."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

from . import _core

__all__ = ["load_library"]

#: Operators by "namespace::name". `library` adds those that programs define.
_OPERATORS: dict[str, Callable] = {}

#: Compiled libraries whose operators Ballast has itself, by the folder that they lie in, which has
#: the name of the operators' namespace.
_OWN_LIBRARIES: dict[str, ModuleType] = {"torchvision": _core._vision}


class _Operator:
    """One operator; its overloads (``.default`` and others) are the operator itself."""

    def __init__(self, name: str):
        self._name = name
        self.__name__ = name.partition("::")[2]
        self.__module__ = "torch.ops"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _OPERATORS[self._name](*args, **kwargs)

    def __getattr__(self, overload: str) -> _Operator:
        if overload.startswith("__"):
            raise AttributeError(overload)
        return self

    def __repr__(self) -> str:
        return f"<operator {self._name}>"


class _Namespace(SimpleNamespace):
    """The operators of one library."""

    def __init__(self, name: str):
        super().__init__()
        self.__dict__["_namespace"] = name

    def __getattr__(self, name: str) -> _Operator:
        full = f"{self._namespace}::{name}"
        if name.startswith("__") or not (full in _OPERATORS or self._found(name)):
            raise AttributeError(f"'torch.ops.{self._namespace}' has no operator '{name}'")
        return self.__dict__.setdefault(name, _Operator(full))  # programs compare by identity

    def _found(self, name: str) -> bool:
        """Register Ballast's own function where PyTorch's operator of this name is asked for."""
        if self._namespace != "aten":
            return False
        from ._aten import find

        function = find(name)
        if function is not None:
            register(f"aten::{name}", function)
        return function is not None


_namespaces: dict[str, _Namespace] = {}


def register(name: str, function: Callable) -> None:
    """Let ``torch.ops.<namespace>.<operator>`` be a function; `name` is "namespace::operator"."""
    _OPERATORS[name] = function


def load_library(path: str | os.PathLike) -> None:
    """Load a library of operators: of those that Ballast has itself, which need no file.

    Raises
    ------
    OSError
        For any other library: its compiled operators need the real PyTorch.
    """
    folder, file = os.path.split(os.path.abspath(os.fspath(path)))
    library = os.path.basename(folder)
    own = _OWN_LIBRARIES.get(library)
    if own is None or not file.startswith("_C"):
        raise OSError(f"{path}: its compiled operators need the real PyTorch; Ballast stands in")
    for name, function in vars(own).items():
        if not name.startswith("__"):
            register(f"{library}::{name}", function)


def __getattr__(name: str) -> _Namespace:
    if name.startswith("__"):
        raise AttributeError(name)
    return _namespaces.setdefault(name, _Namespace(name))

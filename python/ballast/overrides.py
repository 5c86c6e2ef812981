"""Subclasses of Tensor that take over functions: ``__torch_function__`` and what asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import _core
from ._core import Generator, Tensor
from .nn.parameter import Buffer, Parameter

__all__ = [
    "DisableTorchFunctionSubclass",
    "TorchFunctionMode",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
]


class TorchFunctionMode:
    """Takes over all functions in PyTorch; refuses to be entered here."""

    def __enter__(self) -> None:
        raise NotImplementedError(
            "TorchFunctionMode is not in Ballast: use a subclass of Tensor with __torch_function__"
        )

    def __exit__(self, *exception: Any) -> None:
        """Nothing was entered."""


class DisableTorchFunctionSubclass:
    """While it is entered, this thread's functions see subclasses of Tensor as plain tensors."""

    def __enter__(self) -> DisableTorchFunctionSubclass:
        _core._overrides_disabled(1)
        return self

    def __exit__(self, *exception: Any) -> None:
        _core._overrides_disabled(-1)


def _disabled_torch_function_impl(
    func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
) -> Any:
    """Leave a function alone: as a class's ``__torch_function__``, of parameters for example."""
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


def _overrides(value: Any) -> bool:
    found = getattr(type(value), "__torch_function__", _disabled_torch_function_impl)
    return type(value) is not Tensor and found is not _disabled_torch_function_impl


def _off() -> bool:
    return _core._overrides_disabled(0) > 0


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether an argument takes functions over by ``__torch_function__``."""
    return not _off() and any(_overrides(a) for a in relevant_args)


def has_torch_function_unary(value: Any) -> bool:
    """Whether the argument takes functions over."""
    return not _off() and _overrides(value)


def has_torch_function_variadic(*values: Any) -> bool:
    """Whether one of the arguments takes functions over."""
    return has_torch_function(values)


def is_tensor_like(value: Any) -> bool:
    """Whether the value is a tensor or behaves like one."""
    return isinstance(value, Tensor) or hasattr(type(value), "__torch_function__")


def handle_torch_function(
    public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Let the first argument that overrides the function, and accepts to, compute it.

    Raises
    ------
    TypeError
        Where all of them return NotImplemented.
    """
    overriding: list[Any] = []
    for a in relevant_args:
        if _overrides(a) and type(a) not in [type(o) for o in overriding]:
            # A subclass comes before what it is derived from.
            at = next((i for i, o in enumerate(overriding) if isinstance(a, type(o))), None)
            overriding.insert(len(overriding) if at is None else at, a)
    types = tuple(type(o) for o in overriding)
    for a in overriding:
        result = type(a).__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(f"no implementation found for '{name}' on types that implement it: {types}")


def _converted(value: Any, cls: type) -> Any:
    """Give tensors of a result the class, in containers too."""
    if isinstance(value, Tensor) and not isinstance(value, cls):
        return value.as_subclass(cls)
    if isinstance(value, (tuple, list)):
        parts = [_converted(v, cls) for v in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def _default(
    cls: type, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
) -> Any:
    """Compute with plain tensors and give the result the class, as PyTorch's Tensor does."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = func(*args, **(kwargs or {}))
    return result if func in _NOT_CONVERTED else _converted(result, cls)


def _as_subclass(self: Tensor, cls: type) -> Any:
    """Give the same tensor as an object of a subclass: both share memory, graph and gradient."""
    return _core._as_subclass(self, cls)


#: Functions and methods whose arguments take nothing over.
_PLAIN = {
    *("as_subclass", "load", "save", "compile", "is_tensor", "is_storage", "typename", "tensor"),
    *("as_tensor", "asarray", "from_numpy", "from_dlpack", "requires_grad_", "is_nonzero"),
}
_OPERATORS = [
    f"__{form}{name}__"
    for name in "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift".split()
    for form in ("", "r", "i")
] + [
    f"__{name}__"
    for name in "eq ne lt le gt ge neg abs invert getitem setitem len bool int float "
    "contains".split()
]
_NOT_CONVERTED: set[Any] = set()


def _wrap_module(scope: dict[str, Any]) -> None:
    for name, value in list(scope.items()):
        plain = name.startswith("_") or name in _PLAIN or isinstance(value, type)
        if not plain and callable(value) and not isinstance(value, Generator):
            scope[name] = _core._overridable(value, False)
            scope[name].__module__ = scope["__name__"]  # where pickles find it


def _wrap_methods() -> None:
    for name, value in list(vars(Tensor).items()):
        method = not name.startswith("_") or name in _OPERATORS
        if method and name not in _PLAIN and callable(value) and not isinstance(value, type):
            setattr(Tensor, name, _core._overridable(value, True))


def _install(modules: Iterable[dict[str, Any]]) -> None:
    """Wrap the functions of modules, and Tensor's methods, so that classes may override them."""
    for scope in modules:
        _wrap_module(scope)
    _wrap_methods()
    Tensor.as_subclass = _as_subclass
    Tensor.__torch_function__ = classmethod(_default)
    for cls in (Parameter, Buffer):
        cls.__torch_function__ = _disabled_torch_function_impl
    _NOT_CONVERTED.update({Tensor.backward, Tensor.tolist, Tensor.numpy, Tensor.item})

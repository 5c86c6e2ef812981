"""Views: tensors that show a part of another one, and what writing to them means.

Values are never shared between tensors, so that evaluation may take them as it likes. A view
remembers instead where it came from, and an in-place operation on it also writes to its origin.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from . import _core
from ._core import Tensor

_VIEWS = (
    "view",
    "reshape",
    "view_as",
    "flatten",
    "permute",
    "transpose",
    "t",
    "squeeze",
    "unsqueeze",
    "select",
    "narrow",
)


def link(view: Tensor, origin: Tensor, function: Callable | None = None, args: tuple = ()) -> None:
    """Remember that `view` is ``function(origin, *args)``, or all of it.

    An origin that is not computed yet is held weakly: holding it would make it be kept in memory
    where a chain of operations might never store it.
    """
    held = function is None or origin._evaluated
    parent = getattr(origin, "_origin", None)
    view._origin = (origin if held else weakref.ref(origin), function, args, parent)


def _nearest(view: Tensor) -> tuple[Tensor | None, list[tuple[Callable, tuple]]]:
    """Find the nearest origin that is still there, and the steps from it to `view`."""
    steps = []
    entry = getattr(view, "_origin", None)
    while entry is not None:
        origin, function, args, parent = entry
        if function is not None:
            steps.insert(0, (function, args))
        if isinstance(origin, weakref.ref):
            origin = origin()
        if origin is not None:
            return origin, steps
        entry = parent
    return None, steps


def write_back(view: Tensor) -> None:
    """Write a view's new value to where it came from."""
    origin, steps = _nearest(view)
    if origin is None:
        return
    if steps:
        where = _core.arange(origin.numel()).reshape(origin.shape)
        for function, args in steps:
            where = function(where, *args)
        origin._put(where, view)
    else:
        origin._assign(view)
    write_back(origin)


def check_origin(view: Tensor) -> None:
    """Refuse to write to parameters where autograd would have to follow."""
    origin, steps = _nearest(view)
    if origin is None or not steps:
        return
    if origin.requires_grad and origin.is_leaf and _core.is_grad_enabled():
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
    check_origin(origin)


def _viewing(function: Callable) -> Callable:
    def method(self: Tensor, *args: Any) -> Tensor:
        out = function(self, *args)
        link(out, self, function, args)
        return out

    def with_keywords(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return function(self, *args, **kwargs) if kwargs else method(self, *args)

    return with_keywords


_get, _set = Tensor.__getitem__, Tensor.__setitem__


def _getitem(self: Tensor, key: Any) -> Tensor:
    out = _get(self, key)
    kind = type(key)
    if kind is int or kind is slice or kind is tuple:
        link(out, self, _get, (key,))
    return out


def _setitem(self: Tensor, key: Any, value: Any) -> None:
    check_origin(self)
    _set(self, key, value)
    if hasattr(self, "_origin"):
        write_back(self)


def _transposed(self: Tensor) -> Tensor:
    return self.t() if self.dim() == 2 else _core_t(self)


_core_t = Tensor.T.fget


def register() -> None:
    """Make the methods that give views remember where these came from."""
    t: Any = Tensor
    for name in _VIEWS:
        setattr(t, name, _viewing(getattr(t, name)))
    t.__getitem__ = _getitem
    t.__setitem__ = _setitem
    t.T = property(_transposed)

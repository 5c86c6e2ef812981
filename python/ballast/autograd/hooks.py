"""Hooks of tensors: functions called with a gradient when all of it has arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import Tensor


class TensorHook:
    """Removes a tensor's hook when asked to."""

    def __init__(self, slot: Any, number: int):
        self._slot = slot
        self.id = number

    def remove(self) -> None:
        """Remove the hook."""
        self._slot.remove(self.id)

    def __enter__(self) -> TensorHook:
        return self

    def __exit__(self, *error) -> None:
        self.remove()


def _register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> TensorHook:
    """Call ``hook(grad)`` during ``backward()``; what it returns replaces the gradient."""
    number = self._add_hook(hook)
    return TensorHook(self._slot(), number)


def _register_accumulated_hook(self: Tensor, hook: Callable[[Tensor], None]) -> TensorHook:
    """Call ``hook(tensor)`` when ``backward()`` has added to a leaf's ``grad``."""

    def call(_: Tensor) -> None:
        hook(self)

    number = self._add_accumulated_hook(call)
    return TensorHook(self._slot(), number)


def _retain_grad(self: Tensor) -> None:
    """Let ``backward()`` set ``grad`` here too, where the tensor is no leaf."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if not self.is_leaf:
        self._retain_grad()


def register() -> None:
    """Give tensors the methods that set hooks."""
    t: Any = Tensor
    t.register_hook = _register_hook
    t.register_post_accumulate_grad_hook = _register_accumulated_hook
    t.retain_grad = _retain_grad

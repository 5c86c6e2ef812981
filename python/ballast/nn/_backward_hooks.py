"""Hooks around a module's part of the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core import Tensor
from ..autograd import Function


class _Gate(Function):
    """Tensors as they are, whose gradients a function sees, and may replace, on their way."""

    @staticmethod
    def forward(ctx, callback: Callable, *tensors: Tensor):
        """Pass the tensors."""
        ctx.set_materialize_grads(False)
        ctx.callback = callback
        return tensors

    @staticmethod
    def backward(ctx, *grads):
        """Pass the gradients through the callback."""
        return (None, *ctx.callback(grads))


def _pass(value: Any, callback: Callable) -> Any:
    """Send all tensors in `value` that need gradients through one gate."""
    found: list[Tensor] = []

    def collect(v: Any) -> None:
        if isinstance(v, Tensor):
            if v.requires_grad:
                found.append(v)
        elif isinstance(v, (tuple, list)):
            for item in v:
                collect(item)
        elif isinstance(v, dict):
            for item in v.values():
                collect(item)

    collect(value)
    if not found:
        return value
    passed = iter(_Gate.apply(callback, *found))

    def rebuild(v: Any) -> Any:
        if isinstance(v, Tensor):
            return next(passed) if v.requires_grad else v
        if isinstance(v, tuple) and hasattr(v, "_fields"):
            return type(v)(*(rebuild(item) for item in v))
        if isinstance(v, (tuple, list)):
            return type(v)(rebuild(item) for item in v)
        if isinstance(v, dict):
            return type(v)((k, rebuild(item)) for k, item in v.items())
        return v

    return rebuild(value)


class Watch:
    """One call of a module whose gradients are watched."""

    def __init__(self, module: Any):
        self._module = module
        self._grad_output: tuple = ()
        self._where: list[int] | None = None
        self._count = 0

    def inputs(self, args: tuple) -> tuple:
        """Watch the arguments that need gradients."""
        wanted = [i for i, a in enumerate(args) if isinstance(a, Tensor) and a.requires_grad]
        self._count = len(args)
        if wanted:
            self._where = wanted
            args = tuple(_pass(tuple(args), self._arrived_at_inputs))
        return args

    def outputs(self, output: Any) -> Any:
        """Watch the outputs."""
        return _pass(output, self._arrived_at_outputs)

    def _arrived_at_outputs(self, grads: tuple) -> tuple:
        for hook in list(self._module._backward_pre_hooks.values()):
            result = hook(self._module, grads)
            if result is not None:
                grads = result if isinstance(result, tuple) else (result,)
        self._grad_output = grads
        if self._where is None:
            self._call((None,) * self._count)
        return grads

    def _arrived_at_inputs(self, grads: tuple) -> tuple:
        full: list = [None] * self._count
        if self._where is not None and len(grads) == len(self._where):
            for i, g in zip(self._where, grads, strict=True):
                full[i] = g
            replaced = self._call(tuple(full))
            return tuple(replaced[i] for i in self._where)
        return self._call(grads)

    def _call(self, grad_input: tuple) -> tuple:
        for hook in list(self._module._backward_hooks.values()):
            result = hook(self._module, grad_input, self._grad_output)
            if result is not None:
                grad_input = result if isinstance(result, tuple) else (result,)
        return grad_input

"""Functions with a derivative of their own, as ``torch.autograd.Function``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import _core
from .._core import Tensor, is_grad_enabled
from .grad_mode import no_grad

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What a function's forward leaves to its backward."""

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._saved: tuple[Tensor | None, ...] = ()
        self._non_differentiable: tuple[Tensor, ...] = ()
        self._dirty: tuple[Tensor, ...] = ()
        self._materialize = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs for `Function.backward`."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` kept."""
        return self._saved

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the inputs that forward wrote to."""
        self._dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the outputs that have no gradient."""
        self._non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Say whether backward gets zeros for gradients that did not arrive, or None."""
        self._materialize = value


def _within(tensor: Any, tensors: tuple[Tensor, ...]) -> bool:
    return any(tensor is t for t in tensors)


class Function:
    """Base class of functions whose derivative is written by hand.

    A subclass defines the static methods ``forward(ctx, *args)`` (or ``forward(*args)`` and
    ``setup_context(ctx, inputs, output)``) and ``backward(ctx, *grad_outputs)``, which returns
    one gradient per argument, and is called by ``apply(*args)``.
    """

    def __init__(self, *args, **kwargs):
        raise RuntimeError(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; to be defined by the subclass."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Any, ...], output: Any) -> None:
        """Keep what backward needs, where forward takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: Any) -> Any:
        """Compute the gradients of all arguments; to be defined by the subclass."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the function, recorded by autograd where an argument requires a gradient."""
        ctx = FunctionCtx()
        wanted = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx.needs_input_grad = wanted
        recording = is_grad_enabled() and any(wanted)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                output = cls.forward(ctx, *args)
            else:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
        if not recording:
            return output
        outputs = list(output) if isinstance(output, tuple) else [output]
        cls._record(ctx, args, outputs)
        return tuple(outputs) if isinstance(output, tuple) else outputs[0]

    @classmethod
    def _record(cls, ctx: FunctionCtx, args: tuple, outputs: list) -> None:
        """Replace the outputs by what autograd knows as outputs of this call."""
        places = [
            i
            for i, t in enumerate(outputs)
            if isinstance(t, Tensor)
            and t.dtype.is_floating_point
            and not _within(t, ctx._non_differentiable)
        ]
        wanted = [i for i, needed in enumerate(ctx.needs_input_grad) if needed]
        like = [(t.shape, t.dtype) if isinstance(t, Tensor) else None for t in outputs]
        shapes = {i: args[i].shape for i in wanted}

        def backward(arrived: list[Tensor | None]) -> list[Tensor | None]:
            grads: list[Tensor | None] = [None] * len(like)
            for i, grad in zip(places, arrived, strict=True):
                grads[i] = grad
            if ctx._materialize:
                grads = [
                    _core.zeros(m[0], dtype=m[1]) if g is None and m is not None else g
                    for g, m in zip(grads, like, strict=True)
                ]
            found = cls.backward(ctx, *grads)
            found = list(found) if isinstance(found, (tuple, list)) else [found]
            return _checked(cls.__name__, found, len(args), wanted, shapes)

        made = _core._record_function(
            [args[i] for i in wanted], [outputs[i] for i in places], backward
        )
        for i, tensor in zip(places, made, strict=True):
            tensor._function_name = cls.__name__ + "Backward"
            if _within(outputs[i], ctx._dirty):
                outputs[i]._become(tensor)
            else:
                outputs[i] = tensor


def _checked(name: str, found: list, count: int, wanted: list[int], shapes: dict) -> list:
    """One gradient for each of the arguments that want one."""
    if len(found) > count and all(g is None for g in found[count:]):
        found = found[:count]
    if len(found) != count:
        raise RuntimeError(
            f"function {name}Backward returned an incorrect number of gradients (expected "
            f"{count}, got {len(found)})"
        )
    out = []
    for i in wanted:
        grad = found[i]
        if grad is not None and grad.shape != shapes[i]:
            if grad.numel() != 1 and grad.dim() < len(shapes[i]):
                raise RuntimeError(
                    f"Function {name}Backward returned an invalid gradient at index {i} - got "
                    f"{list(grad.shape)} but expected shape compatible with {list(shapes[i])}"
                )
            grad = _summed_to(grad, shapes[i], name, i)
        out.append(grad)
    return out


def _summed_to(grad: Tensor, shape: tuple, name: str, index: int) -> Tensor:
    try:
        zeros = _core.zeros(shape, dtype=grad.dtype)
        if (zeros + grad.detach()).shape == tuple(shape):
            return grad.expand(shape)
        while grad.dim() > len(shape):
            grad = grad.sum(0)
        for d, size in enumerate(shape):
            if size == 1 and grad.shape[d] != 1:
                grad = grad.sum(d, keepdim=True)
        return grad.reshape(shape)
    except RuntimeError:
        raise RuntimeError(
            f"Function {name}Backward returned an invalid gradient at index {index} - got "
            f"{list(grad.shape)} but expected shape compatible with {list(shape)}"
        ) from None


def once_differentiable(function: Callable) -> Callable:
    """Decorate a backward that must not be differentiated itself."""

    @functools.wraps(function)
    def wrapper(ctx, *args):
        with no_grad():
            return function(ctx, *args)

    return wrapper

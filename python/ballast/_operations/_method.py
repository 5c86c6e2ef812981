"""What the files of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .. import _core
from .._core import Tensor

Dims = int | Sequence[int]
_Function = TypeVar("_Function", bound=Callable)


def method(function: _Function) -> _Function:
    """Make a function of a tensor a method of ``Tensor``, too."""
    setattr(Tensor, function.__name__, function)
    return function


def spread_dims(dims: tuple) -> tuple[Any, ...]:
    """Dimensions given as `f(1, 2)` or `f((1, 2))`."""
    return tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims


def whole(values: list) -> Tensor:
    """Whole numbers as a tensor."""
    from .._create import tensor

    return tensor(values, dtype=_core.int64) if values else _core.zeros(0, dtype=_core.int64)


def without_gradient(name: str, *tensors: Tensor) -> list[Any]:
    """Arrays of tensors, for what has no derivative here; raises where one would be recorded."""
    if _core.is_grad_enabled() and any(t.requires_grad for t in tensors):
        raise NotImplementedError(
            f"{name} has no derivative in Ballast: call it on x.detach() or in torch.no_grad()"
        )
    return [t.detach().numpy() for t in tensors]

"""What the files of this folder share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .. import _core
from .._arguments import checked
from .._core import Tensor

Dims = int | Sequence[int]
_Function = TypeVar("_Function", bound=Callable)


def method(function: _Function) -> _Function:
    """Make a function of a tensor a method of ``Tensor``, too; it checks its arguments' types."""
    function = checked(function)
    setattr(Tensor, function.__name__, function)
    return function


def counted_dim(dim: int, rank: int) -> int:
    """A dimension counted from the front; out of range raises."""
    most = max(rank, 1)
    if not -most <= dim < most:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-most}, {most - 1}], "
            f"but got {dim})"
        )
    return dim % most


def listed(function: str, name: str, value) -> None:
    """Raise ``TypeError`` for what is no list of numbers."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(
            f"{function}(): argument '{name}' must be tuple of ints, not {type(value).__name__}"
        )


def same_types(function: str, *tensors: Tensor) -> None:
    """Raise for tensors of different types, which PyTorch does not promote in this function."""
    types = [t.dtype for t in tensors]
    if any(t is not types[0] for t in types):
        raise RuntimeError(
            f"{function}: expected tensors of the same dtype, got {', '.join(map(str, types))}"
        )


def spread_dims(dims: tuple) -> tuple[Any, ...]:
    """Dimensions given as `f(1, 2)` or `f((1, 2))`."""
    return tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims


def whole(values: list) -> Tensor:
    """Whole numbers as a tensor."""
    from .._create import tensor

    return tensor(values, dtype=_core.int64) if values else _core.zeros(0, dtype=_core.int64)


def repeated_positions(counts) -> Any:
    """List position i `counts[i]` times: an array. Refused at once where it would not fit."""
    import numpy as np

    _core.empty(min(int(counts.sum(dtype=np.float64)), 2**62), dtype=_core.int64)
    return np.repeat(np.arange(counts.size), counts)


def triangle(row: int, col: int, columns: Callable) -> Tensor:
    """List rows and columns of a matrix: those of row r from and before what `columns` says."""
    import numpy as np

    from .._create import from_numpy

    for name, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{name} must be non-negative, got{size}")
    _core.empty(2, row, dtype=_core.int64)
    r = np.arange(row)
    bounds = columns(r, lambda n: np.clip(n, -row - 1, col))
    first, end = (np.broadcast_to(np.clip(b, 0, col), r.shape) for b in bounds)
    counts = np.maximum(end - first, 0)
    rows = repeated_positions(counts)
    at = np.arange(rows.size) - (np.cumsum(counts) - counts - first)[rows]
    return from_numpy(np.stack([rows, at]))


def without_gradient(name: str, *tensors: Tensor) -> list[Any]:
    """Arrays of tensors, for what has no derivative here; raises where one would be recorded."""
    if _core.is_grad_enabled() and any(t.requires_grad for t in tensors):
        raise NotImplementedError(
            f"{name} has no derivative in Ballast: call it on x.detach() or in torch.no_grad()"
        )
    return [t.detach().numpy() for t in tensors]

"""PyTorch's full signatures of functions whose usual calls are bound in C++.

`spellings` calls these where the arguments fit no bound overload, so the usual calls cost nothing.
Each holds for the function, the method, the in-place form and `out=`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import _core
from .._arguments import checked
from .._core import Tensor
from .._dtypes import result_type
from ._method import Dims

FULL: dict[str, Callable] = {}


def full(function: Callable) -> Callable:
    function = checked(function)
    FULL[function.__name__] = function
    return function


def _positive(dims: Dims | None, rank: int) -> list[int]:
    """Dimensions counted from the front; all for None and an empty list."""
    if isinstance(dims, Tensor):
        dims = int(dims)
    dims = [dims] if isinstance(dims, int) else list(dims or range(rank))
    for d in dims:
        if not -max(rank, 1) <= d < max(rank, 1):
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-max(rank, 1)}, "
                f"{max(rank, 1) - 1}], but got {d})"
            )
    dims = [d % max(rank, 1) for d in dims]
    if len(set(dims)) < len(dims):
        raise RuntimeError("dim appears multiple times in the list of dims")
    return dims


def _floating(x: Tensor) -> Tensor:
    return x if x.dtype.is_floating_point else x._cast(_core.float32)


@full
def div(input, other, *, rounding_mode: str | None = None) -> Tensor:
    input = _beside(input, other)
    if rounding_mode is None:
        return _core.div(input, other)
    if rounding_mode == "floor":
        return input.floor_divide(other)
    if rounding_mode != "trunc":
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"'{rounding_mode}'"
        )
    quotient = _core.div(input, other)
    if result_type(input, other).is_floating_point:
        return quotient.trunc()
    return (input - input.fmod(other)).floor_divide(other)


FULL["divide"] = div


def _beside(input, other) -> Tensor:
    """The first operand as a tensor: a number takes the type that it has beside the other one."""
    if isinstance(input, Tensor) or not isinstance(input, (int, float)):
        return input
    dtype = result_type(other, input) if isinstance(other, Tensor) else None
    return _core.full((), input, dtype=dtype)


def _of_number(name: str) -> None:
    """Let the first operand of a function be a number, as PyTorch's may be."""

    def operation(input: float, other: Tensor | float, **options) -> Tensor:
        return getattr(Tensor, name)(_beside(input, other), other, **options)

    operation.__name__ = name
    full(operation)


for _name in ("add", "sub", "mul", "_floor_divide", "_remainder"):
    _of_number(_name)


@full
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = False):
    return _core.sort(input, dim, descending)


@full
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = False
) -> Tensor:
    return _core.argsort(input, dim, descending)


@full
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    x, dims = _floating(input), _positive(dim, input.dim())
    if x.dim() == 0:
        return x.clone()
    rest = [d for d in range(x.dim()) if d not in dims]
    flat = x.permute(*rest, *dims).reshape(*(x.shape[d] for d in rest), -1)
    out = _core.logsumexp(flat, -1)
    shape = [1 if d in dims else x.shape[d] for d in range(x.dim())]
    return out.reshape(*shape) if keepdim else out


@full
def squeeze(input: Tensor, dim: Dims) -> Tensor:
    if not isinstance(dim, int) and not dim:
        return input[...]
    for d in sorted(_positive(dim, input.dim()), reverse=True):
        input = _core.squeeze(input, d)
    return input


@full
def where(condition: Tensor, input=None, other=None):
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return _core.where(condition, input, other)


@full
def cumsum(input: Tensor, dim: int, *, dtype=None) -> Tensor:
    if dtype is None:
        return _core.cumsum(input, dim)
    return _core.cumsum(input._cast(dtype), dim)._cast(dtype)


@full
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | float) -> Tensor:
    if isinstance(value, Tensor) and value.dim():
        raise RuntimeError(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.dim()} dimension(s)."
        )
    return _core.where(mask, value, input)._cast(input.dtype)


def _moment(name: str):
    def spread(
        input: Tensor,
        dim: Dims | bool | None = None,
        unbiased: bool = True,
        keepdim: bool = False,
        *,
        correction: float | None = None,
    ) -> Tensor:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased else 0
        dims = _positive(dim, input.dim())
        n = math.prod(input.shape[d] for d in dims) if input.dim() else 1
        free = n - correction
        out = _core.var(input, dims, False, keepdim=keepdim)
        out = out * (n / free if free > 0 else math.inf)
        return out.sqrt() if name == "std" else out

    spread.__name__ = name
    return full(spread)


var, std = map(_moment, ("var", "std"))


@full
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    rank = input.dim() + 1
    for dim in (dim1, dim2):
        _positive(dim, rank)
    first, second = dim1 % rank, dim2 % rank
    if input.dim() == 0:
        raise IndexError("diag_embed: expected a tensor with at least one dimension")
    if first == second:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if first > second:
        first, second, offset = second, first, -offset
    return _core.diag_embed(input, offset).movedim((-2, -1), (first, second))


@full
def count_nonzero(input: Tensor, dim: Dims | None = None) -> Tensor:
    return (input != 0).sum(dim)


@full
def linspace(start, end, steps: int, **options) -> Tensor:
    ends = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    return _core.linspace(*ends, steps, **options)

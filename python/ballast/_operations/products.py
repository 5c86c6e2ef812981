"""Products of matrices and vectors."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from ._method import method, same_types

__all__ = [
    "chain_matmul",
    "cross",
    "inner",
    "kron",
    "tensordot",
    "vdot",
]


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Multiply matrices, in the order that needs the fewest multiplications."""
    return matrices[0].clone() if len(matrices) == 1 else _core._linalg.multi_dot(list(matrices))


@method
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Compute Kronecker's product."""
    rank = max(input.dim(), other.dim())
    a = input.reshape(*((1,) * (rank - input.dim()) + tuple(input.shape)))
    b = other.reshape(*((1,) * (rank - other.dim()) + tuple(other.shape)))
    spread_a = [n for s in a.shape for n in (s, 1)]
    spread_b = [n for s in b.shape for n in (1, s)]
    sizes = [m * n for m, n in zip(a.shape, b.shape, strict=True)]
    return (a.reshape(*spread_a) * b.reshape(*spread_b)).reshape(*sizes)


def tensordot(a: Tensor, b: Tensor, dims=2, out: Tensor | None = None) -> Tensor:
    """Sum products over the last dimensions of `a` and the first of `b`, or over named ones."""
    if out is not None:
        out._become(tensordot(a, b, dims))
        return out
    if isinstance(dims, Tensor) and dims.numel() == 1:
        dims = int(dims)
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if not isinstance(dims, (int, list, tuple)) or (not isinstance(dims, int) and len(dims) != 2):
        raise RuntimeError(
            "tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] "
            f"containing two lists, but got dims={dims}"
        )
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.dim(), b.dim()):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left, right = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [d % a.dim() for d in left]
    right = [d % b.dim() for d in right]
    rows = [d for d in range(a.dim()) if d not in left]
    columns = [d for d in range(b.dim()) if d not in right]
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    inner = 1
    for d, e in zip(left, right, strict=True):
        # A dimension of size 1 is summed beside any other.
        if a.shape[d] != 1 and b.shape[e] == 1:
            a = a.sum(d, True)
        elif a.shape[d] == 1 and b.shape[e] != 1:
            b = b.sum(e, True)
        elif a.shape[d] != b.shape[e]:
            raise RuntimeError(
                "contracted dimensions need to match, but first has size "
                f"{a.shape[d]} in dim {d} and second has size {b.shape[e]} in dim {e}"
            )
        inner *= a.shape[d]
    x = a.permute(*rows, *left).reshape(-1, inner)
    y = b.permute(*right, *columns).reshape(inner, -1)
    return x.matmul(y).reshape(*(a.shape[d] for d in rows), *(b.shape[d] for d in columns))


@method
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum products over the last dimensions of both."""
    if input.dim() == 0 or other.dim() == 0:
        return input * other
    return tensordot(input, other, ([-1], [-1]))


@method
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """Sum the products of two vectors' elements."""
    same_types("vdot", input, other)
    return input.dot(other)


@method
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Compute the cross product along a dimension of size 3 (the first one, unless given)."""
    if input.dim() != other.dim():
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    same_types("cross", input, other)
    if dim is None:
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
    if dim is None or input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError("linalg.cross: inputs dimension must have length 3.")

    def turned(x: Tensor, by: int) -> Tensor:
        return x.roll(-by, dim)

    return turned(input, 1) * turned(other, 2) - turned(input, 2) * turned(other, 1)

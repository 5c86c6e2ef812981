"""Shapes: splitting, joining, moving dimensions."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import chain, combinations_with_replacement
from itertools import combinations as choices
from math import comb
from typing import Any

from .. import _core, _types
from .._core import Tensor
from ._method import Dims, counted_dim, listed, method, repeated_positions, spread_dims, triangle

__all__ = [
    "adjoint",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "cartesian_prod",
    "column_stack",
    "combinations",
    "diagflat",
    "dsplit",
    "dstack",
    "fliplr",
    "flipud",
    "hsplit",
    "hstack",
    "meshgrid",
    "moveaxis",
    "movedim",
    "ravel",
    "repeat_interleave",
    "rot90",
    "row_stack",
    "split",
    "swapaxes",
    "swapdims",
    "tensor_split",
    "tile",
    "unbind",
    "unflatten",
    "vsplit",
    "vstack",
]


@method
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Take all positions of a dimension, one tensor for each."""
    if input.dim() == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    return tuple(input.select(dim, i) for i in range(input.shape[dim]))


@method
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split dimension `dim` into `sizes`, one of which may be -1."""
    listed("unflatten", "sizes", sizes)
    return _core._unflatten(input, dim, sizes)


@method
def ravel(input: Tensor) -> Tensor:
    """Flatten all dimensions into one."""
    return input.reshape(-1)


@method
def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Exchange two dimensions."""
    return input.transpose(axis0, axis1)


@method
def adjoint(input: Tensor) -> Tensor:
    """Exchange the last two dimensions."""
    return input.transpose(-2, -1)


Tensor.swapdims = swapdims = swapaxes


@method
def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Move dimensions to other places, the rest in order."""
    if isinstance(source, Tensor):
        source = int(source)
    if isinstance(source, int):
        return _core.movedim(input, source, destination)
    rank = input.dim()
    if len(source) != len(destination):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: source and destination have different "
            f"lengths, {len(source)} and {len(destination)}"
        )
    for kind, dims in (("source", source), ("destination", destination)):
        for d in dims:
            counted_dim(d, rank)
        if len({d % rank for d in dims}) < len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{kind}` ({tuple(dims)})")
    moved = {d % rank: s % rank for s, d in zip(source, destination, strict=True)}
    rest = iter(d for d in range(rank) if d not in moved.values())
    return input.permute(*(moved[d] if d in moved else next(rest) for d in range(rank)))


Tensor.moveaxis = moveaxis = movedim


@method
def tile(input: Tensor, *dims) -> Tensor:
    """Repeat, the last dimensions where there are fewer numbers."""
    if not dims:
        raise TypeError("tile() missing 1 required positional argument: 'dims'")
    dims = spread_dims(dims)
    return input.repeat(*((1,) * (input.dim() - len(dims)) + tuple(dims)))


@method
def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """Expand to a shape."""
    listed("broadcast_to", "size", size)
    return input.expand(*size)


def _sizes(shape) -> tuple[int, ...]:
    """A shape given as a number or a list of them."""
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(sizes, (list, tuple)):
        raise RuntimeError(
            f"Input shapes should be of type ints, a tuple of ints, or a list of ints, got {shape}"
        )
    for n in sizes:
        if operator.index(n) < 0:
            raise ValueError(f"a broadcast dimension has negative length: {shape}")
    return tuple(sizes)


def broadcast_shapes(*shapes) -> Any:
    """Find the shape that shapes broadcast to."""
    shapes = [_sizes(s) for s in shapes if s is not None]
    out = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for i, n in enumerate(reversed(shape)):
            if out[-1 - i] == 1:
                out[-1 - i] = n
            elif n not in (1, out[-1 - i]):
                raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
    return _types.Size(out)


def broadcast_tensors(*tensors: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Expand tensors to one shape."""
    tensors = spread_dims(tensors)
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t.expand(*shape) for t in tensors)


def _at_least(rank: int):
    def convert(*tensors: Tensor | Sequence[Tensor]):
        def one(t: Tensor) -> Tensor:
            if rank == 3 and t.dim() in (1, 2):
                return t.reshape(1, -1, 1) if t.dim() == 1 else t.unsqueeze(-1)
            return t.reshape(*((1,) * (rank - t.dim()) + tuple(t.shape))) if t.dim() < rank else t

        several = spread_dims(tensors)
        out = tuple(one(t) for t in several)
        return out[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else out

    convert.__name__ = f"atleast_{rank}d"
    convert.__doc__ = f"Give tensors {rank} dimensions where they have fewer."
    return convert


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (1, 2, 3))


def _check_some(function: str, tensors: Sequence[Tensor]) -> None:
    if not tensors:
        raise RuntimeError(f"{function} expects a non-empty TensorList")


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along columns (of vectors: along them)."""
    _check_some("hstack", tensors)
    parts = [atleast_1d(t) for t in tensors]
    return _core.cat(parts, 0 if parts[0].dim() == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along rows."""
    _check_some("vstack", tensors)
    return _core.cat([atleast_2d(t) for t in tensors], 0)


row_stack = vstack


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the third dimension."""
    _check_some("dstack", tensors)
    return _core.cat([atleast_3d(t) for t in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along columns, vectors as columns."""
    return hstack([t.reshape(-1, 1) if t.dim() < 2 else t for t in tensors])


@method
def tensor_split(
    input: Tensor,
    indices_or_sections: Dims | Tensor | None = None,
    dim: int = 0,
    *,
    indices: Dims | None = None,
    sections: int | None = None,
) -> tuple[Tensor, ...]:
    """Split into parts of nearly equal size, or at positions."""
    given = [v for v in (indices_or_sections, indices, sections) if v is not None]
    if len(given) != 1:
        raise TypeError("tensor_split() takes one of indices_or_sections, indices and sections")
    indices_or_sections = given[0]
    if input.dim() == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got 0")
    n = input.shape[dim]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.dtype is not _core.int64 or indices_or_sections.dim() > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero- or "
                "one-dimensional int64 tensor"
            )
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        if parts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        cuts = [i * (n // parts) + min(i, n % parts) for i in range(parts + 1)]
    else:
        cuts = [0, *(slice(0, i).indices(n)[1] for i in indices_or_sections), n]
    return tuple(input.narrow(dim, a, max(b - a, 0)) for a, b in zip(cuts, cuts[1:], strict=False))


def split(tensor: Tensor, split_size_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """Split into parts of a size, or of sizes."""
    return _core.split(tensor, split_size_or_sections, dim)


@method
def fliplr(input: Tensor) -> Tensor:
    """Reverse the columns."""
    return input.flip(1)


@method
def flipud(input: Tensor) -> Tensor:
    """Reverse the rows."""
    return input.flip(0)


def _turned_dims(input: Tensor, dims: Sequence[int]) -> Sequence[int]:
    """The two dimensions of a turn; they must differ."""
    listed("rot90", "dims", dims)
    rank = input.dim()
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if rank < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {rank}")
    if counted_dim(dims[0], rank) == counted_dim(dims[1], rank):
        raise RuntimeError(f"expected rotation dims to be different, but got {tuple(dims)}")
    return dims


@method
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turn by quarters from the first to the second dimension."""
    a, b = _turned_dims(input, dims)
    turns = k % 4
    if turns == 0:
        return input.clone()
    if turns == 2:
        return input.flip(a, b)
    return input.flip(b).transpose(a, b) if turns == 1 else input.transpose(a, b).flip(b)


def meshgrid(*tensors, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Spread vectors over a grid, each along a dimension of its own."""
    tensors = spread_dims(tensors)
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(f"meshgrid(): expected tensors, got {type(t).__name__}")
        if t.dim() > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}"
            )
        if t.dtype is not tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    vectors = [t.reshape(-1) for t in tensors]
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            'torch.meshgrid: indexing must be one of "xy" or "ij", but received: ' + indexing
        )
    sizes = [v.numel() for v in vectors]
    rank = len(sizes)
    grids = [
        v.reshape(*(sizes[i] if d == i else 1 for d in range(rank))).expand(*sizes)
        for i, v in enumerate(vectors)
    ]
    if indexing == "xy" and rank > 1:
        grids = [g.transpose(0, 1) for g in grids]
    return tuple(grids)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """List all combinations of the vectors' elements."""
    for t in tensors:
        if isinstance(t, Tensor) and t.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return _core.stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


@method
def repeat_interleave(
    input: Tensor,
    repeats: Tensor | int | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Repeat every element (of a dimension) one after the other; of counts alone, list which
    position is repeated.

    Parameters
    ----------
    input : Tensor
        Any shape; without `repeats` the counts themselves.
    repeats : int or Tensor
        How often each is repeated.
    dim : int, optional
        Along which dimension; the flattened tensor where not given.
    output_size : int, optional
        The sum of the counts.
    """
    import numpy as np

    from .._create import from_numpy

    if repeats is None and dim is not None:
        raise TypeError("repeat_interleave(): argument 'repeats' must be Tensor, not NoneType")
    if repeats is None:
        repeats, input = input, _core.arange(input.numel())
    if isinstance(repeats, Tensor):
        if repeats.dtype not in (_core.int64, _core.int32):
            raise NotImplementedError("repeats has to be Long or Int tensor")
        if repeats.dim() > 1:
            raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    if dim is None:
        input, dim = input.reshape(-1), 0
    dim = counted_dim(dim, input.dim())
    n = input.shape[dim] if input.dim() else 1
    counts = repeats.tolist() if isinstance(repeats, Tensor) else repeats
    counts = [counts] * n if isinstance(counts, int) else counts
    counts = counts * n if len(counts) == 1 else counts
    if len(counts) != n:
        raise RuntimeError("repeats must have the same size as input along dim")
    if any(c < 0 for c in counts):
        raise RuntimeError("repeats can not be negative")
    if output_size is not None and output_size != sum(counts):
        raise RuntimeError(
            f"allocated size {output_size} does not match required size {sum(counts)}"
        )
    at = from_numpy(repeated_positions(np.asarray(counts, np.int64)))
    return (input if input.dim() else input.reshape(1)).index_select(dim, at)


@method
def hsplit(input: Tensor, indices_or_sections: Dims) -> tuple[Tensor, ...]:
    """Split along columns (vectors: along them)."""
    _can_split("hsplit", input, 1)
    return _split_evenly(input, indices_or_sections, 0 if input.dim() == 1 else 1)


@method
def vsplit(input: Tensor, indices_or_sections: Dims) -> tuple[Tensor, ...]:
    """Split along rows."""
    _can_split("vsplit", input, 2)
    return _split_evenly(input, indices_or_sections, 0)


@method
def dsplit(input: Tensor, indices_or_sections: Dims) -> tuple[Tensor, ...]:
    """Split along the third dimension."""
    _can_split("dsplit", input, 3)
    return _split_evenly(input, indices_or_sections, 2)


def _can_split(name: str, input: Tensor, least: int) -> None:
    if input.dim() < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor "
            f"with {input.dim()} dimensions!"
        )


def _split_evenly(input: Tensor, parts, dim: int) -> tuple[Tensor, ...]:
    if isinstance(parts, int) and (parts <= 0 or input.shape[dim] % parts):
        raise RuntimeError(
            f"attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.shape[dim]} is not divisible by the split_size {parts}!"
        )
    return tensor_split(input, parts, dim)


def block_diag(*tensors: Tensor) -> Tensor:
    """Put matrices along the diagonal of a matrix of zeros."""
    blocks = [t.reshape(1, -1) if t.dim() < 2 else t for t in tensors]
    columns = sum(b.shape[1] for b in blocks)
    rows, start = [], 0
    for b in blocks:
        left = _core.zeros(b.shape[0], start, dtype=b.dtype)
        right = _core.zeros(b.shape[0], columns - start - b.shape[1], dtype=b.dtype)
        rows.append(_core.cat([left, b, right], 1))
        start += b.shape[1]
    return _core.cat(rows, 0)


@method
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """Put all elements on a diagonal of a matrix of zeros."""
    return input.reshape(-1).diag(offset)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """List the choices of `r` elements of a vector."""
    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return _core.empty(0, dtype=input.dtype)
    import numpy as np

    from .._create import from_numpy

    n = input.shape[0]
    count = comb(n + r - 1, r) if with_replacement and n + r > 0 else comb(n, r)
    _core.empty(min(count * r, 2**62), dtype=_core.int64)
    if r == 2:
        at = triangle(n, n, lambda row, _: (row + (not with_replacement), n)).t().reshape(-1)
    else:
        choose = combinations_with_replacement if with_replacement else choices
        chosen = chain.from_iterable(choose(range(n), r))
        at = from_numpy(np.fromiter(chosen, np.int64, count * r))
    return input.index_select(0, at).reshape(count, r)


def _sum_to_size(self: Tensor, *size) -> Tensor:
    """Sum over the dimensions along which `size` would broadcast to this shape."""
    size = spread_dims(size)
    if any(isinstance(n, bool) for n in size[:1]):
        raise TypeError("sum_to_size(): argument 'size' must be tuple of ints, not bool")
    size = tuple(map(operator.index, size))
    if not size:
        return self.sum()
    lead = self.dim() - len(size)
    pairs = zip(self.shape[max(lead, 0) :], size, strict=False)
    if lead < 0 or any(n not in (1, old) for old, n in pairs):
        raise RuntimeError(
            f"size {{{list(size)}}} is not expandable to size {{{list(self.shape)}}}."
        )
    dims = [d for d in range(self.dim()) if d < lead or size[d - lead] == 1 != self.shape[d]]
    return self.sum(dims, True).reshape(*size) if dims or not self.dim() else self


Tensor.sum_to_size = _sum_to_size

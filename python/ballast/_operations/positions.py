"""Positions: taking, putting, finding, counting."""

from __future__ import annotations

from .. import _core
from .._core import Tensor
from ._method import counted_dim, method, triangle
from .shapes import broadcast_shapes, broadcast_tensors

__all__ = [
    "argwhere",
    "bincount",
    "bucketize",
    "fill_diagonal_",
    "index_copy",
    "index_fill",
    "index_put",
    "isin",
    "masked_scatter",
    "masked_select",
    "nonzero",
    "nonzero_static",
    "scatter",
    "searchsorted",
    "select_scatter",
    "slice_scatter",
    "take",
    "take_along_dim",
    "tril_indices",
    "triu_indices",
    "unique",
    "unique_consecutive",
    "unravel_index",
]


def _check_mask(function: str, mask: Tensor) -> None:
    if mask.dtype is not _core.bool:
        raise RuntimeError(f"{function}: expected BoolTensor for mask, got {mask.dtype}")


def _check_index(
    function: str,
    input: Tensor,
    dim: int,
    index: Tensor,
    kind: type[Exception] = IndexError,
    error: type[Exception] = IndexError,
) -> int:
    """The dimension, counted from the front; raises `kind` for an index of another type, `error`
    for one that is no vector."""
    dim = counted_dim(dim, input.dim())
    if index.dtype not in (_core.int64, _core.int32):
        raise kind(f"{function}(): Expected dtype int64 for index, got {index.dtype}")
    if index.dim() > 1:
        raise error(f"{function}(): Index is supposed to be a vector, got {index.dim()}-D")
    return dim


@method
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Take the elements where `mask` holds, as a vector."""
    _check_mask("masked_select", mask)
    x, m = broadcast_tensors(input, mask)
    return x.reshape(-1)[m.reshape(-1)]


@method
def scatter(input: Tensor, dim: int, index: Tensor, src=None, *, value=None, reduce=None) -> Tensor:
    """Put elements of `src`, or a number, at positions of `dim`."""
    src = value if src is None else src
    if reduce is None:
        return _core._scatter(input, dim, index, src)
    whole = src if isinstance(src, Tensor) else _core.full_like(index, src, dtype=input.dtype)
    kinds = {"add": "sum", "multiply": "prod"}
    if reduce not in kinds:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return input.scatter_reduce(dim, index, whole, kinds[reduce])


@method
def take(input: Tensor, index: Tensor) -> Tensor:
    """Take elements of the flattened tensor."""
    if index.dtype is not _core.int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    flat = input.reshape(-1)
    at = index.reshape(-1)
    at = _core.where(at < 0, at + flat.numel(), at)
    return flat.index_select(0, at).reshape(*index.shape)


@method
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Take elements along a dimension, counted around its end; other dimensions broadcast."""
    if indices.dtype is not _core.int64:
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype}"
        )
    if dim is None:
        return input.reshape(-1).gather(0, indices.reshape(-1))
    if input.dim() != indices.dim():
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.dim()} dimensions for input, and {indices.dim()} for indices"
        )
    a, b = list(input.shape), list(indices.shape)
    dim = counted_dim(dim, len(a))
    shape = broadcast_shapes(a[:dim] + [1] + a[dim + 1 :], b[:dim] + [1] + b[dim + 1 :])
    wide = [*shape[:dim], a[dim], *shape[dim + 1 :]]
    positions = [*shape[:dim], b[dim], *shape[dim + 1 :]]
    indices = indices.remainder(a[dim]) if a[dim] else indices
    return input.expand(*wide).gather(dim, indices.expand(*positions))


@method
def index_fill(input: Tensor, dim: int, index: Tensor, value: float | Tensor) -> Tensor:
    """Set positions `index` of a dimension to a number."""
    dim = _check_index("index_fill_", input, dim, index, error=RuntimeError)
    if input.dim() == 0:
        return index_fill(input.reshape(1), dim, index, value).reshape(())
    index = index.reshape(-1)
    marked = _core._index_sum(_core.ones_like(index), 0, index, input.shape[dim]) > 0
    shape = [1] * input.dim()
    shape[dim] = -1
    return input.masked_fill(marked.reshape(*shape), value)


def _check_source(input: Tensor, dim: int, index: Tensor, source: Tensor) -> None:
    """Raise as PyTorch does where `index_copy` does not find a slice of `source` for each index."""
    if source.dim() == 0 and index.numel() != 1:
        raise IndexError(
            "index_copy_(): When source is scalar, index should have one element (got "
            f"{index.numel()})"
        )
    if source.dim() and input.dim() and source.dim() != input.dim():
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must "
            f"match. Source dimensionality ({source.dim()}), destination dimensionality "
            f"({input.dim()})"
        )
    if source.dim() and index.numel() != source.shape[dim]:
        raise IndexError(
            f"index_copy_(): Number of indices ({index.numel()}) should be equal to "
            f"source.size(dim) ({source.shape[dim]})"
        )


@method
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Set positions `index` of a dimension to slices of `source`."""
    dim = _check_index("index_copy_", input, dim, index, kind=RuntimeError)
    _check_source(input, dim, index, source)
    if input.dim() == 0:
        return index_copy(input.reshape(1), dim, index, source.reshape(1)).reshape(())
    kept = index_fill(input, dim, index, 0)
    return kept.index_add(dim, index, source)


def nonzero(input: Tensor, *, as_tuple: bool = False):
    """List the positions of the elements that are not zero.

    Parameters
    ----------
    input : Tensor
        Any shape.
    as_tuple : bool
        Return one tensor for each dimension, which together index `input`, and not one row for each
        element. Without dimensions, `input` counts as a vector then.
    """
    if not as_tuple:
        return (
            _core.zeros(int(input.item() != 0), 0, dtype=_core.int64)
            if input.dim() == 0
            else (_core.Tensor._nonzero(input))
        )
    return tuple(nonzero(_at_least_1d(input)).unbind(1))


Tensor._nonzero, Tensor.nonzero = Tensor.nonzero, nonzero


def _at_least_1d(x: Tensor) -> Tensor:
    return x if x.dim() else x.reshape(1)


@method
def argwhere(input: Tensor) -> Tensor:
    """List the positions of the elements that are not zero, one per row."""
    return input.nonzero()


@method
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """List the first `size` positions of elements that are not zero; `fill_value` behind them."""
    found = input.nonzero()[:size]
    rest = _core.full((size - found.shape[0], input.dim()), fill_value, dtype=_core.int64)
    return _core.cat([found, rest])


def triu_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None) -> Tensor:
    """List rows and columns on and above a diagonal."""
    return triangle(row, col, lambda r, limit: (limit(r + limit(offset)), col))


def tril_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None) -> Tensor:
    """List rows and columns on and below a diagonal."""
    return triangle(row, col, lambda r, limit: (0, limit(r + limit(offset) + 1)))


@method
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
):
    """Find the different elements, in order."""
    values, inverse, counts = (
        _core._unique(input) if dim is None else _core._unique_slices(input, dim, False)
    )
    out = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return out if len(out) > 1 else values


@method
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Count (or sum the weights of) every whole number."""
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.dtype.is_floating_point or input.dtype is _core.bool:
        raise NotImplementedError(f"bincount: not implemented for {input.dtype}")
    if input.numel() and weights is not None and weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if input.dim() == 1 and not input.numel():
        return _core.zeros(minlength, dtype=_core.int64)
    if input.dim() != 1 or (input.numel() and int(input.min()) < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    size = max(minlength, int(input.max()) + 1 if input.numel() else 0)
    if weights is not None and weights.dtype is not _core.float32:
        weights = weights._cast(_core.float64)
    ones = _core.ones_like(input, dtype=_core.int64) if weights is None else weights
    return _core._index_sum(ones, 0, input._cast(_core.int64), size)


@method
def index_put(
    input: Tensor, indices: tuple[Tensor, ...], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Put values at positions; `accumulate`: add them."""
    if not isinstance(indices, (list, tuple)):
        raise TypeError(
            "index_put(): argument 'indices' must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    for t in indices:
        if not isinstance(t, Tensor):
            raise TypeError(f"index_put(): expected Tensor as index, but got {type(t).__name__}")
    if not indices:
        raise RuntimeError("index_put(): expected at least one index")
    if values.dtype is not input.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{input.dtype} for the destination and {values.dtype} for the source."
        )
    at = tuple(indices)
    if accumulate:
        places = _core.arange(input.numel()).reshape(*input.shape)[at]
        return input.put(places, values.expand(*places.shape), accumulate=True)
    out = input.clone()
    out[at] = values
    return out


@method
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Put the elements of `source`, in order, where `mask` holds."""
    _check_mask("masked_scatter", mask)
    if source.dtype is not input.dtype:
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes but got "
            f"{input.dtype} and {source.dtype}"
        )
    x, m = broadcast_tensors(input, mask)
    n = int(m.sum())
    if n > source.numel():
        raise RuntimeError(
            "masked_scatter: expected self and source to have same dtypes and at least as many "
            f"elements as the mask has trues, {n}, got {source.numel()}"
        )
    out = x.clone()
    out[m] = source.reshape(-1)[:n]
    return out


@method
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """Replace one position of a dimension."""
    out = input.clone()
    part = out.select(dim, index)
    if part.shape != src.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(part.shape)}"
        )
    part.copy_(src)
    return out


@method
def slice_scatter(
    input: Tensor,
    src: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> Tensor:
    """Replace a slice of a dimension."""
    out = input.clone()
    at = (slice(None),) * counted_dim(dim, input.dim()) + (slice(start, end, step),)
    part = out[at]
    if part.shape != src.shape:
        raise RuntimeError(
            "expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(part.shape)}"
        )
    part.copy_(src)
    return out


@method
def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Write a number on the main diagonal."""
    if self.dim() < 2:
        raise RuntimeError("dimensions must larger than 1")
    if self.dim() > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    if wrap and self.shape[0] > self.shape[1]:
        raise NotImplementedError("fill_diagonal_: wrap=True of a tall matrix")
    at = _core.arange(min(self.shape))
    self[(at,) * self.dim()] = fill_value
    return self


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
) -> Tensor:
    """Find where values would be inserted into a sorted vector (rows: into rows).

    Parameters
    ----------
    sorted_sequence : Tensor
        (n) or (..., n)
    input : Tensor or float
        Any shape, or (..., m).
    right : bool
        Behind equal elements (as ``side="right"``), else before them.

    Returns
    -------
    Tensor
        int64, of the shape of `input`.
    """
    import numpy as np

    from .._create import _numpy_values, as_tensor

    if side not in (None, "left", "right"):
        raise RuntimeError(
            f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if right and side == "left":
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left "
            "while right was True"
        )
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape or sorter.dtype is not _core.int64:
            raise RuntimeError(
                "torch.searchsorted(): boundary and sorter must have the same size, and sorter "
                f"must be int64, but got {list(sorted_sequence.shape)}, {list(sorter.shape)} and "
                f"{sorter.dtype}"
            )
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    values = as_tensor(input)
    rows, wanted = _numpy_values(sorted_sequence), _numpy_values(values)
    where = side or ("right" if right else "left")
    if rows.ndim == 1:
        found = np.searchsorted(rows, wanted, where)
    else:
        if rows.shape[:-1] != wanted.shape[:-1]:
            raise RuntimeError(
                "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
                "dimensions of boundaries tensor and input value tensor must match"
            )
        found = np.empty(wanted.shape, np.int64)
        for row in np.ndindex(rows.shape[:-1]):
            found[row] = np.searchsorted(rows[row], wanted[row], where)
    out = as_tensor(np.asarray(found, dtype=np.int64))
    return out._cast(_core.int32) if out_int32 else out


def bucketize(
    input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """Find between which boundaries values lie."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(
    elements: Tensor | float,
    test_elements: Tensor | float,
    *,
    assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:
    """Whether each element is one of `test_elements`."""
    import numpy as np

    from .._create import _numpy_values, as_tensor

    tensors = [as_tensor(t) for t in (elements, test_elements)]
    if any(t.dtype is _core.bool for t in tensors):
        raise NotImplementedError("Unsupported input type encountered for isin(): Bool")
    arrays = map(_numpy_values, tensors)
    return as_tensor(np.isin(*arrays, assume_unique=assume_unique, invert=invert))


def unravel_index(indices: Tensor, shape) -> tuple[Tensor, ...]:
    """Turn positions in the flattened tensor into positions along its dimensions."""
    out = []
    for n in reversed((shape,) if isinstance(shape, int) else tuple(shape)):
        out.append(indices.remainder(n))
        indices = indices.floor_divide(n)
    return tuple(reversed(out))


@method
def unique_consecutive(
    input: Tensor,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
):
    """Keep the first of equal neighbours."""
    flat = input.reshape(-1) if dim is None else input
    values, inverse, counts = _core._unique_slices(flat, dim or 0, True)
    if dim is None:
        inverse = inverse.reshape(*input.shape)
    out = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return out if len(out) > 1 else values

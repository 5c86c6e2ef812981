"""Operations made of others, as functions of the package and as methods of ``Tensor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _core, _types
from ._core import Tensor
from ._tensor import _in_place

Dims = int | Sequence[int]


def _dims(dims: tuple) -> tuple[int, ...]:
    return tuple(dims[0]) if len(dims) == 1 and isinstance(dims[0], (list, tuple)) else dims


# Shapes.


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Take all positions of a dimension, one tensor for each."""
    if input.dim() == 0:
        raise RuntimeError("Dimension specified as 0 but tensor has no dimensions")
    return tuple(input.select(dim, i) for i in range(input.shape[dim]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split dimension `dim` into `sizes`, one of which may be -1."""
    from .nn.simple import unflatten as split

    return split(input, dim, sizes)


def ravel(input: Tensor) -> Tensor:
    """Flatten all dimensions into one."""
    return input.reshape(-1)


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Exchange two dimensions."""
    return input.transpose(axis0, axis1)


def adjoint(input: Tensor) -> Tensor:
    """Exchange the last two dimensions."""
    return input.transpose(-2, -1)


def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Move dimensions to other places, the rest in order."""
    if isinstance(source, int):
        return _core.movedim(input, source, destination)
    rank = input.dim()
    moved = {d % rank: s % rank for s, d in zip(source, destination, strict=True)}
    rest = iter(d for d in range(rank) if d not in moved.values())
    return input.permute(*(moved[d] if d in moved else next(rest) for d in range(rank)))


def tile(input: Tensor, *dims) -> Tensor:
    """Repeat, the last dimensions where there are fewer numbers."""
    dims = _dims(dims)
    return input.repeat(*((1,) * (input.dim() - len(dims)) + tuple(dims)))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """Expand to a shape."""
    return input.expand(*size)


def broadcast_shapes(*shapes) -> Any:
    """Find the shape that shapes broadcast to."""
    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    out = [1] * max(map(len, shapes), default=0)
    for shape in shapes:
        for i, n in enumerate(reversed(shape)):
            if out[-1 - i] == 1:
                out[-1 - i] = n
            elif n not in (1, out[-1 - i]):
                raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
    return _types.Size(out)


def broadcast_tensors(*tensors) -> tuple[Tensor, ...]:
    """Expand tensors to one shape."""
    tensors = _dims(tensors)
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t.expand(*shape) for t in tensors)


def _at_least(rank: int):
    def convert(*tensors):
        def one(t: Tensor) -> Tensor:
            if rank == 3 and t.dim() in (1, 2):
                return t.reshape(1, -1, 1) if t.dim() == 1 else t.unsqueeze(-1)
            return t.reshape(*((1,) * (rank - t.dim()) + tuple(t.shape))) if t.dim() < rank else t

        several = _dims(tensors)
        out = tuple(one(t) for t in several)
        return out[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else out

    convert.__name__ = f"atleast_{rank}d"
    convert.__doc__ = f"Give tensors {rank} dimensions where they have fewer."
    return convert


atleast_1d, atleast_2d, atleast_3d = map(_at_least, (1, 2, 3))


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along columns (of vectors: along them)."""
    parts = [atleast_1d(t) for t in tensors]
    return _core.cat(parts, 0 if parts[0].dim() == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along rows."""
    return _core.cat([atleast_2d(t) for t in tensors], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along the third dimension."""
    return _core.cat([atleast_3d(t) for t in tensors], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Join along columns, vectors as columns."""
    return hstack([t.reshape(-1, 1) if t.dim() < 2 else t for t in tensors])


def tensor_split(input: Tensor, indices_or_sections, dim: int = 0) -> tuple[Tensor, ...]:
    """Split into parts of nearly equal size, or at positions."""
    n = input.shape[dim]
    if isinstance(indices_or_sections, Tensor):
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


def fliplr(input: Tensor) -> Tensor:
    """Reverse the columns."""
    return input.flip(1)


def flipud(input: Tensor) -> Tensor:
    """Reverse the rows."""
    return input.flip(0)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turn by quarters from the first to the second dimension."""
    a, b = dims
    turns = k % 4
    if turns == 0:
        return input
    if turns == 2:
        return input.flip(a, b)
    return input.flip(b).transpose(a, b) if turns == 1 else input.transpose(a, b).flip(b)


def meshgrid(*tensors, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Spread vectors over a grid, each along a dimension of its own."""
    vectors = [t.reshape(-1) for t in _dims(tensors)]
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
    if len(tensors) == 1:
        return tensors[0]
    return _core.stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


def repeat_interleave(input: Tensor, repeats, dim: int | None = None) -> Tensor:
    """Repeat every element (of a dimension) one after the other."""
    if dim is None:
        input, dim = input.reshape(-1), 0
    n = input.shape[dim]
    counts = repeats.tolist() if isinstance(repeats, Tensor) else repeats
    counts = [counts] * n if isinstance(counts, int) else counts
    counts = counts * n if len(counts) == 1 else counts
    if len(counts) != n:
        raise RuntimeError("repeats must have the same size as input along dim")
    at = [i for i, c in enumerate(counts) for _ in range(c)]
    return input.index_select(dim, _whole(at))


def _whole(values: list) -> Tensor:
    from ._create import tensor

    return tensor(values, dtype=_core.int64) if values else _core.zeros(0, dtype=_core.int64)


# Positions.


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """Take the elements where `mask` holds, as a vector."""
    x, m = broadcast_tensors(input, mask)
    return x[m]


def scatter(input: Tensor, dim: int, index: Tensor, src=None, *, value=None, reduce=None) -> Tensor:
    """Put elements of `src`, or a number, at positions of `dim`."""
    src = value if src is None else src
    if reduce is None:
        return _core._scatter(input, dim, index, src)
    whole = src if isinstance(src, Tensor) else _core.full_like(index, src, dtype=input.dtype)
    kinds = {"add": "sum", "multiply": "prod"}
    if reduce not in kinds:
        raise RuntimeError("reduce argument must be either add or multiply.")
    return scatter_reduce(input, dim, index, whole, kinds[reduce])


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Add (``"sum"``, ``"mean"``) elements of `src` at positions of `dim`."""
    if reduce not in ("sum", "mean"):
        raise NotImplementedError(f"scatter_reduce: reduce='{reduce}'")
    base = input if include_self else _core._scatter(input, dim, index, 0.0)
    sums = _core.scatter_add(base, dim, index, src)
    if reduce == "sum":
        return sums
    start = (
        _core.ones_like(input)
        if include_self
        else _core._scatter(_core.ones_like(input), dim, index, 0.0)
    )
    return sums / _core.scatter_add(start, dim, index, _core.ones_like(src))


def take(input: Tensor, index: Tensor) -> Tensor:
    """Take elements of the flattened tensor."""
    flat = input.reshape(-1)
    at = index.reshape(-1)
    at = _core.where(at < 0, at + flat.numel(), at)
    return flat.index_select(0, at).reshape(*index.shape)


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Take elements along a dimension; other dimensions broadcast."""
    if dim is None:
        return take(input, indices)
    a, b = list(input.shape), list(indices.shape)
    dim %= len(a)
    shape = broadcast_shapes(a[:dim] + [1] + a[dim + 1 :], b[:dim] + [1] + b[dim + 1 :])
    wide = [*shape[:dim], a[dim], *shape[dim + 1 :]]
    positions = [*shape[:dim], b[dim], *shape[dim + 1 :]]
    return input.expand(*wide).gather(dim, indices.expand(*positions))


def index_fill(input: Tensor, dim: int, index: Tensor, value: float) -> Tensor:
    """Set positions `index` of a dimension to a number."""
    marked = _core._index_sum(_core.ones_like(index), 0, index, input.shape[dim]) > 0
    shape = [1] * input.dim()
    shape[dim] = -1
    return input.masked_fill(marked.reshape(*shape), value)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Set positions `index` of a dimension to slices of `source`."""
    kept = index_fill(input, dim, index, 0)
    return kept.index_add(dim, index, source)


def argwhere(input: Tensor) -> Tensor:
    """List the positions of the elements that are not zero, one per row."""
    return input.nonzero()


def triu_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None) -> Tensor:
    """List rows and columns on and above a diagonal."""
    pairs = [(r, c) for r in range(row) for c in range(col) if c - r >= offset]
    return _whole([[r for r, _ in pairs], [c for _, c in pairs]])


def tril_indices(row: int, col: int, offset: int = 0, *, dtype=None, device=None) -> Tensor:
    """List rows and columns on and below a diagonal."""
    pairs = [(r, c) for r in range(row) for c in range(col) if c - r <= offset]
    return _whole([[r for r, _ in pairs], [c for _, c in pairs]])


# Reductions and counting.


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
):
    """Find the different elements, in order."""
    if dim is not None:
        raise NotImplementedError("unique: dim")
    values, inverse, counts = _core._unique(input)
    out = (values, *([inverse] if return_inverse else []), *([counts] if return_counts else []))
    return out if len(out) > 1 else values


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """Count (or sum the weights of) every whole number."""
    if input.dim() != 1 or (input.numel() and int(input.min()) < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    size = max(minlength, int(input.max()) + 1 if input.numel() else 0)
    ones = _core.ones_like(input, dtype=_core.int64) if weights is None else weights
    return _core._index_sum(ones, 0, input._cast(_core.int64), size)


def std_mean(input: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
    """Compute standard deviation and mean."""
    return input.std(*args, **kwargs), _mean_beside(input, *args, **kwargs)


def var_mean(input: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
    """Compute variance and mean."""
    return input.var(*args, **kwargs), _mean_beside(input, *args, **kwargs)


def _mean_beside(input: Tensor, dim=None, unbiased=True, keepdim: bool = False, **_) -> Tensor:
    if dim is None or isinstance(dim, bool):
        return input.mean()
    return input.mean(dim, keepdim)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False):
    """Find the smallest and the largest element."""
    dims = () if dim is None else (dim,)
    return _types.aminmax(input.amin(dims, keepdim), input.amax(dims, keepdim))


def nansum(input: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Sum without NaN."""
    return input.masked_fill(input.isnan(), 0).sum(dim, keepdim)


def nanmean(input: Tensor, dim: Dims | None = None, keepdim: bool = False) -> Tensor:
    """Average without NaN."""
    count = input.isnan().logical_not().sum(dim, keepdim)
    return nansum(input, dim, keepdim) / count


def diff(input: Tensor, n: int = 1, dim: int = -1) -> Tensor:
    """Subtract each element from the next one, `n` times."""
    for _ in range(n):
        size = input.shape[dim]
        input = input.narrow(dim, 1, size - 1) - input.narrow(dim, 0, size - 1)
    return input


def norm(input: Tensor, p: float | str = "fro", dim: Dims | None = None, keepdim: bool = False):
    """Compute the p-norm of all elements, or over dimensions."""
    if p in (None, "fro"):
        p = 2.0
    if isinstance(p, str):
        raise NotImplementedError(f"norm: p='{p}'")
    return _core._vector_norm(input, float(p), dim, keepdim)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Compute the p-norm of the difference."""
    return norm(input - other, p)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Shrink the slices of a dimension whose p-norm is larger than `maxnorm`."""
    others = [d for d in range(input.dim()) if d != dim % input.dim()]
    lengths = norm(input, p, others, True)
    factor = _core.where(lengths > maxnorm, maxnorm / (lengths + 1e-7), _core.ones_like(lengths))
    return input * factor


def cov(input: Tensor, *, correction: int = 1) -> Tensor:
    """Compute the covariance of the rows, whose columns are observations."""
    x = input.reshape(1, -1) if input.dim() < 2 else input
    centred = x - x.mean(1, keepdim=True)
    out = centred.matmul(centred.t()) / max(x.shape[1] - correction, 0)
    return out.reshape(()) if input.dim() < 2 else out


# Numbers.


def isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Compare: ``|input - other| <= atol + rtol*|other|``."""
    near = (input == other).logical_or(
        ((input - other).abs() <= other.abs() * rtol + atol).logical_and(other.isfinite())
    )
    return near.logical_or(input.isnan().logical_and(other.isnan())) if equal_nan else near


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x/(1 - x)), x kept `eps` away from 0 and 1."""
    x = input if eps is None else input.clamp(eps, 1 - eps)
    return (x / (1 - x)).log()


def xlogy(input: Tensor, other: Tensor) -> Tensor:
    """input*log(other), 0 where input is 0."""
    none = input == 0
    return _core.where(none, _core.zeros_like(input), input * other.log())


def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input^2 + other^2)."""
    return (input.square() + other.square()).sqrt()


def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, `values` at 0, 1 above."""
    return _core.where(input == 0, values, (input > 0)._cast(input.dtype))


def copysign(input: Tensor, other: Tensor) -> Tensor:
    """|input| with the sign of `other`."""
    size = input.abs()
    return _core.where(signbit(other), -size, size)


def signbit(input: Tensor) -> Tensor:
    """Whether the sign is a minus."""
    if not input.dtype.is_floating_point:
        return input < 0
    return (input < 0).logical_or((input == 0).logical_and(input.reciprocal() < 0))


def deg2rad(input: Tensor) -> Tensor:
    """Convert degrees to radians."""
    return input * 0.017453292519943295


def rad2deg(input: Tensor) -> Tensor:
    """Convert radians to degrees."""
    return input * 57.29577951308232


def clip(input: Tensor, min=None, max=None) -> Tensor:
    """Bring elements into [min, max]."""
    return input.clamp(min, max)


def logspace(start: float, end: float, steps: int, base: float = 10.0, **options) -> Tensor:
    """`steps` powers of `base` with evenly spaced exponents from `start` to `end`."""
    grad = options.pop("requires_grad", False)
    dtype = options.pop("dtype", None) or _core.float32
    exponents = _core.linspace(start, end, steps, dtype=_core.float64)
    return _core.pow(base, exponents)._cast(dtype).requires_grad_(grad)


def chain_matmul(*matrices: Tensor) -> Tensor:
    """Multiply matrices."""
    out = matrices[0]
    for m in matrices[1:]:
        out = out.matmul(m)
    return out


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Compute Kronecker's product."""
    rank = max(input.dim(), other.dim())
    a = input.reshape(*((1,) * (rank - input.dim()) + tuple(input.shape)))
    b = other.reshape(*((1,) * (rank - other.dim()) + tuple(other.shape)))
    spread_a = [n for s in a.shape for n in (s, 1)]
    spread_b = [n for s in b.shape for n in (1, s)]
    sizes = [m * n for m, n in zip(a.shape, b.shape, strict=True)]
    return (a.reshape(*spread_a) * b.reshape(*spread_b)).reshape(*sizes)


def tensordot(a: Tensor, b: Tensor, dims: int | Sequence = 2) -> Tensor:
    """Sum products over the last dimensions of `a` and the first of `b`, or over named ones."""
    if isinstance(dims, int):
        left, right = list(range(a.dim() - dims, a.dim())), list(range(dims))
    else:
        left, right = ([d] if isinstance(d, int) else list(d) for d in dims)
    left = [d % a.dim() for d in left]
    right = [d % b.dim() for d in right]
    rows = [d for d in range(a.dim()) if d not in left]
    columns = [d for d in range(b.dim()) if d not in right]
    inner = 1
    for d in left:
        inner *= a.shape[d]
    x = a.permute(*rows, *left).reshape(-1, inner)
    y = b.permute(*right, *columns).reshape(inner, -1)
    return x.matmul(y).reshape(*(a.shape[d] for d in rows), *(b.shape[d] for d in columns))


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sum products over the last dimensions of both."""
    if input.dim() == 0 or other.dim() == 0:
        return input * other
    return tensordot(input, other, ([-1], [-1]))


swapdims, moveaxis, row_stack = swapaxes, movedim, vstack
greater, greater_equal, less, less_equal = _core.gt, _core.ge, _core.lt, _core.le
not_equal, true_divide, clamp = _core.ne, _core.div, _core.clamp

_METHODS = [
    *("unbind", "unflatten", "ravel", "swapaxes", "swapdims", "adjoint", "movedim", "moveaxis"),
    *("tile", "broadcast_to", "tensor_split", "fliplr", "flipud", "rot90", "repeat_interleave"),
    *("masked_select", "scatter", "scatter_reduce", "take", "take_along_dim", "index_fill"),
    *("index_copy", "argwhere", "unique", "bincount", "aminmax", "nansum", "nanmean", "diff"),
    *("norm", "dist", "renorm", "cov", "isclose", "logit", "xlogy", "hypot"),
    *("heaviside", "copysign", "signbit", "deg2rad", "rad2deg", "clip", "kron", "inner"),
]
_FUNCTIONS = [
    *("broadcast_shapes", "broadcast_tensors", "atleast_1d", "atleast_2d"),
    *("atleast_3d", "hstack", "vstack", "row_stack", "dstack", "column_stack", "meshgrid"),
    *("cartesian_prod", "triu_indices", "tril_indices", "std_mean", "var_mean", "logspace"),
    *("chain_matmul", "tensordot", "split", "greater", "greater_equal", "less", "less_equal"),
    *("not_equal", "true_divide"),
]
# Methods that have an in-place form too.
_WRITTEN = [
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "erf", "erfc", "expm1", "log1p"),
    *("log2", "log10", "exp2", "floor", "ceil", "round", "trunc", "frac", "sign", "nan_to_num"),
    *("lerp", "addcmul", "addcdiv", "clip", "remainder", "fmod", "floor_divide", "cumsum"),
    *("cumprod", "index_add", "index_fill", "index_copy", "scatter", "scatter_add", "addmm"),
    *("baddbmm", "bitwise_and", "bitwise_or", "bitwise_xor", "logit", "tril", "triu", "renorm"),
]
__all__ = sorted([*_METHODS, *_FUNCTIONS])  # noqa: PLE0605 (a list of the two above)


def _register() -> None:
    for name in _METHODS:
        setattr(Tensor, name, globals()[name])
    t: Any = Tensor
    for name, old in (
        ("greater", "gt"),
        ("greater_equal", "ge"),
        ("less", "lt"),
        ("less_equal", "le"),
        ("not_equal", "ne"),
        ("true_divide", "div"),
    ):
        setattr(t, name, getattr(t, old))
    t.floor_divide = t.__floordiv__ = Tensor._floor_divide
    t.remainder = t.__mod__ = Tensor._remainder
    t.sum_to_size = _sum_to_size
    for name in _WRITTEN:
        setattr(t, name + "_", _in_place(name))


def _sum_to_size(self: Tensor, *size) -> Tensor:
    """Sum over the dimensions along which `size` would broadcast to this shape."""
    size = _dims(size)
    lead = self.dim() - len(size)
    dims = [d for d in range(self.dim()) if d < lead or size[d - lead] == 1 != self.shape[d]]
    return self.sum(dims, True).reshape(*size) if dims else self


_register()

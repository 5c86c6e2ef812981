"""Reductions: statistics, norms, what runs along a dimension."""

from __future__ import annotations

from .. import _core, _types
from .._core import Tensor
from ._method import Dims, method, without_gradient
from .signatures import _positive

__all__ = [
    "aminmax",
    "corrcoef",
    "cov",
    "cumulative_trapezoid",
    "diff",
    "dist",
    "gradient",
    "histc",
    "nanmean",
    "nansum",
    "norm",
    "renorm",
    "std_mean",
    "trapezoid",
    "trapz",
    "var_mean",
]


def _beside_mean(name: str):
    def both(input: Tensor, *args, **kwargs) -> tuple[Tensor, Tensor]:
        dim, keepdim = _reduced(*args, **kwargs)
        return getattr(input, name)(*args, **kwargs), input.mean(dim, keepdim)

    both.__name__ = name + "_mean"
    both.__doc__ = f"Compute `{name}` and the mean."
    return both


def _reduced(dim=None, unbiased=True, keepdim: bool = False, correction=1):
    """The dimensions that such a call reduces, and whether they stay."""
    return (None if isinstance(dim, bool) else dim), keepdim


std_mean, var_mean = map(_beside_mean, ("std", "var"))


@method
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False):
    """Find the smallest and the largest element."""
    dims = () if dim is None else (dim,)
    return _types.aminmax(input.amin(dims, keepdim), input.amax(dims, keepdim))


@method
def nansum(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Sum without NaN."""
    x = input.masked_fill(input.isnan(), 0) if input.dtype.is_floating_point else input
    return x.sum(dim, keepdim, dtype=dtype)


@method
def nanmean(input: Tensor, dim: Dims | None = None, keepdim: bool = False, *, dtype=None) -> Tensor:
    """Average without NaN."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point dtype but got {input.dtype}"
        )
    count = input.isnan().logical_not().sum(dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


@method
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Subtract each element from the next one, `n` times; of truths, tell where they change."""
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    if n == 0:
        return input.clone()
    parts = [t for t in (prepend, input, append) if t is not None]
    input = _core.cat(parts, dim) if len(parts) > 1 else input
    for _ in range(n):
        size = max(input.shape[dim], 1)
        after = input.narrow(dim, min(1, input.shape[dim]), size - 1)
        before = input.narrow(dim, 0, size - 1)
        input = after.logical_xor(before) if input.dtype is _core.bool else after - before
    return input


@method
def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims | None = None,
    keepdim: bool = False,
    out=None,
    dtype=None,
) -> Tensor:
    """Compute the p-norm of all elements, or over dimensions."""
    if out is not None:
        out._become(norm(input, p, dim, keepdim, None, dtype)._cast(out.dtype))
        return out
    if dtype is not None:
        input = input._cast(dtype)
    if p in (None, "fro"):
        p = 2.0
    if p == "nuc":
        from ..linalg import matrix_norm

        return matrix_norm(input, "nuc", (0, 1) if dim is None else dim, keepdim)
    if isinstance(p, str):
        raise RuntimeError(f"norm: p is a number, 'fro' or 'nuc', got '{p}'")
    return _core._vector_norm(input, float(p), dim, keepdim)


@method
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """Compute the p-norm of the difference."""
    return norm(input - other, p)


@method
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Shrink the slices of a dimension whose p-norm is larger than `maxnorm`."""
    if not p > 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p={p}")
    if input.dim() < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.dim()}")
    if not maxnorm >= 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    (dim,) = _positive(dim, input.dim())
    others = [d for d in range(input.dim()) if d != dim]
    lengths = norm(input, p, others, True)
    factor = _core.where(lengths > maxnorm, maxnorm / (lengths + 1e-7), _core.ones_like(lengths))
    return input * factor


@method
def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """Compute the covariance of the rows, whose columns are observations.

    Parameters
    ----------
    input : Tensor
        (variables, observations), or (observations).
    correction : int
        Subtracted from the number of observations.
    fweights, aweights : Tensor, optional
        (observations); how often each was seen, and how much it counts.
    """
    if input.dim() > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with "
            f"{input.dim()} dimensions"
        )
    if input.dtype is _core.bool:
        raise NotImplementedError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input.dim() < 2 else input
    x = x if x.dtype.is_floating_point else x._cast(_core.float32)
    weights = _weights(x, fweights, aweights)
    if weights is None:
        free = x.shape[1] - correction
        centred = scaled = x - x.mean(1, keepdim=True)
    else:
        total = weights.sum()
        squares = (weights * aweights).sum() if aweights is not None else total
        free = (total - correction * squares / total).clamp(min=0)
        centred = x - (x * weights).sum(1, keepdim=True) / total
        scaled = centred * weights
    out = scaled.matmul(centred.t()) / (max(free, 0) if isinstance(free, int) else free)
    return out.reshape(()) if x.shape[0] == 1 else out


def _weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    """The product of both weights of the observations."""
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.dim() > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions")
        if w.numel() != x.shape[1]:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the "
                f"input but got {w.numel()} != {x.shape[1]}"
            )
        if w.numel() and w.min().item() < 0:
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return fweights if aweights is None else aweights
    return fweights * aweights


@method
def corrcoef(input: Tensor) -> Tensor:
    """Compute the correlation of the rows, whose columns are observations."""
    c = cov(input)
    if c.dim() == 0:
        return c / c
    size = c.diagonal().sqrt()
    return (c / size.unsqueeze(1) / size.unsqueeze(0)).clamp(-1, 1)


@method
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Count the elements in `bins` equal parts of [min, max]; of the data's range where both are
    equal."""
    import numpy as np

    from .._create import from_numpy

    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    min, max = float(min), float(max)
    if min > max:
        raise RuntimeError("torch.histc: max must be larger than min")
    if input.dtype is _core.bool:
        raise NotImplementedError("\"histogram_cpu\" not implemented for 'Bool'")
    (x,) = without_gradient("histc", input)
    x = x.reshape(-1)
    if min == max and x.size:
        min, max = float(x.min()), float(x.max())
    if min == max:
        min, max = min - 1, max + 1
    if not np.isfinite([min, max]).all():
        raise RuntimeError(f"range of [{min:g}, {max:g}] is not finite")
    inside = x[(x >= min) & (x <= max)]
    at = np.minimum(((inside - min) / (max - min) * bins).astype(np.int64), bins - 1)
    return from_numpy(np.bincount(at, minlength=bins).astype(x.dtype))


def _trapezoids(y: Tensor, x: Tensor | None, dx: float, dim: int) -> Tensor:
    """The areas between neighbours."""
    for t in (y, x):
        if t is not None and t.dtype is _core.bool:
            raise NotImplementedError(
                "trapezoid: received a bool input for `x` or `y`, but bool is not supported"
            )
    n = y.shape[dim]
    pairs = y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)
    if x is None:
        return pairs * (dx / 2)
    steps = diff(x, dim=dim if x.dim() == y.dim() else -1)
    if x.dim() != y.dim():
        steps = steps.reshape(*(-1 if d == dim % y.dim() else 1 for d in range(y.dim())))
    return pairs * steps / 2


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """Integrate along a dimension by the trapezoidal rule."""
    return _trapezoids(y, x, dx, dim).sum(dim)


def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1
) -> Tensor:
    """Integrate up to every element along a dimension by the trapezoidal rule."""
    return _trapezoids(y, x, dx, dim).cumsum(dim)


trapz = trapezoid


def gradient(input: Tensor, *, spacing=None, dim: Dims | None = None, edge_order: int = 1):
    """Estimate derivatives along dimensions from neighbours (of both sides, where there are two).

    Parameters
    ----------
    input : Tensor
        Values of a function.
    spacing : number, sequence of numbers or of tensors
        The distance of neighbours, for all dimensions or for each, or their coordinates.
    dim : int or sequence, optional
        Along which; all where not given.
    edge_order : int
        1 or 2: how the derivatives at the ends are estimated.
    """
    dims = range(input.dim()) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = _positive(dims, input.dim())
    spacing = 1 if spacing is None else spacing
    if isinstance(spacing, (int, float)) or (isinstance(spacing, Tensor) and spacing.dim() == 0):
        spacing = [spacing] * len(dims)
    if len(spacing) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"equal to 'dim' ({len(dims)}), but got {len(spacing)}"
        )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    return tuple(_slope(input, h, d, edge_order) for h, d in zip(spacing, dims, strict=True))


def _slope(x: Tensor, spacing, dim: int, edge_order: int) -> Tensor:
    n = x.shape[dim]
    if n < edge_order + 1:
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1"
        )
    x = x if x.dtype.is_floating_point else x.to(_core.float32)
    if isinstance(spacing, Tensor) and spacing.dim() == 1:
        shape = [-1 if d == dim else 1 for d in range(x.dim())]
        h = diff(spacing).reshape(*shape).to(x.dtype)
    else:
        h = _core.ones([n - 1 if d == dim else 1 for d in range(x.dim())], dtype=x.dtype) * spacing
    step = diff(x, dim=dim) / h

    def at(t: Tensor, start: int, length: int) -> Tensor:
        return t.narrow(dim, start, length)

    a, b = at(h, 0, n - 2), at(h, 1, n - 2)
    inner = (at(step, 0, n - 2) * b + at(step, 1, n - 2) * a) / (a + b)
    first, last = at(step, 0, 1), at(step, n - 2, 1)
    if edge_order == 2:
        first = first + (first - at(step, 1, 1)) * at(a, 0, 1) / (at(a, 0, 1) + at(b, 0, 1))
        k = n - 3
        last = last + (last - at(step, k, 1)) * at(b, k, 1) / (at(a, k, 1) + at(b, k, 1))
    return _core.cat([first, inner, last], dim)

"""Inverses, determinants and decompositions, by LAPACK by way of NumPy; without derivatives."""

from __future__ import annotations

from collections import namedtuple

from .. import _core
from .._core import Tensor
from ._method import method, without_gradient

__all__ = ["det", "inverse", "logdet", "pinverse", "qr", "slogdet", "svd"]

QR = namedtuple("QR", "Q R")
SVD = namedtuple("SVD", "U S Vh")
Eigh = namedtuple("Eigh", "eigenvalues eigenvectors")
SlogDet = namedtuple("SlogDet", "sign logabsdet")


def by_numpy(name: str, function, *tensors: Tensor):
    """Call a function of arrays; its arrays become tensors, its errors PyTorch's kind."""
    import numpy as np

    from .._create import from_numpy

    arrays = without_gradient(name, *tensors)
    for t in tensors:
        if not t.dtype.is_floating_point:
            raise RuntimeError(f"{name}: Expected a floating point tensor as input. Got {t.dtype}")
    try:
        found = function(*arrays)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(f"{name}: {error}") from None
    several = isinstance(found, tuple)
    out = [from_numpy(np.asarray(f, order="C")) for f in (found if several else (found,))]
    return tuple(out) if several else out[0]


class LinAlgError(RuntimeError):
    """A matrix for which there is no answer."""


def _square(name: str, x: Tensor) -> None:
    if x.dim() < 2 or x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are "
            f"{x.shape[-2] if x.dim() > 1 else 1} by {x.shape[-1] if x.dim() else 1} matrices"
        )


@method
def inverse(input: Tensor) -> Tensor:
    """Invert square matrices."""
    import numpy as np

    _square("linalg.inv", input)
    return by_numpy("linalg.inv", np.linalg.inv, input)


@method
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """Compute the Moore-Penrose inverse."""
    import numpy as np

    return by_numpy("linalg.pinv", lambda a: np.linalg.pinv(a, rcond), input)


@method
def det(input: Tensor) -> Tensor:
    """Compute determinants."""
    import numpy as np

    _square("linalg.det", input)
    return by_numpy("linalg.det", np.linalg.det, input)


@method
def slogdet(input: Tensor):
    """Compute sign and logarithm of determinants."""
    import numpy as np

    _square("linalg.slogdet", input)
    return SlogDet(*by_numpy("linalg.slogdet", lambda a: tuple(np.linalg.slogdet(a)), input))


@method
def logdet(input: Tensor) -> Tensor:
    """Compute logarithms of determinants; NaN for negative ones."""
    sign, size = slogdet(input)
    return _core.where(sign < 0, _core.full_like(size, float("nan")), size)


def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Factor positive definite matrices into a triangle and its transpose."""
    import numpy as np

    _square("linalg.cholesky", input)
    lower = by_numpy("linalg.cholesky", np.linalg.cholesky, input)
    return lower.transpose(-1, -2) if upper else lower


def qr_of(input: Tensor, mode: str = "reduced"):
    """Factor into an orthogonal matrix and a triangle."""
    import numpy as np

    if mode not in ("reduced", "complete"):
        raise NotImplementedError(f"linalg.qr: mode='{mode}'; use 'reduced' or 'complete'")
    return QR(*by_numpy("linalg.qr", lambda a: tuple(np.linalg.qr(a, mode)), input))


@method
def qr(input: Tensor, some: bool = True):
    """Factor into an orthogonal matrix and a triangle."""
    return qr_of(input, "reduced" if some else "complete")


def svd_of(input: Tensor, full_matrices: bool = True):
    """Factor into orthogonal matrices and singular values: ``U @ diag(S) @ Vh``."""
    import numpy as np

    return SVD(*by_numpy("linalg.svd", lambda a: tuple(np.linalg.svd(a, full_matrices)), input))


@method
def svd(input: Tensor, some: bool = True, compute_uv: bool = True):
    """Factor into orthogonal matrices and singular values: ``U @ diag(S) @ V.T``."""
    u, s, vh = svd_of(input, not some)
    return u, s, vh.transpose(-1, -2)

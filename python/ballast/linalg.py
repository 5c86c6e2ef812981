"""Linear algebra, as ``torch.linalg``: norms and products; decompositions have no derivatives."""

from __future__ import annotations

import math
from collections.abc import Sequence

from . import _core
from ._core import Tensor
from ._operations import chain_matmul, det, matrix_power, slogdet
from ._operations import cross as _cross
from ._operations import inverse as inv
from ._operations.matrices import Eigh, LinAlgError, by_numpy, cholesky, svd_of
from ._operations.matrices import qr_of as qr

__all__ = [
    "LinAlgError",
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "vecdot",
    "vector_norm",
]

Dims = int | Sequence[int]
matmul, svd = _core.matmul, svd_of


def vector_norm(
    x: Tensor, ord: float = 2, dim: Dims | None = None, keepdim: bool = False, *, dtype=None
) -> Tensor:
    """Compute the norm of order `ord` of all elements, or over dimensions."""
    x = x if dtype is None else x.to(dtype)
    return _core._vector_norm(x, float(ord), dim, keepdim)


def matrix_norm(
    A: Tensor,  # noqa: N803 (PyTorch's name)
    ord: float | str = "fro",
    dim: tuple[int, int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype=None,
) -> Tensor:
    """Compute a norm of matrices: ``"fro"``, ``"nuc"``, ±1, ±2 or ±infinity."""
    a = A if dtype is None else A.to(dtype)
    if ord == "fro":
        return vector_norm(a, 2, dim, keepdim)
    if isinstance(ord, str) and ord != "nuc":
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    matrices = a.movedim(dim, (-2, -1))
    if ord == "nuc" or abs(ord) == 2:
        values = svdvals(matrices)
        out = values.sum(-1) if ord == "nuc" else values.amax(-1) if ord > 0 else values.amin(-1)
    elif abs(ord) in (1, math.inf):
        sums = matrices.abs().sum(-2 if abs(ord) == 1 else -1)
        out = sums.amax(-1) if ord > 0 else sums.amin(-1)
    else:
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if not keepdim:
        return out
    for d in sorted(d % a.dim() for d in dim):
        out = out.unsqueeze(d)
    return out


def norm(
    A: Tensor,  # noqa: N803
    ord: float | str | None = None,
    dim: Dims | None = None,
    keepdim: bool = False,
    *,
    dtype=None,
) -> Tensor:
    """Compute a norm of a vector or a matrix."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if dim is None and A.dim() not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. "
            f"Got {A.dim()}D."
        )
    over = tuple(range(A.dim())) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if len(over) == 2:
        return matrix_norm(A, ord, over, keepdim, dtype=dtype)
    return vector_norm(A, ord, over, keepdim, dtype=dtype)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Compute the cross product along a dimension of size 3."""
    return _cross(input, other, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sum products along a dimension."""
    return (x * y).sum(dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:  # noqa: N803
    """Take diagonals of matrices."""
    return A.diagonal(offset, dim1, dim2)


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Multiply matrices."""
    return chain_matmul(*tensors)


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:  # noqa: N803
    """Solve ``A @ X = B``."""
    import numpy as np

    if not left:
        return solve(A.transpose(-1, -2), B.transpose(-1, -2)).transpose(-1, -2)
    if B.dim() == 1:
        return solve(A, B.unsqueeze(-1)).squeeze(-1)
    return by_numpy("linalg.solve", np.linalg.solve, A, B)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None):  # noqa: N803
    """Find the X for which ``A @ X`` is closest to B: `solution` of what is returned."""
    from collections import namedtuple

    import numpy as np

    kind = namedtuple("lstsq", "solution residuals rank singular_values")
    parts = by_numpy("linalg.lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond)[0], A, B)
    empty = _core.empty(0, dtype=A.dtype)
    return kind(parts, empty, _core.empty(0, dtype=_core.int64), empty)


def svdvals(A: Tensor) -> Tensor:  # noqa: N803
    """Compute singular values, the largest first."""
    import numpy as np

    return by_numpy("linalg.svdvals", lambda a: np.linalg.svd(a, compute_uv=False), A)


def eigh(A: Tensor, UPLO: str = "L"):  # noqa: N803
    """Compute eigenvalues, the smallest first, and eigenvectors of symmetric matrices."""
    import numpy as np

    return Eigh(*by_numpy("linalg.eigh", lambda a: tuple(np.linalg.eigh(a, UPLO)), A))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:  # noqa: N803
    """Compute eigenvalues of symmetric matrices, the smallest first."""
    return eigh(A, UPLO)[0]


def pinv(A: Tensor, *, rtol: float | None = None, hermitian: bool = False) -> Tensor:  # noqa: N803
    """Compute the Moore-Penrose inverse."""
    import numpy as np

    eps = float(np.finfo(A.detach().numpy().dtype).eps) * max(A.shape[-2:])
    rcond = eps if rtol is None else rtol
    return by_numpy("linalg.pinv", lambda a: np.linalg.pinv(a, rcond, hermitian), A)


def matrix_rank(A: Tensor, *, tol: float | None = None) -> Tensor:  # noqa: N803
    """Count the singular values that are not zero, up to rounding."""
    import numpy as np

    return by_numpy("linalg.matrix_rank", lambda a: np.asarray(np.linalg.matrix_rank(a, tol)), A)

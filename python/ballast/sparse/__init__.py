"""Sparse tensors as graph networks use them, as ``torch.sparse``.

A sparse tensor holds the places and the values of some elements; the others are zero. It multiplies
dense matrices, is transposed, added up and made dense; other operations say so by name.
"""

# ruff: noqa: F401 (names of the package)
from __future__ import annotations

from .._core import Tensor
from . import coo
from .coo import SparseTensor, sparse_coo_tensor, sparse_csr_tensor

__all__ = ["addmm", "mm", "softmax", "spsolve", "sum"]


def mm(mat1: Tensor, mat2: Tensor) -> Tensor:
    """Multiply a sparse matrix with a dense one; both gradients are there."""
    return coo.multiply(mat1, mat2)


def addmm(mat: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """Compute ``beta*mat + alpha*(mat1 @ mat2)``, `mat1` sparse."""
    return beta * mat + alpha * coo.multiply(mat1, mat2)


def sum(input: Tensor, dim=None, dtype=None) -> Tensor:
    """Add elements up: all, or over dimensions, which gives a dense tensor here."""
    values = input.values() if input.is_coalesced() else input.coalesce().values()
    if dim is None:
        return values.sum(dtype=dtype)
    return input.to_dense().sum(dim, dtype=dtype)


def softmax(input: Tensor, dim: int, *, dtype=None) -> Tensor:
    """Softmax over the elements that are there."""
    return coo.softmax(input, dim)


def __getattr__(name: str):
    from .._missing import say

    raise AttributeError(say("torch.sparse", name), name=name, obj=None)

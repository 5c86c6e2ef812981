"""Whether PyTorch's openmp backend is there: it is not, and is not needed."""

from __future__ import annotations


def is_available() -> bool:
    """Whether this backend is there."""
    return False

"""Whether PyTorch's mps backend is there: it is not, and is not needed."""

from __future__ import annotations


def is_available() -> bool:
    """Whether this backend is there."""
    return False


is_built = is_available

"""Switches of CUDA's libraries, which are not there."""

from __future__ import annotations


def is_built() -> bool:
    """Whether Ballast can use GPUs."""
    return False


class matmul:  # noqa: N801 (PyTorch's name)
    """Precision of products on GPUs."""

    allow_tf32 = False

"""The processor, as ``torch.backends.cpu``."""

from __future__ import annotations

from .._core import _target_name


def get_cpu_capability() -> str:
    """Name the vector instructions in use: ``"AVX512"``, ``"AVX2"`` or ``"DEFAULT"``.

    ``BALLAST_TARGET=avx2`` (or ``baseline``) in the environment keeps from what is beyond.
    """
    return _target_name()

"""Exchange of memory with other libraries, as ``torch.utils.dlpack``."""

from __future__ import annotations

from typing import Any

from .. import from_dlpack
from .._core import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """Hand a tensor's memory out, as a capsule."""
    return tensor.__dlpack__()

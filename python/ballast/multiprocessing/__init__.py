"""Python's multiprocessing with tensors in shared memory, as ``torch.multiprocessing``.

`Tensor.share_memory_` moves a tensor into memory that other processes see: handed to them, it is
the same memory there. Other tensors are handed over by value.
"""

# ruff: noqa: F401 (names of the package)
from __future__ import annotations

import multiprocessing as _multiprocessing
from multiprocessing import *  # noqa: F403
from multiprocessing.reduction import ForkingPickler

from .._core import Tensor
from ..nn.parameter import Buffer, Parameter
from . import shared
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

__all__ = [
    *_multiprocessing.__all__,
    *("ProcessContext", "ProcessException", "ProcessExitedException", "ProcessRaisedException"),
    *("SpawnContext", "get_all_sharing_strategies", "get_sharing_strategy"),
    *("set_sharing_strategy", "spawn", "start_processes"),
]

for _type in (Tensor, Parameter, Buffer):
    ForkingPickler.register(_type, shared.reduce)


def get_all_sharing_strategies() -> set[str]:
    """List how memory is shared: by files that have names."""
    return {"file_system"}


def get_sharing_strategy() -> str:
    """Say how memory is shared."""
    return "file_system"


def set_sharing_strategy(new_strategy: str) -> None:
    """Accept PyTorch's ways, which change nothing but how memory is handed over."""
    if new_strategy not in ("file_system", "file_descriptor"):
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}")

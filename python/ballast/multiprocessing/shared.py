"""Tensors in memory that several processes see."""

from __future__ import annotations

import multiprocessing.resource_tracker
import weakref
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from .._core import Tensor

#: The memory of each tensor that was shared, as long as the tensor lives.
_MEMORY: dict[int, SharedMemory] = {}


def _forget(key: int, memory: SharedMemory, owner: bool) -> None:
    _MEMORY.pop(key, None)
    if owner:
        memory.unlink()
    # The mapping ends with the last array over it.
    memory._buf = memory._mmap = None


def _keep(t: Tensor, memory: SharedMemory, owner: bool) -> None:
    _MEMORY[id(t)] = memory
    weakref.finalize(t, _forget, id(t), memory, owner)


def _over(memory: SharedMemory, shape: tuple[int, ...], dtype: Any) -> Tensor:
    from .. import from_numpy

    return from_numpy(np.ndarray(shape, dtype, buffer=memory.buf))


def share(t: Tensor) -> Tensor:
    """Move a tensor's elements into shared memory; those that are there stay."""
    if id(t) in _MEMORY or t.numel() == 0:
        return t
    array = t.detach().numpy()
    memory = SharedMemory(create=True, size=array.nbytes)
    there = _over(memory, array.shape, array.dtype)
    there.copy_(t.detach())
    t.data = there
    _keep(t, memory, owner=True)
    if t.grad is not None:
        share(t.grad)
    return t


def is_shared(t: Tensor) -> bool:
    """Whether a tensor's elements are in shared memory."""
    return id(t) in _MEMORY


def _attach(cls: type, name: str, shape: tuple[int, ...], dtype: str, requires_grad: bool):
    memory = SharedMemory(name)
    # Whoever made it removes it: this process only looks.
    multiprocessing.resource_tracker.unregister(memory._name, "shared_memory")
    out = cls(_over(memory, shape, np.dtype(dtype)), requires_grad)
    _keep(out, memory, owner=False)
    return out


def reduce(t: Tensor) -> tuple:
    """Hand a tensor to another process: by name where it is shared, else by value."""
    memory = _MEMORY.get(id(t))
    if memory is None:
        return t.__reduce_ex__(2)
    array = t.detach().numpy()
    return _attach, (type(t), memory.name, array.shape, array.dtype.str, t.requires_grad)

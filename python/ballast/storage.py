"""The memory of tensors, as ``torch.storage``: bytes, and elements of a type."""

from __future__ import annotations

from typing import Any

from . import _core
from ._core import Tensor
from ._create import bits_of_bfloat16, from_numpy, tensor

__all__ = ["TypedStorage", "UntypedStorage"]


def _all_of(t: Tensor) -> Any:
    """Show the elements of a tensor without gaps, as an array that shares its memory."""
    if t.is_contiguous() and not t.storage_offset():
        return (bits_of_bfloat16(t) if t.dtype is _core.bfloat16 else t.numpy()).reshape(-1)
    raise NotImplementedError(
        "the elements of a view's storage are not in Ballast: use x.contiguous(), or the tensor "
        "that is viewed"
    )


class UntypedStorage:
    """Bytes that tensors are made of.

    Parameters
    ----------
    size : int, or sequence of int
        How many, or which.
    """

    def __init__(self, size: Any = 0, *, _of: Tensor | None = None, device: Any = None):
        if _of is None:
            whole = isinstance(size, int)
            make = _core.zeros if whole else tensor
            _of = make(size if whole else list(size), dtype=_core.uint8)
        self._of = _of.detach()

    @classmethod
    def from_file(cls, filename: str, shared: bool = False, nbytes: int = 0) -> UntypedStorage:
        """Map a file into memory; what is written goes to the file only where it is `shared`."""
        import numpy as np

        mode = "r+" if shared else "c"
        return cls(_of=from_numpy(np.memmap(filename, np.uint8, mode, shape=(nbytes,))))

    def untyped(self) -> UntypedStorage:
        """Itself."""
        return self

    def __array__(self, dtype=None, copy=None):
        return self._array.view("u1")

    @property
    def _array(self) -> Any:
        return _all_of(self._of)

    device = property(lambda self: _core.empty(0).device)
    is_cuda = property(lambda self: False)

    def __len__(self) -> int:
        last = self._of.storage_offset() + 1
        last += sum(
            (n - 1) * step for n, step in zip(self._of.shape, self._of.stride(), strict=True)
        )
        return last * self._of.itemsize if self._of.numel() else 0

    size = nbytes = __len__

    def __getitem__(self, at):
        found = self._array.view("u1")[at]
        return UntypedStorage(_of=from_numpy(found)) if isinstance(at, slice) else int(found)

    def __setitem__(self, at, value) -> None:
        self._array.view("u1")[at] = value

    def __iter__(self):
        return iter(self.tolist())

    def tolist(self) -> list[int]:
        """List the bytes."""
        return self._array.view("u1").tolist()

    def data_ptr(self) -> int:
        """Where they are."""
        return self._of.data_ptr() - self._of.storage_offset() * self._of.itemsize

    def cpu(self) -> UntypedStorage:
        """The same: they are there."""
        return self

    def element_size(self) -> int:
        """One."""
        return 1

    def clone(self) -> UntypedStorage:
        """Copy."""
        return UntypedStorage(_of=self._of.clone())

    def __repr__(self) -> str:
        return f"<UntypedStorage of {len(self)} bytes>"


class TypedStorage:
    """Elements that tensors are made of."""

    def __init__(self, *args: Any, _tensor: Tensor | None = None):
        if _tensor is None:
            _tensor = tensor(list(args[0])) if args and not isinstance(args[0], int) else None
        if _tensor is None:
            _tensor = _core.empty(*(args or (0,)))
        self._of = _tensor.detach()
        self._array = _all_of(self._of)

    dtype = property(lambda self: self._of.dtype)
    device = property(lambda self: self._of.device)
    is_cuda = property(lambda self: False)

    def untyped(self) -> UntypedStorage:
        """The bytes."""
        return UntypedStorage(_of=self._of)

    def __len__(self) -> int:
        return len(self._array)

    size = __len__

    def nbytes(self) -> int:
        """How many bytes."""
        return self._array.nbytes

    def element_size(self) -> int:
        """How many bytes an element has."""
        return self._array.itemsize

    def __getitem__(self, at):
        found = self._array[at]
        if isinstance(at, slice):
            return TypedStorage(_tensor=from_numpy(found))
        return found.item()

    def __setitem__(self, at, value) -> None:
        self._array[at] = value

    def __iter__(self):
        return iter(self.tolist())

    def tolist(self) -> list:
        """List the elements."""
        return self._array.tolist()

    def fill_(self, value) -> TypedStorage:
        """Set all elements."""
        self._array[:] = value
        return self

    def data_ptr(self) -> int:
        """Where they are."""
        return self._array.ctypes.data

    def __repr__(self) -> str:
        lines = "\n".join(f" {v}" for v in self.tolist())
        return f"{lines}\n[torch.storage.TypedStorage(dtype={self.dtype}) of size {len(self)}]"


def of(t: Tensor) -> TypedStorage:
    """The elements of a tensor's memory, shared with it."""
    return TypedStorage(_tensor=t)


def untyped_of(t: Tensor) -> UntypedStorage:
    """The bytes of a tensor's memory, shared with it."""
    return UntypedStorage(_of=t)

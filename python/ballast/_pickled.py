"""Checkpoints of anything that Python can pickle, in PyTorch's format: loaded when one is met.

Tensors are written as `_serialization` writes them: their elements beside the pickle, by number.
Loading such a file runs what it says, which is why ``torch.load`` refuses it unless the caller
trusts the file (``weights_only=False``) or each of its types (`add_safe_globals`).
"""

from __future__ import annotations

import collections
import importlib
import io
import math
import pickle
import zipfile
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from . import _core
from ._core import Tensor
from ._create import bfloat16_of_bits, bits_of_bfloat16, from_numpy
from ._types import device
from .nn.parameter import Buffer, Parameter

_STORAGES = {
    **{"FloatStorage": _core.float32, "DoubleStorage": _core.float64},
    **{"HalfStorage": _core.float16, "BFloat16Storage": _core.bfloat16},
    **{"LongStorage": _core.int64, "IntStorage": _core.int32, "ShortStorage": _core.int16},
    **{"CharStorage": _core.int8, "ByteStorage": _core.uint8, "BoolStorage": _core.bool},
}


class _StorageKind:
    """Names the type of a storage."""

    def __init__(self, name: str):
        self.name = name


class _Storage:
    """Elements that stand beside the pickle."""

    def __init__(self, key: str, values: np.ndarray, kind: str):
        self.key, self.values, self.kind = key, values, kind


def _values(t: Tensor) -> np.ndarray:
    t = Tensor(t.detach(), False).contiguous()
    return bits_of_bfloat16(t) if t.dtype is _core.bfloat16 else t.numpy()


class _Pickler(pickle._Pickler):  # the one in Python, whose names of functions can be replaced
    """Writes tensors as PyTorch does, by functions of ``torch._utils``."""

    def __init__(self, file: io.BytesIO, protocol: int):
        super().__init__(file, protocol, fix_imports=False)
        self.storages: list[_Storage] = []
        self._known: dict[tuple, _Storage] = {}
        self._kept: list[Tensor] = []  # as long as their addresses tell them apart

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, _Storage):
            kind = _Global("torch", obj.kind)
            super().save_pers(("storage", kind, obj.key, "cpu", obj.values.size))
        elif isinstance(obj, _Global):
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor) and type(obj) in (Tensor, Parameter, Buffer):
            return self._tensor(obj)
        if isinstance(obj, device):
            return _Global("torch", "device"), (str(obj),)
        return NotImplemented

    def _tensor(self, t: Tensor) -> tuple:
        if type(t) is not Tensor:
            plain = Tensor(t.detach(), False)
            rest = (plain, t.requires_grad, collections.OrderedDict())
            return _Global("torch._utils", "_rebuild_parameter"), rest
        values = _values(t)
        name = next(n for n, dtype in _STORAGES.items() if dtype is t.dtype)
        at = (t.data_ptr(), t.numel(), name) if t.is_contiguous() else (id(t), 0, name)
        if at not in self._known:
            self._known[at] = _Storage(str(len(self.storages)), values, name)
            self.storages.append(self._known[at])
        self._kept.append(t)
        shape = tuple(t.shape)
        strides = tuple(math.prod(shape[d + 1 :]) for d in range(len(shape)))
        rest = (0, shape, strides, t.requires_grad, collections.OrderedDict())
        return _Global("torch._utils", "_rebuild_tensor_v2"), (self._known[at], *rest)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if isinstance(obj, _core.dtype):
            self.write(pickle.GLOBAL + f"torch\n{str(obj).removeprefix('torch.')}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)

    dispatch = {**pickle._Pickler.dispatch}
    dispatch[type(pickle)] = pickle._Pickler.save_global


class _Global:
    """A name in a pickle, whatever it means in this process."""

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __call__(self) -> None:
        """Pickles only call what can be called."""


def dumps(obj: Any, protocol: int) -> bytes:
    """Write a checkpoint of any object."""
    text = io.BytesIO()
    pickler = _Pickler(text, protocol)
    pickler.dump(obj)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("archive/data.pkl", text.getvalue())
        archive.writestr("archive/byteorder", "little")
        for storage in pickler.storages:
            archive.writestr(f"archive/data/{storage.key}", storage.values.tobytes())
        archive.writestr("archive/version", "3\n")
    return out.getvalue()


def _rebuild_tensor(storage: _Elements, offset: int, size: tuple, stride: tuple, *_: Any):
    return storage.tensor(offset, tuple(size), tuple(stride))


def _rebuild_tensor_v2(
    storage: _Elements, offset: int, size: tuple, stride: tuple, requires_grad: bool, *_: Any
) -> Tensor:
    out = storage.tensor(offset, tuple(size), tuple(stride))
    return out.requires_grad_() if requires_grad else out


def _rebuild_parameter(data: Tensor, requires_grad: bool, hooks: Any) -> Parameter:
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, hooks, state) -> Parameter:
    out = Parameter(data, requires_grad)
    out.__dict__.update(state or {})
    return out


class _Elements:
    """Elements of a file, of which tensors are made that share them."""

    def __init__(self, content: bytes, dtype: Any):
        half = dtype is _core.bfloat16
        kind = np.dtype("u2") if half else _core.empty(0, dtype=dtype).numpy().dtype
        values = np.frombuffer(content, kind)
        self._made = bfloat16_of_bits(values) if half else from_numpy(values.copy()).clone()

    def tensor(self, offset: int, size: tuple, stride: tuple) -> Tensor:
        """Make a tensor over some of them."""
        rows = tuple(math.prod(size[d + 1 :]) for d in range(len(size)))
        whole = math.prod(size) == self._made.numel() and offset == 0
        if whole and (stride == rows or self._made.numel() <= 1):
            return self._made.reshape(size).detach()
        return self._made.as_strided(size, stride, offset).detach()


_REBUILD: dict[str, Callable] = {
    **{"_rebuild_tensor": _rebuild_tensor, "_rebuild_tensor_v2": _rebuild_tensor_v2},
    **{"_rebuild_parameter": _rebuild_parameter},
    **{"_rebuild_parameter_with_state": _rebuild_parameter_with_state},
}


def _found(module: str, name: str) -> Any:
    """Find what a pickle names, in Ballast where PyTorch has it."""
    if module == "torch._utils" and name in _REBUILD:
        return _REBUILD[name]
    if module in ("torch", "torch.storage") and name in _STORAGES:
        return _StorageKind(name)
    if module.partition(".")[0] != "torch":
        value: Any = importlib.import_module(module)
    else:
        value = _of_torch(module, name)
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _of_torch(module: str, name: str) -> Any:
    """Find the module of Ballast that has PyTorch's name."""
    if module == "torch":
        return importlib.import_module("ballast")
    if module.startswith("torch.nn.modules") or module == "torch.nn.parameter":
        return importlib.import_module("ballast.nn")
    from .torch.finder import target_of

    found = target_of(module.partition(".")[2])
    if found is None:
        raise pickle.UnpicklingError(f"the file names {module}.{name}, which is not in Ballast")
    return importlib.import_module(found)


class _Unpickler(pickle.Unpickler):
    """Reads tensors from beside the pickle."""

    def __init__(self, archive: zipfile.ZipFile, root: str, allowed: dict[str, Any] | None):
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")), encoding="utf-8")
        self._archive, self._root, self._allowed = archive, root, allowed
        self._storages: dict[str, _Elements] = {}

    def find_class(self, module: str, name: str) -> Any:
        # Pickles of protocol 2 may have the names of Python 2.
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        if self._allowed is None:
            return _found(module, name)
        full = f"{module}.{name}"
        if full in self._allowed:
            return self._allowed[full]
        if module == "torch._utils" or full in _HARMLESS or name in _STORAGES:
            return _found(module, name)
        if module == "torch" and isinstance(getattr(_core, name, None), _core.dtype):
            return getattr(_core, name)
        raise pickle.UnpicklingError(
            f"Weights only load failed: the file names {full}, which is not allowed; if you trust "
            f"it, use torch.serialization.add_safe_globals([{name}]) or weights_only=False"
        )

    def persistent_load(self, pid: Any) -> Any:
        _, kind, key, _, _ = pid
        if key not in self._storages:
            content = self._archive.read(f"{self._root}/data/{key}")
            self._storages[key] = _Elements(content, _STORAGES[kind.name])
        return self._storages[key]


_HARMLESS = {
    *("collections.OrderedDict", "collections.defaultdict", "torch.Size", "torch.device"),
    *("builtins.set", "builtins.complex", "torch.Tensor", "torch.nn.parameter.Parameter"),
}


def loads(content: bytes, allowed: Iterable[Any] | None) -> Any:
    """Read a checkpoint of any object, or of allowed types alone.

    Raises
    ------
    pickle.UnpicklingError
        Where the file names what is not allowed, or is not in Ballast.
    """
    named = None
    if allowed is not None:
        named = {}
        for entry in allowed:
            value, name = entry if isinstance(entry, tuple) else (entry, None)
            named[name or f"{value.__module__}.{value.__qualname__}"] = value
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        place = next((n for n in archive.namelist() if n.endswith("data.pkl")), None)
        if place is None:
            raise pickle.UnpicklingError("the archive has no data.pkl")
        return _Unpickler(archive, place.removesuffix("/data.pkl"), named).load()

"""Checkpoints: PyTorch's own files, safetensors and NumPy's archives."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import pathlib
import pickle
from collections.abc import Callable
from typing import IO, Any

from . import _core
from ._types import check_device, device

# Files that hold named tensors only; everything else is written as PyTorch writes it.
_ENDINGS_OF_TENSORS = (".safetensors", ".npz")


def save(
    obj: Any,
    f: str | os.PathLike | IO[bytes],
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:
    """Write a checkpoint that ``torch.load`` reads, atomically where `f` is a path.

    Parameters
    ----------
    obj : object
        Tensors, parameters, numbers, text, bytes, shapes and dtypes, in dictionaries, lists, tuples
        and sets: state dicts of modules and optimizers. Anything else that Python can pickle, too,
        such as a whole module; `load` reads that with ``weights_only=False`` only.
    f : str, path or file object
        Where to. A path that ends with ``.safetensors`` or ``.npz`` gives such a file, which can
        hold a dictionary of tensors.
    pickle_module, pickle_protocol : optional
        Accepted: values are pickled in protocol 2, without Python's pickle module.
    _use_new_zipfile_serialization : bool
        False for the format of PyTorch before 1.6.

    Raises
    ------
    TypeError
        For what can neither be written as a value nor pickled.
    OSError
        Where the file cannot be written; a file that was there is left as it was.
    """
    legacy = not _use_new_zipfile_serialization
    if hasattr(f, "write"):
        f.write(_content(obj, legacy, pickle_protocol))
        return
    path = os.fspath(f)
    tensors_only = path.endswith(_ENDINGS_OF_TENSORS)
    try:
        _core._save(path, obj, tensors_only, legacy)
    except TypeError:
        if tensors_only or legacy:
            raise
        content = _content(obj, legacy, pickle_protocol)
        part = f"{path}.{os.getpid()}.part"
        try:
            with open(part, "wb") as file:
                file.write(content)
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part)
            raise


def _content(obj: Any, legacy: bool, protocol: int) -> bytes:
    """Write values, or else pickle whatever it is."""
    try:
        return _core._save_bytes(obj, legacy)
    except TypeError:
        if legacy:
            raise
        from . import _pickled

        with contextlib.suppress(pickle.PicklingError, AttributeError, TypeError):
            return _pickled.dumps(obj, protocol)
        raise


def _check_map_location(map_location: Any) -> None:
    if isinstance(map_location, (str, device)):
        check_device(map_location)
    elif isinstance(map_location, dict):
        for target in map_location.values():
            check_device(target)


def load(
    f: str | os.PathLike | IO[bytes],
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Read a checkpoint of PyTorch's (either format), a safetensors file or an ``.npz`` archive.

    Parameters
    ----------
    f : str, path or file object
        What kind it is, its content says.
    map_location : optional
        The CPU: that is where everything goes, wherever it was saved from.
    weights_only : bool, optional
        Unless False, nothing but values is loaded, and types that `add_safe_globals` names; nothing
        else in a file is ever called. False: the file is trusted, and does what it says.
    mmap : bool, optional
        Whether tensors of a file in PyTorch's format (the present one) are views of it, of which
        only what is looked at is read. The file must not change meanwhile (where it becomes
        shorter, looking at what is gone ends the process, as in PyTorch); writing to a tensor
        does not change it. Otherwise the file is read at once.
    pickle_module, **pickle_load_args : optional
        Accepted.

    Returns
    -------
    object
        What was saved.

    Raises
    ------
    pickle.UnpicklingError
        Where the file names anything that a checkpoint may not contain.
    OSError
        Where there is no such file (`FileNotFoundError`), or it is not what it should be.
    """
    _check_map_location(map_location)
    if hasattr(f, "read"):
        if mmap:
            raise ValueError(
                "f must be a file name in order to use the mmap argument; it is a file object"
            )
        content = f.read()
        parse = functools.partial(_core._parse, content, str(getattr(f, "name", "the file")))
        return _trusted(parse, lambda: content, weights_only)
    if not os.path.exists(f):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(f))
    path = os.fspath(f)
    parse = functools.partial(_core._load, path, bool(mmap))
    return _trusted(parse, pathlib.Path(path).read_bytes, weights_only)


def _trusted(parse: Callable, content: Callable[[], bytes], weights_only: bool | None) -> Any:
    """Load values; or else what the caller trusts."""
    try:
        return parse()
    except pickle.UnpicklingError:
        from .serialization import get_safe_globals

        allowed = get_safe_globals() if weights_only is not False else None
        read = content()
        if allowed == [] or not read.startswith(b"PK"):  # PyTorch's format before 1.6
            raise
        from . import _pickled

        return _pickled.loads(read, allowed)

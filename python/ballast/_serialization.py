"""Checkpoints: PyTorch's own files, safetensors and NumPy's archives."""

from __future__ import annotations

import errno
import os
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
        and sets: state dicts of modules and optimizers, and whatever is kept with them.
    f : str, path or file object
        Where to. A path that ends with ``.safetensors`` or ``.npz`` gives such a file, which can
        hold a dictionary of tensors.
    pickle_module, pickle_protocol : optional
        Accepted: the file is a pickle of protocol 2, written without Python's pickle module.
    _use_new_zipfile_serialization : bool
        False for the format of PyTorch before 1.6.

    Raises
    ------
    TypeError
        For anything else, such as a whole module.
    OSError
        Where the file cannot be written; a file that was there is left as it was.
    """
    legacy = not _use_new_zipfile_serialization
    if hasattr(f, "write"):
        f.write(_core._save_bytes(obj, legacy))
        return
    path = os.fspath(f)
    _core._save(path, obj, path.endswith(_ENDINGS_OF_TENSORS), legacy)


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
        Accepted: nothing but values is ever loaded, and nothing in a file is ever called.
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
        return _core._parse(f.read(), str(getattr(f, "name", "the file")))
    if not os.path.exists(f):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(f))
    return _core._load(os.fspath(f), bool(mmap))

"""Saving and loading: dictionaries of tensors, as safetensors files."""

from __future__ import annotations

import errno
import json
import os
from collections import OrderedDict
from typing import Any

from . import _core
from ._core import Tensor

_KEY = "ballast"  # metadata entry with what is not a tensor


def _flatten(obj: Any, path: str, tensors: list) -> Any:
    """Describe `obj` as JSON, its tensors by their place in `tensors`."""
    if isinstance(obj, Tensor):
        tensors.append((path, Tensor(obj)))
        return {"tensor": path}
    if obj is None or isinstance(obj, (bool, int, float, str)):
        return {"value": obj}
    if isinstance(obj, dict):
        if not all(isinstance(k, (str, int)) and not isinstance(k, bool) for k in obj):
            raise TypeError(f"save: the keys of a dictionary must be strings or int, in '{path}'")
        items = [
            [k, _flatten(v, f"{path}.{k}" if path else str(k), tensors)] for k, v in obj.items()
        ]
        return {"dict": items}
    if isinstance(obj, (list, tuple)):
        kind = "tuple" if isinstance(obj, tuple) else "list"
        return {kind: [_flatten(v, f"{path}.{i}", tensors) for i, v in enumerate(obj)]}
    raise TypeError(
        f"save: cannot save {type(obj).__name__} ('{path}'): only tensors, numbers, text and "
        "dictionaries, lists and tuples of these; of a module save its state_dict()"
    )


def _restore(node: dict, tensors: dict[str, Tensor]) -> Any:
    ((kind, value),) = node.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return OrderedDict((k, _restore(v, tensors)) for k, v in value)
    if kind in ("list", "tuple"):
        items = [_restore(v, tensors) for v in value]
        return tuple(items) if kind == "tuple" else items
    return value


def save(obj: Any, f: str | os.PathLike) -> None:
    """Write tensors to a safetensors file, atomically.

    Parameters
    ----------
    obj : dict
        A state dict; dictionaries, lists and numbers may be nested, as in a checkpoint.
    f : str or path
        The file.

    Raises
    ------
    TypeError
        For anything else, such as a whole module.
    OSError
        Where the file cannot be written; a file that was there is left as it was.
    """
    tensors: list[tuple[str, Tensor]] = []
    tree = _flatten(obj, "", tensors)
    flat = isinstance(obj, dict) and all(isinstance(k, str) for k in obj)
    flat = flat and all(isinstance(v, Tensor) for v in obj.values())
    _core._save_safetensors(os.fspath(f), tensors, {} if flat else {_KEY: json.dumps(tree)})


def load(f: str | os.PathLike, map_location: Any = None, weights_only: bool = True) -> Any:
    """Read what `save` wrote, or any safetensors file (as a dictionary of tensors).

    Parameters
    ----------
    f : str or path
        The file.
    map_location, weights_only : optional
        Accepted: everything is on the CPU, and nothing but values is ever loaded.

    Returns
    -------
    dict
        What was saved.

    Raises
    ------
    OSError
        Where there is no such file (`FileNotFoundError`), or it is not what it should be.
    """
    if not os.path.exists(f):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(f))
    items, metadata = _core._load_safetensors(os.fspath(f))
    tensors = OrderedDict(items)
    if _KEY in metadata:
        return _restore(json.loads(metadata[_KEY]), tensors)
    return tensors

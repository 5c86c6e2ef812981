"""Batches made of samples."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

from ... import _core
from ..._core import Tensor
from ..._create import as_tensor, tensor

_WRONG = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def _is_array(value: Any) -> bool:
    return type(value).__module__ == "numpy"


def _is_text(array: Any) -> bool:
    return array.dtype.kind in "SUO"


def _like_mapping(one: Mapping, items: dict) -> Any:
    """Give `items` the type of `one`, or leave the dictionary where that cannot be made."""
    try:
        if isinstance(one, MutableMapping):
            out = copy.copy(one)
            out.update(items)
            return out
        return type(one)(items)
    except TypeError:
        return items


def _like_sequence(one: Sequence, items: list) -> Any:
    try:
        if isinstance(one, MutableSequence):
            out = copy.copy(one)
            for i, value in enumerate(items):
                out[i] = value
            return out
        return type(one)(items)
    except TypeError:
        return items


def default_collate(batch: Sequence) -> Any:
    """Make one batch of samples: tensors are stacked, numbers become tensors, tuples, lists and
    dictionaries are collated item by item.

    Parameters
    ----------
    batch : sequence
        Samples of one kind.

    Returns
    -------
    Tensor, list, tuple, dict or str
        With a new first dimension.
    """
    if isinstance(batch, Tensor):
        raise TypeError("default_collate(): a batch must be a list of samples, not Tensor")
    first = batch[0]
    if isinstance(first, Tensor):
        return _core.stack(list(batch))
    if _is_array(first):
        if getattr(first, "shape", ()) == ():
            return as_tensor(batch)
        if _is_text(first):
            raise TypeError(_WRONG.format(first.dtype))
        return _core.stack([as_tensor(b) for b in batch])
    if isinstance(first, float):
        return tensor(batch, dtype=_core.float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return _like_mapping(first, {k: default_collate([b[k] for b in batch]) for k in first})
    if isinstance(first, Sequence):
        if any(len(b) != len(first) for b in batch):
            raise RuntimeError("each element in list of batch should be of equal size")
        columns = [default_collate(c) for c in zip(*batch, strict=True)]
        if isinstance(first, tuple):
            return type(first)(*columns) if hasattr(first, "_fields") else columns
        return _like_sequence(first, columns)
    raise TypeError(_WRONG.format(type(first)))


def default_convert(data: Any) -> Any:
    """Turn the arrays of a sample into tensors, wherever they lie in it.

    Parameters
    ----------
    data : object
        A sample: arrays and numbers, in tuples, lists and dictionaries.

    Returns
    -------
    object
        The same, with tensors.
    """
    if _is_array(data):
        return data if hasattr(data, "dtype") and _is_text(data) else as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {k: default_convert(v) for k, v in data.items()})
    if isinstance(data, tuple):
        items = [default_convert(d) for d in data]
        return type(data)(*items) if hasattr(data, "_fields") else items
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _like_sequence(data, [default_convert(d) for d in data])
    return data

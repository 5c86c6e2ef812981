"""Tensors from Python's and NumPy's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor

if TYPE_CHECKING:
    import numpy as np

_DTYPES = {
    "float32": _core.float32,
    "float64": _core.float64,
    "int64": _core.int64,
    "bool": _core.bool,
    "uint8": _core.uint8,
}


def from_numpy(array: np.ndarray) -> Tensor:
    """Wrap an array without copying it, where its elements lie row by row.

    Parameters
    ----------
    array : numpy.ndarray
        float32, float64, int64, bool and uint8 share memory. Other integers become int64, float16
        becomes float32, by a copy.

    Returns
    -------
    Tensor
        Of the array's shape. Operations read the array as it is when they are called.
    """
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtype = _DTYPES.get(array.dtype.name)
    if dtype is None:
        if array.dtype.kind in "iu" and array.dtype.itemsize < 8:
            array, dtype = array.astype(np.int64), _core.int64
        elif array.dtype.kind == "f" and array.dtype.itemsize < 4:
            array, dtype = array.astype(np.float32), _core.float32
        else:
            raise TypeError(
                f"can't convert np.ndarray of type {array.dtype}. The supported types are: "
                "float64, float32, float16, int64, int32, int16, int8, uint8, and bool."
            )
    if not (array.flags.c_contiguous and array.dtype.isnative and array.flags.aligned):
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    return _core._from_memory(array.ctypes.data, array.shape, dtype, array)


def _convert(data: Any, dtype) -> Tensor:
    """Copy `data` into a new tensor."""
    if isinstance(data, Tensor):
        out = data.detach().clone()
    else:
        import numpy as np

        is_array = isinstance(_first(data), (np.ndarray, np.generic))
        if isinstance(data, (list, tuple)):
            data = _plain(data)
        array = np.array(data)
        if array.dtype == object or array.dtype.kind in "USV":
            raise TypeError(f"could not make a tensor of {type(data).__name__}")
        if not is_array and array.dtype == np.float64:
            # Python's floats are PyTorch's default type.
            array = array.astype(np.float64 if dtype is _core.float64 else np.float32)
        if array.size == 0 and not is_array:
            array = array.astype(np.float32)
        out = from_numpy(array)
    return out if dtype is None or out.dtype is dtype else out._cast(dtype)


def _first(data):
    """The first item within nested lists: its type is theirs."""
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    return data


def _plain(data):
    """Replace tensors within nested lists by numbers."""
    if isinstance(data, Tensor):
        return data.tolist()
    if isinstance(data, (list, tuple)) and any(isinstance(d, (list, tuple, Tensor)) for d in data):
        return [_plain(d) for d in data]
    return data


def _dtype(dtype):
    return {float: _core.float32, int: _core.int64, bool: _core.bool}.get(dtype, dtype)


def tensor(data: Any, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Copy numbers, lists of them, arrays or tensors into a new tensor.

    Parameters
    ----------
    data : array_like
        Floats become float32, whole numbers int64; arrays keep their type.
    dtype : dtype, optional
        The type of the result.
    device : optional
        The CPU.
    requires_grad : bool
        Whether ``backward()`` computes its gradient.

    Returns
    -------
    Tensor
        Of the shape of `data`.
    """
    out = _convert(data, _dtype(dtype))
    return out.requires_grad_() if requires_grad else out


def as_tensor(data: Any, dtype=None, device=None) -> Tensor:
    """As `tensor`, but sharing the memory of arrays (and tensors) of the right type."""
    import numpy as np

    if isinstance(data, Tensor):
        return data.to(dtype) if dtype is not None else data
    if isinstance(data, np.ndarray):
        out = from_numpy(data)
        return out.to(_dtype(dtype)) if dtype is not None else out
    return _convert(data, _dtype(dtype))


def from_dlpack(data: Any) -> Tensor:
    """Wrap anything that speaks DLPack, without copying it where its elements lie row by row.

    Parameters
    ----------
    data : object
        With ``__dlpack__``, on the CPU. float32, float64, int64, bool and uint8 share memory; other
        types are copied into the nearest, as by `from_numpy`.

    Returns
    -------
    Tensor
        Of the same shape. Operations read the memory as it is when they are called.
    """
    if not hasattr(data, "__dlpack__"):
        raise TypeError(f"from_dlpack: {type(data).__name__} has no __dlpack__")
    dtype = str(getattr(data, "dtype", "")).rpartition(".")[2]
    if dtype and dtype not in _DTYPES:
        import numpy as np

        return from_numpy(np.from_dlpack(data))
    return _core._from_dlpack(data)


def normal(mean=0.0, std=1.0, size=None, *, generator=None) -> Tensor:
    """Draw normal numbers with one mean and standard deviation.

    Parameters
    ----------
    mean, std : float
        Of the distribution.
    size : sequence of int
        The shape of the result.
    generator : Generator, optional
        Where the numbers come from.
    """
    return _core._normal(_core.empty(size), mean, std, generator)


def scalar_tensor(s: float, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Make a tensor without dimensions."""
    return tensor(s, dtype=dtype or _core.float32, requires_grad=requires_grad)

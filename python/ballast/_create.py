"""Tensors from Python's and NumPy's data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core
from ._core import Tensor

if TYPE_CHECKING:
    import numpy as np

# NumPy's types that are types of tensors, by name.
_DTYPES = {
    name: getattr(_core, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16"),
        *("float16", "float32", "float64"),
    )
}


def _type_of(array: np.ndarray):
    """The type of a tensor with an array's elements."""
    dtype = _DTYPES.get(array.dtype.name)
    if dtype is None:
        raise TypeError(
            f"can't convert np.ndarray of type {array.dtype}. The supported types are: "
            f"{', '.join(reversed(_DTYPES))}."
        )
    return dtype


def from_numpy(array: np.ndarray) -> Tensor:
    """Wrap an array without copying it: both show the same memory.

    Parameters
    ----------
    array : numpy.ndarray
        Of float64, float32, float16, int64, int32, int16, int8, uint16, uint8 or bool.

    Returns
    -------
    Tensor
        Of the array's shape. Operations read the array as it is when they are called.
    """
    import numpy as np

    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtype = _type_of(array)
    if not array.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. "
            "Conversion between byte orders is currently not supported."
        )
    if array.flags.c_contiguous and array.flags.aligned:
        return _core._from_memory(array.ctypes.data, array.shape, dtype, array)
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().)"
        )
    if any(s % array.itemsize for s in array.strides) or not array.flags.aligned:
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array to reallocate the memory."
        )
    if array.size == 0:
        return _core._from_memory(array.ctypes.data, array.shape, dtype, array)
    steps = [s // array.itemsize for s in array.strides]
    spread = sum((n - 1) * s for n, s in zip(array.shape, steps, strict=True))
    memory = _core._from_memory(array.ctypes.data, (spread + 1,), dtype, array)
    return memory.as_strided(array.shape, steps)


def _numpy_values(t: Tensor) -> np.ndarray:
    """Read the elements as an array of a type that NumPy has."""
    t = t.detach()
    return (t.float() if t.dtype is _core.bfloat16 else t).numpy()


def _convert(data: Any, dtype) -> Tensor:
    """Copy `data` into a new tensor."""
    if isinstance(data, Tensor):
        out = data.detach().clone()
    else:
        import numpy as np

        is_array = isinstance(_first(data), (np.ndarray, np.generic))
        if isinstance(data, (list, tuple)):
            data = _plain(data)
        try:
            array = np.array(data, order="C")
        except ValueError as error:
            raise _ragged(data) from error
        if array.dtype.kind in "US" and not isinstance(data, str):
            raise ValueError("too many dimensions 'str'")
        if data is None:
            raise RuntimeError("Could not infer dtype of NoneType")
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        if array.dtype == object or array.dtype.kind in "USV":
            raise TypeError(f"could not make a tensor of {type(data).__name__}")
        if not is_array and array.dtype == np.float64:
            # Python's floats are PyTorch's default type.
            _check_range(array, dtype)
            array = array.astype(np.float64 if dtype is _core.float64 else np.float32)
        elif not is_array:
            _check_range(array, dtype)
        if array.size == 0 and not is_array:
            array = array.astype(np.float32)
        # Memory of its own, unlike an array's, is not looked at anew by each operation.
        out = _core._from_memory(array.ctypes.data, array.shape, _type_of(array), None)
    return out if dtype is None or out.dtype is dtype else out._cast(dtype)


def _ragged(data: Any) -> Exception:
    """PyTorch's exception for lists of different lengths, or of lists and numbers."""
    for item in data:
        if item is None:
            return RuntimeError("Could not infer dtype of NoneType")
    lists = [isinstance(item, (list, tuple)) for item in data]
    if any(lists) and not lists[0]:
        return TypeError("not a sequence")
    return ValueError(
        "expected sequences of equal length in every dimension, got lists of different lengths"
    )


def _check_range(array: np.ndarray, dtype) -> None:
    """Refuse Python's numbers that a type of whole numbers does not hold."""
    if dtype is None or dtype.is_floating_point or dtype is _core.bool or array.size == 0:
        return
    end = 2 ** (8 * dtype.itemsize - dtype.is_signed)
    # As in PyTorch an unsigned type takes whole negative numbers, too, and wraps them around.
    least = -end if dtype.is_signed else 0 if array.dtype.kind == "f" else 1 - end
    if not (array.min() >= least and array.max() < end):
        raise RuntimeError(f"value cannot be converted to type {str(dtype)[6:]} without overflow")


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


def tensor(
    data: Any, *, dtype=None, device=None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
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
    pin_memory : bool
        Without effect on a CPU.

    Returns
    -------
    Tensor
        Of the shape of `data`.
    """
    out = _convert(data, _dtype(dtype))
    return out.requires_grad_() if requires_grad else out


def as_tensor(data: Any, *, dtype=None, device=None) -> Tensor:
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
        With ``__dlpack__``, on the CPU, of one of the types that tensors have.

    Returns
    -------
    Tensor
        Of the same shape. Operations read the memory as it is when they are called.
    """
    if not hasattr(data, "__dlpack__"):
        raise TypeError(f"from_dlpack: {type(data).__name__} has no __dlpack__")
    return _core._from_dlpack(data)


def normal(
    mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, device=None, requires_grad=False
) -> Tensor:
    """Draw normal numbers.

    Parameters
    ----------
    mean, std : float or Tensor
        Of the distribution, or of that of every element.
    size : sequence of int
        The shape of the result, where both are numbers.
    generator : Generator, optional
        Where the numbers come from.
    """
    tensors = [t.detach() for t in (mean, std) if isinstance(t, Tensor)]
    if not tensors:
        if size is None:
            raise TypeError("normal() needs `size` where mean and std are numbers")
        made = _core._normal(_core.empty(size, dtype=dtype or _core.float32), mean, std, generator)
        return made.requires_grad_() if requires_grad else made
    if isinstance(std, Tensor) and not bool((std >= 0).all()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    like = tensors[0] if len(tensors) == 1 else tensors[0] + tensors[1]
    if isinstance(std, Tensor):
        drawn = _core._normal(_core.empty_like(like), 0.0, 1.0, generator)
        return drawn * std.detach() + (mean.detach() if isinstance(mean, Tensor) else mean)
    return _core._normal(_core.empty_like(like), 0.0, std, generator) + tensors[0]


def bits_of_bfloat16(t: Tensor) -> np.ndarray:
    """Copy the elements of a bfloat16 tensor as whole numbers of 16 bits, which NumPy has."""
    return (t.detach().float().numpy().view("u4") >> 16).astype("u2")


def bfloat16_of_bits(values: np.ndarray) -> Tensor:
    """Make a bfloat16 tensor of what `bits_of_bfloat16` gives."""
    return from_numpy((values.astype("u4") << 16).view("f4"))._cast(_core.bfloat16)


def frombuffer(buffer, *, dtype, count: int = -1, offset: int = 0, requires_grad=False) -> Tensor:
    """Make a line of elements out of an object's bytes, which both then share.

    Parameters
    ----------
    buffer : object
        Has the buffer protocol: bytearray, mmap, array.
    dtype : dtype
        Of the elements.
    count : int
        How many; -1 for all.
    offset : int
        How many bytes to skip.
    """
    size = len(memoryview(buffer).cast("B"))
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(f"offset ({offset} bytes) must be non-negative and no greater than {size}")
    import numpy as np

    half = dtype is _core.bfloat16
    kind = np.dtype("u2") if half else _core.empty(0, dtype=dtype).numpy().dtype
    values = np.frombuffer(buffer, kind, count, offset)
    if not values.flags.writeable:
        values = values.copy()
    made = bfloat16_of_bits(values) if half else from_numpy(values)
    return made.requires_grad_() if requires_grad else made


def scalar_tensor(s: float, *, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
    """Make a tensor without dimensions."""
    return tensor(s, dtype=dtype or _core.float32, requires_grad=requires_grad)

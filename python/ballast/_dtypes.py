"""Types of elements: their other names, their limits, how they combine."""

from __future__ import annotations

import builtins
from typing import Any

from . import _core
from ._core import Tensor, dtype

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "bfloat16",
    "can_cast",
    "cdouble",
    "cfloat",
    "chalf",
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "double",
    "finfo",
    "float",
    "half",
    "iinfo",
    "int",
    "is_complex",
    "is_floating_point",
    "is_signed",
    "layout",
    "long",
    "memory_format",
    "preserve_format",
    "promote_types",
    "result_type",
    "short",
    "sparse_coo",
    "sparse_csr",
    "strided",
    "uint8",
]

half, bfloat16 = _core.float16, _core.bfloat16
short, int, uint8 = _core.int16, _core.int32, _core.uint8
chalf, cfloat, cdouble = _core.complex32, _core.complex64, _core.complex128
float, double, long = _core.float32, _core.float64, _core.int64


class layout:
    """How elements lie in memory."""

    def __init__(self, name: str):
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format(layout):
    """In which order dimensions lie in memory.

    Ballast chooses it where it computes: tensors look contiguous whatever a program asks for.
    """


strided = layout("strided")
sparse_coo, sparse_csr = layout("sparse_coo"), layout("sparse_csr")
contiguous_format = memory_format("contiguous_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
preserve_format = memory_format("preserve_format")


class finfo:
    """Limits of a floating-point type.

    Parameters
    ----------
    type : dtype
        float32 unless given.
    """

    # Digits of the significand and the largest exponent.
    _SHAPES = {
        "float16": (11, 15),
        "bfloat16": (8, 127),
        "float32": (24, 127),
        "float64": (53, 1023),
        "float8_e4m3fn": (4, 7),
        "float8_e5m2": (3, 15),
    }
    _RESOLUTIONS = {
        **{"float16": 1e-3, "bfloat16": 1e-2, "float32": 1e-6, "float64": 1e-15},
        **{"float8_e4m3fn": 1.0, "float8_e5m2": 1.0},
    }

    def __init__(self, type: dtype = _core.float32):
        name = repr(type).removeprefix("torch.")
        if name not in self._SHAPES:
            raise TypeError(f"torch.finfo() requires a floating point input type. Got {type}")
        digits, exponent = self._SHAPES[name]
        self.dtype = name
        self.bits = 8 if name.startswith("float8") else 8 * type.itemsize
        self.eps = 2.0 ** (1 - digits)
        self.max = (2 - self.eps) * 2.0**exponent
        if name == "float8_e4m3fn":  # its largest exponent is for numbers, too, but for one NaN
            self.max = 448.0
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = self._RESOLUTIONS[name]

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of a type of whole numbers.

    Parameters
    ----------
    type : dtype
        Such as int64.
    """

    def __init__(self, type: dtype):
        if type.is_floating_point or type.is_complex or type is _core.bool:
            raise TypeError(f"torch.iinfo() requires an integer input type. Got {type}")
        self.dtype = repr(type).removeprefix("torch.")
        self.bits = 8 * type.itemsize
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0
        self.max = 2 ** (self.bits - type.is_signed) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def result_type(tensor: Any, other: Any) -> dtype:
    """The type of ``tensor + other``."""
    from ._create import as_tensor

    for value in (tensor, other):
        if value is None or isinstance(value, (list, tuple)):
            kind = builtins.type(value).__name__
            raise TypeError(f"result_type(): expected tensors and numbers, got {kind}")

    def small(value: Any) -> Any:
        return _core.ones((1,) * min(1, value.dim()), dtype=value.dtype)

    a, b = (small(x) if isinstance(x, Tensor) else x for x in (tensor, other))
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a, b = as_tensor(a), as_tensor(b)
    return (a + b).dtype


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The type of the sum of tensors of two types."""
    return _core._promote_types(type1, type2)


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether elements of one type can be written to a tensor of another."""
    for name, value in (("from_", from_), ("to", to)):
        if not isinstance(value, dtype):
            kind = type(value).__name__
            raise TypeError(f"can_cast(): argument '{name}' must be torch.dtype, not {kind}")
    if from_.is_complex and not to.is_complex:
        return False
    if from_.is_floating_point and not (to.is_floating_point or to.is_complex):
        return False
    return from_ is _core.bool or to is not _core.bool


def is_floating_point(input: Tensor) -> bool:
    """Whether elements are floating-point numbers."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """False: Ballast computes with real numbers."""
    return False


def is_signed(input: Tensor) -> bool:
    """Whether elements can be negative."""
    return input.dtype.is_signed


class _TypeOfTensor(type):
    """Classes such as ``torch.FloatTensor``: tensors of one dtype, and how they once were made."""

    dtype: object  # a name that tools find in torch's module, which these classes are said to be of

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is cls.dtype

    def __call__(cls, *args: Any) -> Tensor:
        from ._create import tensor

        if len(args) == 1 and not isinstance(args[0], _INT):
            data = args[0]
            if isinstance(data, Tensor) or not hasattr(data, "numel"):
                return tensor(data, dtype=cls.dtype)
        return _core.empty(*(args or (0,)), dtype=cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


_INT = builtins.int


def _type_of_tensor(name: str, dtype: Any) -> Any:
    return _TypeOfTensor(name, (), {"dtype": dtype, "__module__": "torch"})


FloatTensor = _type_of_tensor("FloatTensor", _core.float32)
DoubleTensor = _type_of_tensor("DoubleTensor", _core.float64)
LongTensor = _type_of_tensor("LongTensor", _core.int64)
ByteTensor = _type_of_tensor("ByteTensor", _core.uint8)
BoolTensor = _type_of_tensor("BoolTensor", _core.bool)
HalfTensor = _type_of_tensor("HalfTensor", _core.float16)
BFloat16Tensor = _type_of_tensor("BFloat16Tensor", _core.bfloat16)
IntTensor = _type_of_tensor("IntTensor", _core.int32)
ShortTensor = _type_of_tensor("ShortTensor", _core.int16)
CharTensor = _type_of_tensor("CharTensor", _core.int8)

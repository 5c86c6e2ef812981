"""The part of ``Tensor`` that is not worth a line of C++."""

from __future__ import annotations

import functools
import math
from typing import Any

from . import _core
from ._core import Tensor
from ._dtypes import can_cast
from ._printing import text as _text
from ._types import Size, check_device, device


def assign(target: Tensor, value: Tensor) -> Tensor:
    """Write the result of an operation, as far as PyTorch lets the types."""
    if value.dtype is not target.dtype and not can_cast(value.dtype, target.dtype):
        raise RuntimeError(
            f"result type {value.dtype} can't be cast to the desired output type {target.dtype}"
        )
    target._written(value)
    return target


def in_place(name: str):
    """Make the in-place form of a method."""
    function = getattr(Tensor, name)

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return assign(self, function(self, *args, **kwargs))

    method.__name__ = name + "_"
    method.__doc__ = f"In-place `{name}`."
    return method


def _reshaped_in_place(name: str):
    function = getattr(Tensor, name)

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.requires_grad and self.is_leaf and _core.is_grad_enabled():
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation."
            )
        self._show(function(self, *args, **kwargs))
        return self

    method.__name__ = name + "_"
    method.__doc__ = f"In-place `{name}`."
    return method


def _only(function: str, names: tuple[str, ...], options: dict[str, Any]) -> None:
    """Raise for options of other names; `from` cannot be a parameter's name in Python."""
    for name in options:
        if name not in names:
            raise TypeError(f"{function}() got an unexpected keyword argument '{name}'")


def _uniform(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator=None, **kw) -> Tensor:
    """Fill with uniform numbers from [from, to)."""
    _only("uniform_", ("from",), kw)
    return self._uniform_(kw.get("from", from_), to, generator)


def _bernoulli(self: Tensor, p: float = 0.5, *, generator=None) -> Tensor:
    """Fill with 1 with probability `p`, else 0."""
    if not self.dtype.is_floating_point:
        drawn = _core.empty_like(self, dtype=_core.float64)._bernoulli_(p, generator)
        return assign(self, drawn._cast(self.dtype))
    return self._bernoulli_(p, generator)


def _random(self: Tensor, *bounds: int, generator=None, **kw) -> Tensor:
    """Fill with whole numbers from [from, to), or from 0 to what the type holds exactly."""
    _only("random_", ("from", "to"), kw)
    if len(bounds) > 2:
        raise TypeError(f"random_() takes at most 2 bounds, got {len(bounds)}")
    low, high = (kw.get("from", 0), kw["to"]) if "to" in kw else (0, *bounds)[-2:]
    if any(not isinstance(n, (int, Tensor)) for n in bounds[:1]):
        raise TypeError(f"random_(): the bounds must be int, got {bounds}")
    if high is None or not (bounds or kw):
        raise NotImplementedError("random_: give the bounds, as in random_(0, 10)")
    drawn = _core.randint(low, high, tuple(self.shape), generator=generator)
    self._written(drawn._cast(self.dtype))
    return self


def _numpy(self: Tensor, *, force: bool = False):
    """As a NumPy array that shares the memory.

    Parameters
    ----------
    force : bool
        Detach first where needed.
    """
    if self.requires_grad and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    if self.dtype is _core.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    return self._numpy()


def _dlpack(self: Tensor, **kwargs: Any):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self._dlpack().__dlpack__(**kwargs)


def _array(self: Tensor, dtype=None, copy=None):
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


_TO_OPTIONS = ("device", "dtype", "non_blocking", "copy", "memory_format", "tensor", "other")


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convert to another dtype (a device is accepted, if it is the CPU).

    Accepts what PyTorch's ``Tensor.to`` accepts: a dtype, a device, both, or another tensor.
    """
    if len(args) > 4:
        raise TypeError(f"to() takes at most 4 arguments, got {len(args)}")
    dtype, copy, places = kwargs.get("dtype"), kwargs.get("copy"), 0
    for name in kwargs:
        if name not in _TO_OPTIONS:
            raise TypeError(f"to() got an unexpected keyword argument '{name}'")
    if not isinstance(kwargs.get("copy", False), bool):
        raise TypeError(f"to(): argument 'copy' must be bool, not {type(kwargs['copy']).__name__}")
    for at, a in enumerate((*args, kwargs.get("device"))):
        if isinstance(a, _core.dtype):
            dtype = a
        elif isinstance(a, Tensor) and at == 0:
            dtype = a.dtype
        elif (
            a is None and 0 < at < len(args) and (at > 1 or not isinstance(args[0], (str, device)))
        ):
            raise TypeError(f"to(): argument {at + 1} must be a dtype or bool, not NoneType")
        elif at and at < len(args) and not isinstance(a, (bool, type(None), type)):
            raise TypeError(f"to(): argument {at + 1} must be a dtype or bool, got {a!r}")
        elif isinstance(a, type) and a in (float, int, bool):
            dtype = a
        elif isinstance(a, bool) and at:
            places += 1  # non_blocking, copy
            copy = copy or (a and places == 2)
        elif a is not None:
            check_device(a)
    if not (dtype is None or isinstance(dtype, (_core.dtype, type))):
        raise TypeError(
            f"to() takes a dtype, a device or a tensor, got {(*args, *kwargs.values())}"
        )
    out = self if dtype is None or dtype is self.dtype else self._cast(dtype)
    copy = copy or _is_other_format(kwargs.get("memory_format"))
    return out.clone() if copy and out is self else out


def _is_other_format(memory_format) -> bool:
    """Whether PyTorch copies a tensor, which is row-major, to give it this format."""
    return memory_format is not None and "channels_last" in str(memory_format)


def _format(self: Tensor, spec: str) -> str:
    number = self.dim() == 0 and type(self) is Tensor
    return format(self.item(), spec) if number else object.__format__(self, spec)


# Operations that PyTorch's derivatives name otherwise.
_DERIVATIVES = {
    "conv2d": "ConvolutionBackward0",
    "conv_nd": "ConvolutionBackward0",
    "avg_pool2d": "AvgPool2DBackward0",
    "max_pool2d": "MaxPool2DWithIndicesBackward0",
    "square": "PowBackward0",
    "clamp": "ClampBackward1",
}


class GradFunction:
    """Says which operation made a tensor, and of what."""

    def __init__(self, name: str, operands: list[Tensor] | None = None):
        self._name, self._operands = name, operands or []
        self.metadata: dict = {}

    @property
    def next_functions(self) -> tuple[tuple[GradFunction | None, int], ...]:
        """The functions of the operands, None for those without a gradient."""
        return tuple((_function_of(t), 0) for t in self._operands)

    def name(self) -> str:
        """Name the operation as PyTorch names its derivative."""
        if self._name.endswith("Backward"):
            return self._name
        if self._name in _DERIVATIVES:
            return _DERIVATIVES[self._name]
        return "".join(w.capitalize() for w in self._name.split("_")) + "Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()}>"


@functools.cache
def _kind(name: str) -> type[GradFunction]:
    """Make a class for each name: programs write the names of classes."""
    return type(GradFunction(name).name(), (GradFunction,), {})


class AccumulateGrad(GradFunction):
    """Stands for a leaf, whose gradient is added up."""

    def __init__(self, variable: Tensor):
        super().__init__("torch::autograd::AccumulateGrad")
        self.variable = variable

    def name(self) -> str:
        """Name it as PyTorch does."""
        return self._name


def _function_of(t: Tensor) -> GradFunction | None:
    if t.is_leaf:
        return AccumulateGrad(t) if t.requires_grad else None
    return _grad_fn(t)


def _grad_fn(self: Tensor) -> GradFunction | None:
    if self.is_leaf:
        return None
    custom = getattr(self, "_function_name", None)
    name = custom or self._op_name or "as_strided"
    return _kind(name)(name, self._operands)


def _reduce(self: Tensor):
    array = Tensor(self)._numpy()
    return _rebuild, (type(self), array, self.requires_grad)


def _rebuild(cls, array, requires_grad: bool) -> Tensor:
    from . import from_numpy

    return cls(from_numpy(array), requires_grad)


def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment."
        )
    if id(self) in memo:
        return memo[id(self)]
    out = type(self)(Tensor(self).clone(), self.requires_grad)
    if self.grad is not None and type(self) is Tensor:  # PyTorch's parameters leave theirs behind
        out.grad = Tensor(self.grad).clone()
    memo[id(self)] = out
    return out


def _iter(self: Tensor):
    if self.dim() == 0:
        raise TypeError("iteration over a 0-d tensor")
    return (self[i] for i in range(len(self)))


def _contains(self: Tensor, element) -> bool:
    return bool((self == element).any())


def _scalar_conversion(convert):
    def method(self: Tensor):
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return convert(self.item())

    return method


def _bool(self: Tensor) -> bool:
    if self.numel() != 1:
        what = "no values" if self.numel() == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(self.item())


def _index(self: Tensor) -> int:
    if self.numel() != 1 or self.dtype.is_floating_point:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(self.item())


_TYPE_NAMES = {
    _core.float32: "torch.FloatTensor",
    _core.float64: "torch.DoubleTensor",
    _core.float16: "torch.HalfTensor",
    _core.bfloat16: "torch.BFloat16Tensor",
    _core.int64: "torch.LongTensor",
    _core.int32: "torch.IntTensor",
    _core.int16: "torch.ShortTensor",
    _core.int8: "torch.CharTensor",
    _core.uint16: "torch.UInt16Tensor",
    _core.uint8: "torch.ByteTensor",
    _core.bool: "torch.BoolTensor",
}


def _type(self: Tensor, dtype=None) -> str | Tensor:
    """Name the type as PyTorch once did, or convert to `dtype`."""
    if isinstance(dtype, str):
        found = [t for t, name in _TYPE_NAMES.items() if name == dtype]
        if not found:
            raise ValueError(f"invalid type: '{dtype}'")
        dtype = found[0]
    if isinstance(dtype, Tensor):
        raise TypeError("type(): dtype must be a type, str, or dtype object")
    dtype = getattr(dtype, "dtype", dtype)
    return _TYPE_NAMES[self.dtype] if dtype is None else self._cast(dtype)


def _new(function):
    def method(self: Tensor, *size, dtype=None, layout=None, pin_memory=False, **options) -> Tensor:
        return function(*size, dtype=dtype or self.dtype, **options)

    return method


def _init_subclass(cls: type, **kwargs: Any) -> None:
    """Let the arguments of a subclass that makes its instances in ``__new__`` be its own affair."""
    object.__init_subclass__(**kwargs)
    maker = next(c for c in cls.__mro__ if "__new__" in vars(c))
    if issubclass(maker, Tensor) and maker is not Tensor and cls.__init__ is Tensor.__init__:
        cls.__init__ = lambda self, *args, **kwargs: None  # type: ignore[misc]


def _register_methods() -> None:
    t: Any = Tensor
    t.__init_subclass__ = classmethod(_init_subclass)
    t.__repr__ = t.__str__ = _text
    t.__format__ = _format
    t.__iter__ = _iter
    t.__contains__ = _contains
    t.__bool__ = _bool
    t.__float__ = _scalar_conversion(float)
    t.__int__ = _scalar_conversion(int)
    t.__index__ = _index
    t.__array__ = _array
    t.__array_priority__ = 1000
    t.__deepcopy__ = _deepcopy
    t.__reduce_ex__ = lambda self, protocol: _reduce(self)
    t.__dlpack__ = _dlpack
    t.__copy__ = lambda self: type(self)(self, self.requires_grad)
    t.numpy = _numpy
    t.to = _to
    t.cpu = lambda self: self
    t.cuda = _no_gpu
    t.type = _type
    t.is_floating_point = lambda self: self.dtype.is_floating_point
    t.data = property(Tensor.detach, Tensor._set_data)
    t.grad_fn = property(_grad_fn)
    t.is_cuda = property(lambda self: False)
    t.detach_ = _detach_in_place
    t.uniform_ = _uniform
    t.bernoulli_ = _bernoulli
    t.random_ = _random
    t.new_zeros = _new(_core.zeros)
    t.new_ones = _new(_core.ones)
    t.new_empty = _new(_core.empty)
    t.new_tensor = _new_tensor
    t.equal = lambda self, other: self.shape == other.shape and bool((self == other).all())
    for name, dtype in _CONVERSIONS.items():
        setattr(t, name, _conversion(dtype))
    t.new_full = _new(_core.full)
    t.is_complex = t.is_inference = t.is_pinned = t.is_conj = _false
    t.is_neg = t.is_distributed = t.is_coalesced = _false
    for name in ("is_sparse", "is_quantized", "is_mkldnn", "is_meta", "is_mps", "is_xpu"):
        setattr(t, name, property(_false))
    t.pin_memory = lambda self, *args: self
    t.new = _new_of_any
    t.set_ = _set
    t.share_memory_, t.is_shared = _share_memory, _is_shared
    t.to_sparse, t.to_sparse_csr = _to_sparse, _to_sparse_csr
    t.to_dense = lambda self, dtype=None, **_: self if dtype is None else self.to(dtype)
    t.storage = t._typed_storage = _storage
    t.untyped_storage = _untyped_storage
    t.is_sparse_csr = property(_false)
    t.element_size = lambda self: self.itemsize
    t.ndimension = t.dim
    t.get_device = lambda self: -1
    t.is_signed = lambda self: self.dtype.is_signed
    t.is_same_size = lambda self, other: self.shape == other.shape
    t.is_nonzero = _bool
    t.H, t.mH, t.real = (
        property(t.t),
        property(lambda self: self.transpose(-2, -1)),
        property(lambda self: self),
    )
    t.layout = property(_layout)
    t.output_nr = property(lambda self: 0)
    t.apply_ = _apply
    t.subtract, t.multiply, t.divide = t.sub, t.mul, t.div
    for name in ("squeeze", "unsqueeze", "t", "transpose", "as_strided"):
        setattr(t, name + "_", _reshaped_in_place(name))


def _new_tensor(
    self: Tensor, data, *, dtype=None, device=None, requires_grad: bool = False
) -> Tensor:
    from . import tensor

    return tensor(data, dtype=dtype or self.dtype, device=device, requires_grad=requires_grad)


def reinterpreted(self: Tensor, dtype) -> Tensor:
    """Read the memory of a tensor as elements of another type (`Tensor.view`), which share it."""
    from ._create import bfloat16_of_bits, bits_of_bfloat16, from_numpy

    if self.requires_grad and _core.is_grad_enabled():
        raise NotImplementedError("view: a derivative by elements of another type; use detach()")
    sizes = self.itemsize, _core.empty(0, dtype=dtype).itemsize
    if self.dim() == 0 and sizes[0] != sizes[1]:
        raise RuntimeError(
            f"self.dim() cannot be 0 to view {self.dtype} as {dtype} (different element sizes)"
        )
    if sizes[0] < sizes[1] and self.shape[-1] * sizes[0] % sizes[1]:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {sizes[1] // sizes[0]} to view {self.dtype} as "
            f"{dtype} (different element sizes), but got {self.shape[-1]}"
        )
    half = _core.bfloat16
    if half in (self.dtype, dtype):  # NumPy has no such type: copied
        bits = bits_of_bfloat16(self) if self.dtype is half else self.detach().numpy().view("u2")
        if dtype is half:
            return bfloat16_of_bits(bits)
        return from_numpy(bits.view(_core.empty(0, dtype=dtype).numpy().dtype))
    return from_numpy(self.detach().numpy().view(_core.empty(0, dtype=dtype).numpy().dtype))


def _new_of_any(self: Tensor, *args, device=None) -> Tensor:
    """Make a tensor of the same type: of sizes with unspecified elements, or of data."""
    from . import empty, tensor

    sizes = args[0] if len(args) == 1 and isinstance(args[0], Size) else args
    if all(isinstance(n, int) for n in sizes):
        return empty(tuple(sizes) or (0,), dtype=self.dtype)
    return tensor(args[0], dtype=self.dtype)


def _set(self: Tensor, source=None, storage_offset: int = 0, size=None, stride=None) -> Tensor:
    """Become another tensor's elements, which both then share; without one, none."""
    if source is None:
        source = _core.empty(0, dtype=self.dtype)
    if not isinstance(source, Tensor):
        source = source._of
    if source.dtype is not self.dtype:
        raise RuntimeError(f"Expected a Tensor of type {self.dtype} but got {source.dtype}")
    if size is not None:
        strides = stride or [math.prod(size[d + 1 :]) for d in range(len(size))]
        source = source.as_strided(size, strides, storage_offset)
    from . import from_numpy

    # Memory that an array shows is shared by all tensors over it.
    self.data = from_numpy(source.detach().numpy())
    return self


def _share_memory(self: Tensor) -> Tensor:
    """Move the elements into memory that other processes see, when they are given the tensor."""
    from .multiprocessing import shared

    return shared.share(self)


def _is_shared(self: Tensor) -> bool:
    """Whether the elements are in memory that other processes can see."""
    from .multiprocessing import shared

    return shared.is_shared(self)


def _to_sparse(self: Tensor, *args, **kwargs) -> Tensor:
    """Keep the elements that are not zero."""
    from .sparse import coo

    return coo.to_sparse(self)


def _to_sparse_csr(self: Tensor, *args, **kwargs) -> Tensor:
    """Keep the elements of a matrix that are not zero, by rows."""
    from .sparse import coo

    return coo.to_sparse_csr(self)


def _storage(self: Tensor):
    """Show the elements of the tensor's memory."""
    from . import storage

    return storage.of(self)


def _untyped_storage(self: Tensor):
    """Show the bytes of the tensor's memory."""
    from . import storage

    return storage.untyped_of(self)


def _detach_in_place(self: Tensor) -> Tensor:
    """Cut this tensor off from the graph."""
    if self._is_view:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._set_data(self)
    return self.requires_grad_(False)


def _no_gpu(self: Tensor, device=None, **kwargs) -> Tensor:
    """Not supported: Ballast runs on CPUs."""
    raise RuntimeError(
        "Ballast runs on CPUs; there is no device 'cuda' (torch.cuda.is_available() is False). "
        "Write .to(device) with a device chosen by torch.cuda.is_available()."
    )


# Methods named after a dtype, of those that raise NotImplementedError.
_CONVERSIONS = {
    "cfloat": _core.complex64,
    "cdouble": _core.complex128,
}


def _conversion(dtype):
    def convert(self: Tensor, memory_format=None) -> Tensor:
        return self._cast(dtype)

    return convert


def _false(self: Tensor, *args) -> bool:
    return False


def _layout(self: Tensor):
    from ._dtypes import strided

    return strided


def _apply(self: Tensor, function) -> Tensor:
    """Replace every element by a function of it; slow."""
    from . import tensor

    values = [function(v) for v in self.detach().reshape(-1).tolist()]
    self._written(tensor(values, dtype=self.dtype).reshape(*self.shape))
    return self


_register_methods()

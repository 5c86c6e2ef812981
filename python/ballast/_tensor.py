"""The part of ``Tensor`` that is not worth a line of C++."""

from __future__ import annotations

from typing import Any

from . import _core
from ._core import Tensor
from ._types import device as _device
from ._views import check_origin, link, register, write_back


def _detach(self: Tensor) -> Tensor:
    """Cut off from the graph; in-place operations on the result reach the original."""
    out = self._detach()
    link(out, self)
    return out


def _written(self: Tensor, value: Tensor) -> Tensor:
    """Give `self` (and what it is an alias of) a new value; the one way in-place methods end."""
    check_origin(self)
    if self.shape != value.shape:
        value = value.expand(self.shape)
    if value.requires_grad:
        if self.requires_grad and self.is_leaf:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation."
            )
        self._rebind(value._cast(self.dtype))
    elif self.requires_grad and _core.is_grad_enabled():
        if self.is_leaf:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation."
            )
        self._rebind(value._cast(self.dtype).detach())
    else:
        self._assign(value)
    if hasattr(self, "_origin"):
        write_back(self)
    return self


def _in_place(name: str):
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return _written(self, getattr(self, name)(*args, **kwargs))

    method.__name__ = name + "_"
    method.__doc__ = f"In-place `{name}`."
    return method


def _fill(self: Tensor, value: float) -> Tensor:
    """Set all elements to `value`."""
    if isinstance(value, Tensor):
        value = value.item()
    return _written(self, _core.full_like(self, value))


def _uniform(self: Tensor, from_: float = 0.0, to: float = 1.0, *, generator=None, **kw) -> Tensor:
    """Fill with uniform numbers from [from, to)."""
    return _written(self, _core._uniform(self, kw.get("from", from_), to, generator))


def _normal(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator=None) -> Tensor:
    """Fill with normal numbers."""
    return _written(self, _core._normal(self, mean, std, generator))


def _copy(self: Tensor, source: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy the values of `source`, broadcast to this tensor's shape."""
    return _written(self, source)


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
    owner, aliases = _owner(self)
    return owner._numpy(aliases)


def _dlpack(self: Tensor, **kwargs: Any):
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    owner, aliases = _owner(self)
    return owner._dlpack(aliases).__dlpack__(**kwargs)


def _owner(t: Tensor) -> tuple[Tensor, int]:
    """Find the tensor whose memory `t` shows as a whole, and how many tensors do so."""
    aliases = 0
    origin = getattr(t, "_origin", None)
    while origin is not None and origin[1] is None and origin[0].is_leaf:
        t, aliases = origin[0], aliases + 1
        origin = getattr(t, "_origin", None)
    return t, aliases


def _array(self: Tensor, dtype=None, copy=None):
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def _to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Convert to another dtype (a device is accepted, if it is the CPU).

    Accepts what PyTorch's ``Tensor.to`` accepts: a dtype, a device, both, or another tensor.
    """
    dtype = kwargs.get("dtype")
    for a in (*args, kwargs.get("device")):
        if isinstance(a, _core.dtype):
            dtype = a
        elif isinstance(a, Tensor):
            dtype = a.dtype
        elif isinstance(a, (str, _device)):
            _device(a)
    out = self if dtype is None or dtype is self.dtype else self._cast(dtype)
    return out.clone() if kwargs.get("copy") and out is self else out


def _repr(self: Tensor) -> str:
    text = Tensor(self)._str()
    if self.requires_grad:
        note = "requires_grad=True" if self.is_leaf else f"grad_fn={self.grad_fn!r}"
        text = f"{text[:-1]}, {note})"
    return text


def _format(self: Tensor, spec: str) -> str:
    return format(self.item(), spec) if self.dim() == 0 and spec else str(self)


class GradFunction:
    """Says which operation made a tensor."""

    def __init__(self, name: str):
        self._name = name

    def name(self) -> str:
        """Name the operation as PyTorch names its derivative."""
        return "".join(w.capitalize() for w in self._name.split("_")) + "Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def _grad_fn(self: Tensor) -> GradFunction | None:
    if self.is_leaf:
        return None
    return GradFunction(self._op_name or "as_strided")


def _reduce(self: Tensor):
    array = Tensor(self)._numpy().copy()
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
    out = type(self)(Tensor(self)._clone(), self.requires_grad)
    if self.grad is not None:
        out.grad = Tensor(self.grad)._clone()
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
            raise RuntimeError(
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar"
            )
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
    _core.int64: "torch.LongTensor",
    _core.uint8: "torch.ByteTensor",
    _core.bool: "torch.BoolTensor",
}


def _type(self: Tensor, dtype=None) -> str | Tensor:
    """Name the type as PyTorch once did, or convert to `dtype`."""
    return _TYPE_NAMES[self.dtype] if dtype is None else self._cast(dtype)


def _set_data(self: Tensor, value: Tensor) -> None:
    if value.shape == self.shape and value.dtype is self.dtype:
        self._assign(value)
    else:
        grad = self.requires_grad
        self._rebind(Tensor(value))
        if grad:
            self.requires_grad_()


def _zero_(self: Tensor) -> Tensor:
    """Set all elements to zero."""
    return _fill(self, 0)


def _new(function):
    def method(self: Tensor, *size, dtype=None, device=None, requires_grad: bool = False) -> Tensor:
        return function(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    return method


def _floor_divide(self: Tensor, other: Tensor | float) -> Tensor:
    """Divide and round down, element by element (quotients up to 2**53)."""
    dtype = (self * other).dtype
    quotient = self.detach().double() / other
    whole = quotient._cast(_core.int64)
    return (whole - (whole > quotient)._cast(_core.int64))._cast(dtype)


def _remainder(self: Tensor, other: Tensor | float) -> Tensor:
    """What division leaves, with the divisor's sign."""
    return self - _floor_divide(self, other) * other


def _register_methods() -> None:
    t: Any = Tensor
    t.__repr__ = _repr
    t.__str__ = _repr
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
    t.__rpow__ = lambda self, base: (self * _math_log(base)).exp()
    t.__copy__ = lambda self: type(self)(self, self.requires_grad)
    t.numpy = _numpy
    t.to = _to
    t.cpu = lambda self: self
    t.cuda = _no_gpu
    t.type = _type
    t.clone = lambda self, memory_format=None: self._clone()
    t.contiguous = lambda self, memory_format=None: self
    t.is_contiguous = lambda self, memory_format=None: True
    t.is_floating_point = lambda self: self.dtype.is_floating_point
    t.detach = _detach
    t.data = property(_detach, _set_data)
    t.grad_fn = property(_grad_fn)
    t.is_cuda = property(lambda self: False)
    t.retain_grad = _retain_grad
    t.detach_ = lambda self: self._rebind(Tensor(self)) or self
    t.copy_ = _copy
    t.fill_ = _fill
    t.zero_ = _zero_
    t.uniform_ = _uniform
    t.normal_ = _normal
    t.new_zeros = _new(_core.zeros)
    t.new_ones = _new(_core.ones)
    t.new_empty = _new(_core.empty)
    t.new_tensor = _new_tensor
    t.equal = lambda self, other: self.shape == other.shape and bool((self == other).all())
    t.half = t.bfloat16 = _no_half
    for name in [
        "add",
        "sub",
        "mul",
        "div",
        "pow",
        "clamp",
        "exp",
        "log",
        "sqrt",
        "abs",
        "neg",
        "relu",
        "sigmoid",
        "tanh",
        "square",
        "masked_fill",
        "reciprocal",
        "rsqrt",
        "squeeze",
        "unsqueeze",
    ]:
        setattr(t, name + "_", _in_place(name))
    for op, name in (("i" + n, n) for n in ("add", "sub", "mul")):
        setattr(t, f"__{op}__", _in_place(name))
    t.__itruediv__ = _in_place("div")
    t.clamp_min = lambda self, min: self.clamp(min=min)
    t.clamp_max = lambda self, max: self.clamp(max=max)
    t.floor_divide = t.__floordiv__ = _floor_divide
    t.remainder = t.__mod__ = _remainder
    t.subtract, t.multiply, t.divide = t.sub, t.mul, t.div
    t.absolute, t.negative = t.abs, t.neg


def _math_log(base: float) -> float:
    import math

    return math.log(base)


def _new_tensor(self: Tensor, data, dtype=None) -> Tensor:
    from . import tensor

    return tensor(data, dtype=dtype or self.dtype)


def _retain_grad(self: Tensor) -> None:
    if not self.is_leaf:
        raise NotImplementedError(
            "retain_grad: gradients of values in between come from autograd.grad"
        )


def _no_gpu(self: Tensor, device=None, **kwargs) -> Tensor:
    """Not supported: Ballast runs on CPUs."""
    raise RuntimeError(
        "Ballast runs on CPUs; there is no device 'cuda' (torch.cuda.is_available() is False). "
        "Write .to(device) with a device chosen by torch.cuda.is_available()."
    )


def _no_half(self: Tensor) -> Tensor:
    raise NotImplementedError("Ballast computes in float32 and float64")


_register_methods()
register()

"""Functions of numbers, element by element."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from .._tensor import assign
from ._method import method
from .shapes import broadcast_tensors

_LN2 = math.log(2)

__all__ = [
    "absolute",
    "clamp_max",
    "clamp_min",
    "clip",
    "clone",
    "conj",
    "conj_physical",
    "copysign",
    "deg2rad",
    "detach",
    "float_power",
    "fmax",
    "fmin",
    "gcd",
    "greater",
    "greater_equal",
    "heaviside",
    "isclose",
    "isneginf",
    "isposinf",
    "isreal",
    "lcm",
    "ldexp",
    "less",
    "less_equal",
    "logaddexp2",
    "logit",
    "logspace",
    "msort",
    "negative",
    "not_equal",
    "positive",
    "rad2deg",
    "real",
    "resolve_conj",
    "resolve_neg",
    "rsub",
    "signbit",
    "sinc",
    "true_divide",
    "vander",
    "xlogy",
]


@method
def isclose(
    input: Tensor,
    other: Tensor,
    rtol: float = 1e-5,
    atol: float = 1e-8,
    equal_nan: bool = False,
) -> Tensor:
    """Compare: ``|input - other| <= atol + rtol*|other|``."""
    if not (rtol >= 0 and atol >= 0):
        name, value = ("atol", atol) if rtol >= 0 else ("rtol", rtol)
        raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value}")
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{input.dtype} did not match {other.dtype}")
    if input.dtype is _core.bool:
        return input == other
    near = (input == other).logical_or(
        ((input - other).abs() <= other.abs() * rtol + atol).logical_and(other.isfinite())
    )
    return near.logical_or(input.isnan().logical_and(other.isnan())) if equal_nan else near


@method
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x/(1 - x)), x kept `eps` away from 0 and 1."""
    x = input if input.dtype.is_floating_point else input._cast(_core.float32)
    if eps is not None and 0 <= eps <= 0.5:
        x = x.clamp(eps, 1 - eps)
    elif eps is not None and eps > 0.5:  # the bounds cross: the lower one decides, as in PyTorch
        x = _core.where(x < eps, eps, x.clamp(max=1 - eps))
    return (x / (1 - x)).log()


@method
def xlogy(input: Tensor, other: Tensor) -> Tensor:
    """input*log(other), 0 where input is 0; the derivative by input is log(other) there, too."""
    none = (input == 0) & ((other <= 0) | (other == math.inf))
    return input * _core.where(none, _core.ones_like(other), other).log()


@method
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, `values` at 0, 1 above."""
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    return _core.where(input == 0, values, (input > 0)._cast(input.dtype))


@method
def copysign(input: Tensor, other: Tensor | float) -> Tensor:
    """|input| with the sign of `other`."""
    size = input.abs() if input.dtype.is_floating_point else input._cast(_core.float32).abs()
    if not isinstance(other, Tensor):
        return -size if math.copysign(1, other) < 0 else size
    if other.dtype is _core.float64 and other.dim() and not input.dim():
        size = size._cast(other.dtype)
    return _core.where(signbit(other), -size, size)


@method
def signbit(input: Tensor) -> Tensor:
    """Whether the sign is a minus."""
    if not input.dtype.is_floating_point:
        return input < 0
    return (input < 0).logical_or((input == 0).logical_and(input.reciprocal() < 0))


@method
def deg2rad(input: Tensor) -> Tensor:
    """Convert degrees to radians."""
    return input * 0.017453292519943295


@method
def rad2deg(input: Tensor) -> Tensor:
    """Convert radians to degrees."""
    return input * 57.29577951308232


@method
def clip(input: Tensor, min=None, max=None) -> Tensor:
    """Bring elements into [min, max]."""
    return input.clamp(min, max)


def logspace(
    start,
    end,
    steps: int,
    base: float = 10.0,
    *,
    dtype=None,
    requires_grad: bool = False,
    device=None,
    layout=None,
    pin_memory: bool = False,
) -> Tensor:
    """`steps` powers of `base` with evenly spaced exponents from `start` to `end`."""
    dtype = _core.float32 if dtype is None else dtype
    ends = (_number(start), _number(end))
    if not dtype.is_floating_point:
        ends = tuple(map(int, ends))
    exponents = _core.linspace(*ends, steps, dtype=_core.float64)
    return _core.pow(base, exponents)._cast(dtype).requires_grad_(requires_grad)


def _number(value):
    """The number in a tensor without dimensions."""
    return value.item() if isinstance(value, Tensor) else value


@method
def absolute(input: Tensor) -> Tensor:
    """|x|."""
    return input.abs()


@method
def negative(input: Tensor) -> Tensor:
    """-x."""
    return -input


@method
def positive(input: Tensor) -> Tensor:
    """x, of numbers only."""
    if input.dtype is _core.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@method
def clamp_min(input: Tensor, min) -> Tensor:
    """Bring elements to `min` at least."""
    return input.clamp(min=min)


@method
def clamp_max(input: Tensor, max) -> Tensor:
    """Bring elements to `max` at most."""
    return input.clamp(max=max)


def clone(input: Tensor, *, memory_format=None) -> Tensor:
    """Copy."""
    return input.clone()


def detach(input: Tensor) -> Tensor:
    """Cut off from the graph."""
    return input.detach()


def rsub(input: Tensor, other, *, alpha: float = 1) -> Tensor:
    """Other - alpha*input."""
    return other - input * alpha if alpha != 1 else other - input


@method
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """Take the larger element; the number where one is NaN."""
    larger = _core.where(other.isnan(), input, _core.maximum(input, other))
    return _core.where(input.isnan(), other, larger)


@method
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """Take the smaller element; the number where one is NaN."""
    smaller = _core.where(other.isnan(), input, _core.minimum(input, other))
    return _core.where(input.isnan(), other, smaller)


@method
def float_power(input: Tensor | float, exponent: Tensor | float) -> Tensor:
    """Take powers, in float64."""
    a, b = (v.double() if isinstance(v, Tensor) else float(v) for v in (input, exponent))
    return _core.pow(a, b)


@method
def float_power_(self: Tensor, exponent: Tensor | float) -> Tensor:
    """In-place `float_power`, of float64 only."""
    if self.dtype is not _core.float64:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {self.dtype} but the operation's result "
            "requires dtype torch.float64"
        )
    return assign(self, float_power(self, exponent))


@method
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """input*2^other."""
    return input * _core.pow(2.0, other)


@method
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2^input + 2^other)."""
    return _core.logaddexp(input * _LN2, other * _LN2) / _LN2


@method
def sinc(input: Tensor) -> Tensor:
    """sin(pi*x)/(pi*x), 1 at 0."""
    at_zero = input == 0
    x = _core.where(at_zero, _core.ones_like(input), input) * math.pi
    return _core.where(at_zero, _core.ones_like(input), x.sin() / x)


@method
def isposinf(input: Tensor) -> Tensor:
    """Whether elements are infinity."""
    return input.isinf().logical_and(input > 0)


@method
def isneginf(input: Tensor) -> Tensor:
    """Whether elements are minus infinity."""
    return input.isinf().logical_and(input < 0)


def _itself(name: str):
    def call(input: Tensor) -> Tensor:
        return input

    call.__name__ = name
    call.__doc__ = "x: its numbers are real, and none is stored with another sign."
    return call


conj, conj_physical, real, resolve_conj, resolve_neg = map(
    _itself, ("conj", "conj_physical", "real", "resolve_conj", "resolve_neg")
)
Tensor.conj, Tensor.resolve_conj, Tensor.resolve_neg = conj, resolve_conj, resolve_neg
Tensor.conj_physical = Tensor.conj_physical_ = conj_physical


@method
def msort(input: Tensor) -> Tensor:
    """Sort along the first dimension."""
    return input.sort(0)[0]


@method
def isreal(input: Tensor) -> Tensor:
    """True: Ballast computes with real numbers."""
    return _core.ones_like(input, dtype=_core.bool)


def _of_whole(name: str):
    def operation(input: Tensor, other: Tensor) -> Tensor:
        import numpy as np

        from .._create import from_numpy

        if input.dtype.is_floating_point or other.dtype.is_floating_point:
            raise RuntimeError(f'"{name}_cpu" not implemented for floating point')
        a, b = (t.numpy() for t in broadcast_tensors(input, other))
        return from_numpy(np.asarray(getattr(np, name)(a, b)))

    operation.__name__ = name
    operation.__doc__ = f"Find the numbers' {name}."
    return method(operation)


gcd, lcm = map(_of_whole, ("gcd", "lcm"))


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:  # noqa: N803
    """List the powers of a vector's elements, one row each."""
    if x.dim() != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    exponents = _core.arange(n) if increasing else _core.arange(n - 1, -1, -1)
    return _core.pow(x.unsqueeze(-1), exponents)


Tensor.allclose = lambda self, other, rtol=1e-5, atol=1e-8, equal_nan=False: bool(
    isclose(self, other, rtol, atol, equal_nan).all()
)
greater, greater_equal, less, less_equal = _core.gt, _core.ge, _core.lt, _core.le
not_equal, true_divide = _core.ne, _core.div
for _new, _old in {
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "true_divide": "div",
}.items():
    setattr(Tensor, _new, getattr(Tensor, _old))
Tensor.floor_divide = Tensor._floor_divide
Tensor.remainder = Tensor._remainder

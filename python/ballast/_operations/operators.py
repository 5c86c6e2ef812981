"""Operators of ``Tensor`` beyond arithmetic: of bits, with the number first, in place."""

from __future__ import annotations

from collections.abc import Callable

from .. import _core
from .._core import Tensor

__all__: list[str] = []


def _tensor(value) -> Tensor | None:
    """A number as a tensor without dimensions; None for what is no number."""
    from .._create import tensor

    if isinstance(value, Tensor):
        return value
    return tensor(value) if isinstance(value, (bool, int, float)) else None


def _bits(name: str) -> Callable:
    truths, numbers = getattr(Tensor, f"logical_{name}"), getattr(Tensor, f"bitwise_{name}")

    def operator(self: Tensor, other):
        other = _tensor(other)
        if other is None:
            return NotImplemented
        both = self.dtype is _core.bool and other.dtype is _core.bool
        return truths(self, other) if both else numbers(self, other)

    return operator


def _invert(self: Tensor) -> Tensor:
    if self.dtype.is_floating_point:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return self.logical_not() if self.dtype is _core.bool else self.bitwise_not()


def _reflected(function: Callable) -> Callable:
    """The operator whose left side is a number."""

    def operator(self: Tensor, other):
        other = _tensor(other)
        return NotImplemented if other is None else function(other, self)

    return operator


def _assigned(function: Callable) -> Callable:
    """The operator that writes to its left side."""

    def operator(self: Tensor, other):
        value = function(self, other)
        if value is NotImplemented:
            return value
        self._written(value)
        return self

    return operator


_OPERATORS = {
    "and": _bits("and"),
    "or": _bits("or"),
    "xor": _bits("xor"),
    "lshift": Tensor.bitwise_left_shift,
    "rshift": Tensor.bitwise_right_shift,
    "floordiv": Tensor.floor_divide,
    "mod": Tensor.remainder,
}
for _name, _function in _OPERATORS.items():
    setattr(Tensor, f"__{_name}__", _function)
    setattr(Tensor, f"__r{_name}__", _reflected(_function))
    setattr(Tensor, f"__i{_name}__", _assigned(_function))
Tensor.__invert__ = _invert
Tensor.__ipow__ = lambda self, exponent: self.pow_(exponent)
Tensor.__rpow__ = lambda self, base: _core.pow(base, self)
Tensor.__reversed__ = lambda self: self.flip(0) if self.dim() else self

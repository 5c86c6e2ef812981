"""Layers that pad."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from ._spatial import spread
from .module import Module


class _Pad(Module):
    """Padding of the last `_rank` dimensions."""

    _rank = 1
    _mode = "constant"

    def __init__(self, padding: int | tuple[int, ...]):
        super().__init__()
        self.padding = spread(padding, 2 * self._rank)

    def forward(self, input: Tensor) -> Tensor:
        """Pad (N, C, ...) or (C, ...)."""
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """Write the amounts."""
        return f"{self.padding}"


class ConstantPad1d(_Pad):
    """Padding with a number; `padding` is (left, right) or one number for both."""

    def __init__(self, padding: int | tuple[int, ...], value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Pad (N, C, ...) or (C, ...)."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Write amounts and value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(ConstantPad1d):
    """Padding with a number; `padding` is (left, right, top, bottom) or one number for all."""

    _rank = 2


class ConstantPad3d(ConstantPad1d):
    """Padding with a number; `padding` adds (front, back)."""

    _rank = 3


class ZeroPad1d(_Pad):
    """Padding with zeros."""


class ZeroPad2d(_Pad):
    """Padding with zeros."""

    _rank = 2


class ZeroPad3d(_Pad):
    """Padding with zeros."""

    _rank = 3


class ReflectionPad1d(_Pad):
    """Padding with the image mirrored at its border elements."""

    _mode = "reflect"


class ReflectionPad2d(ReflectionPad1d):
    """Padding with the image mirrored at its border elements."""

    _rank = 2


class ReflectionPad3d(ReflectionPad1d):
    """Padding with the image mirrored at its border elements."""

    _rank = 3


class ReplicationPad1d(_Pad):
    """Padding with the border elements."""

    _mode = "replicate"


class ReplicationPad2d(ReplicationPad1d):
    """Padding with the border elements."""

    _rank = 2


class ReplicationPad3d(ReplicationPad1d):
    """Padding with the border elements."""

    _rank = 3


class CircularPad1d(_Pad):
    """Padding with what stands at the other end."""

    _mode = "circular"


class CircularPad2d(CircularPad1d):
    """Padding with what stands at the other end."""

    _rank = 2


class CircularPad3d(CircularPad1d):
    """Padding with what stands at the other end."""

    _rank = 3

"""Winograd's algorithm for 3x3 convolutions: a switch for the process.

It computes tiles of 4x4 outputs from sums of their 6x6 inputs, with a quarter of the
multiplications. So the error of an output is relative to the largest input of its tile (up to 3e-7
of it, times the norm of an output's weights), not to the inputs that it reads. ``enabled = False``
has the convolutions that are called
from then on computed directly; ``layer.winograd = False`` does so for one layer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from .. import _core


@contextmanager
def flags(enabled: bool = False) -> Iterator[None]:
    """Set the switch for the length of a ``with`` block."""
    before = _core._winograd()
    _core._set_winograd(enabled)
    try:
        yield
    finally:
        _core._set_winograd(before)


class _Switch(ModuleType):
    @property
    def enabled(self) -> bool:
        """Whether convolutions may use it."""
        return _core._winograd()

    @enabled.setter
    def enabled(self, on: bool) -> None:
        _core._set_winograd(bool(on))


sys.modules[__name__].__class__ = _Switch

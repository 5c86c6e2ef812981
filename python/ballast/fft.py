"""What ``torch.fft`` has without complex numbers; transforms say what to use instead."""

from __future__ import annotations

from . import _core
from ._core import Tensor
from ._missing import guard

__all__ = ["fftfreq", "fftshift", "ifftshift", "rfftfreq"]


def fftfreq(n: int, d: float = 1.0, *, dtype=None, **_) -> Tensor:
    """Frequencies of a transform of `n` samples, `d` apart."""
    positive = _core.arange(0, (n - 1) // 2 + 1, dtype=dtype or _core.float32)
    negative = _core.arange(-(n // 2), 0, dtype=dtype or _core.float32)
    return _core.cat([positive, negative]) / (n * d)


def rfftfreq(n: int, d: float = 1.0, *, dtype=None, **_) -> Tensor:
    """Frequencies of a transform of `n` real samples, `d` apart."""
    return _core.arange(0, n // 2 + 1, dtype=dtype or _core.float32) / (n * d)


def _shifted(input: Tensor, dim, half) -> Tensor:
    dims = range(input.dim()) if dim is None else [dim] if isinstance(dim, int) else dim
    dims = tuple(dims)
    return input.roll(tuple(half(input.shape[d]) for d in dims), dims)


def fftshift(input: Tensor, dim=None) -> Tensor:
    """Move frequency 0 to the middle."""
    return _shifted(input, dim, lambda n: n // 2)


def ifftshift(input: Tensor, dim=None) -> Tensor:
    """Undo `fftshift`."""
    return _shifted(input, dim, lambda n: (n + 1) // 2)


guard(globals(), "torch.fft")

"""Operations on lists of tensors, ``torch._foreach_*``: loaded when a program asks for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _core
from ._core import Tensor

_UNARY = """
    abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg
    reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc
""".split()
_BINARY = "add sub mul div pow clamp_min clamp_max maximum minimum".split()
_TERNARY = "addcmul addcdiv".split()
_OTHERS = {"maximum": "clamp_min", "minimum": "clamp_max"}


def _each(other: Any, count: int) -> list:
    """Spread a number or tensor over a list."""
    if isinstance(other, (list, tuple)):
        if len(other) != count:
            raise RuntimeError(
                f"Tensor lists must have the same number of tensors, got {count} and {len(other)}"
            )
        return list(other)
    return [other] * count


def _function(name: str) -> Callable:
    in_place = name.endswith("_")
    plain = name.rstrip("_")
    if plain in _UNARY or plain == "zero":
        method = getattr(Tensor, name)
        return lambda self: [method(t) for t in self]
    if plain in _BINARY:
        return _binary(plain, in_place)
    if plain in _TERNARY:
        method = getattr(Tensor, name)

        def ternary(self, tensor1, tensor2, value=1, *, scalars=None):
            values = _each(value if scalars is None else scalars, len(self))
            if isinstance(values[0] if values else 1, Tensor):
                values = [v.item() for v in values]
            if isinstance(value, Tensor):
                values = value.tolist()
            parts = zip(self, tensor1, tensor2, values, strict=True)
            return [method(t, a, b, value=float(v)) for t, a, b, v in parts]

        return ternary
    if plain == "lerp":
        method = getattr(Tensor, name)

        def lerp(self, tensors1, weights=None, *, weight=None):
            each = _each(weights if weight is None else weight, len(self))
            return [method(t, o, w) for t, o, w in zip(self, tensors1, each, strict=True)]

        return lerp
    raise AttributeError(f"module 'torch' has no attribute '_foreach_{name}' in Ballast")


def _binary(plain: str, in_place: bool) -> Callable:
    chosen = _OTHERS.get(plain, plain)

    def compute(t: Any, other: Any, alpha: float) -> Tensor:
        if alpha != 1:
            return getattr(t, chosen)(other, alpha=alpha)
        if chosen.startswith("clamp") and isinstance(other, Tensor):
            return (_core.maximum if chosen == "clamp_min" else _core.minimum)(t, other)
        if not isinstance(t, Tensor):  # a number to powers
            return t**other
        return getattr(t, chosen)(other)

    def binary(self, other=None, *, alpha=1, scalar=None, scalars=None, exponent=None):
        given = [v for v in (other, scalar, scalars, exponent) if v is not None]
        if not isinstance(self, (list, tuple)):
            return [compute(self, o, alpha) for o in given[0]]
        results = [
            compute(t, o, alpha) for t, o in zip(self, _each(given[0], len(self)), strict=True)
        ]
        if not in_place:
            return results
        for t, result in zip(self, results, strict=True):
            t.copy_(result)
        return None

    return binary


def _foreach_norm(self, ord=2, dtype=None) -> list[Tensor]:
    """Norms of all tensors."""
    return [_core_norm(t, ord, dtype) for t in self]


def _core_norm(t: Tensor, ord: float, dtype) -> Tensor:
    from .linalg import vector_norm

    return vector_norm(t, ord, dtype=dtype)


def _foreach_max(self) -> list[Tensor]:
    """The largest element of each."""
    return [t.max() for t in self]


def _foreach_clone(self) -> list[Tensor]:
    """A copy of each."""
    return [t.clone() for t in self]


def _foreach_copy_(self, src, non_blocking: bool = False) -> None:
    """Copy each into each."""
    for t, other in zip(self, src, strict=True):
        t.copy_(other)


def __getattr__(name: str) -> Callable:
    if not name.startswith("_foreach_"):
        raise AttributeError(name)
    function = _function(name.removeprefix("_foreach_"))
    function.__name__ = function.__qualname__ = name
    globals()[name] = function
    return function

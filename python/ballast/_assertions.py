"""Conditions that programs check by PyTorch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._core import Tensor

__all__ = ["_assert", "_check"]


def _assert(condition: Any, message: str) -> None:
    """Raise AssertionError unless the condition holds."""
    assert condition, message


def _assert_async(cond: Tensor, assert_msg: str | None = None) -> None:
    """Raise RuntimeError unless the single element of a tensor is not zero."""
    if cond.numel() != 1:
        count = "no values" if not cond.numel() else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {count} is ambiguous")
    if not bool(cond):
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


def _failed(kind: type[Exception]) -> Callable:
    def check(cond: Any, message: Callable[[], str] | None = None) -> None:
        if not cond:
            text = message() if callable(message) else message
            raise kind(text or "Expected cond to be True, but got False.")

    check.__doc__ = f"Raise {kind.__name__} unless the condition holds."
    return check


_check = _failed(RuntimeError)
_check_index = _failed(IndexError)
_check_value = _failed(ValueError)
_check_type = _failed(TypeError)
_check_not_implemented = _failed(NotImplementedError)


def _check_tensor_all(cond: Tensor, message: Callable[[], str] | None = None) -> None:
    """Raise RuntimeError unless all elements hold."""
    _check(bool(cond.all()), message)


def _check_is_size(i: int, message: Callable[[], str] | None = None, **kwargs: Any) -> None:
    """Raise RuntimeError unless the number can be a size."""
    _check(i >= 0, message)

"""Which types ``torch.load`` makes without trusting a file, as ``torch.serialization``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    *("add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"),
]

_safe: list[Any] = []


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Let files make objects of these types, or call these functions.

    Parameters
    ----------
    safe_globals : sequence
        Types and functions; or pairs of one and the name that files know it by.
    """
    _safe.extend(g for g in safe_globals if g not in _safe)


def get_safe_globals() -> list[Any]:
    """List what was added."""
    return list(_safe)


def clear_safe_globals() -> None:
    """Forget what was added."""
    _safe.clear()


class safe_globals:  # noqa: N801 (PyTorch's name)
    """Adds types within a `with` block."""

    def __init__(self, safe_globals: Sequence[Any]):
        self._added = safe_globals

    def __enter__(self) -> None:
        self._before = list(_safe)
        add_safe_globals(self._added)

    def __exit__(self, *error: Any) -> None:
        _safe[:] = self._before

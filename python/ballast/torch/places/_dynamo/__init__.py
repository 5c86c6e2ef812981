"""PyTorch's compiler of bytecode: packages ask it to leave functions alone, which happens here."""

from __future__ import annotations

from typing import Any

from ....compiler import allow_in_graph, disable, is_compiling
from . import utils

__all__ = ["allow_in_graph", "config", "disable", "is_compiling", "reset", "utils"]


class _Settings:
    """Settings of a compiler that is not there: they can be set and change nothing."""

    suppress_errors = False
    cache_size_limit = 8

    def __getattr__(self, name: str) -> Any:
        return None


config = _Settings()


def reset() -> None:
    """Forget what was compiled: nothing was."""


def mark_dynamic(t: Any, index: Any, **kwargs: Any) -> None:
    """Any size may change from call to call."""


class OptimizedModule:
    """What PyTorch's compiler makes of a module: no module is an instance."""

"""As ``torch.compiler``: programs ask whether they are compiled, and mark what must not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = [
    "allow_in_graph",
    "assume_constant_result",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "reset",
]


def is_compiling() -> bool:
    """Whether the code is being compiled: no."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def disable(fn: Callable | None = None, recursive: bool = True, **kwargs: Any) -> Callable:
    """Return the function, or a decorator that does: nothing is compiled."""
    return fn if fn is not None else (lambda function: function)


def allow_in_graph(fn: Callable) -> Callable:
    """Return the function."""
    return fn


assume_constant_result = substitute_in_graph = allow_in_graph


def reset() -> None:
    """Forget what was compiled: nothing was."""


cudagraph_mark_step_begin = reset

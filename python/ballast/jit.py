"""What model files ask ``torch.jit``: nothing is compiled here, the Python code runs as it is."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "Final",
    "annotate",
    "export",
    "ignore",
    "is_scripting",
    "is_tracing",
    "script",
    "script_method",
    "trace",
    "unused",
]


def is_scripting() -> bool:
    """Whether the code is being compiled: no."""
    return False


def is_tracing() -> bool:
    """Whether the code is being traced: no."""
    return False


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the module or function: it runs as it is."""
    return obj


def trace(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Return the module or function: it runs as it is."""
    return func


def export(fn: Any) -> Any:
    """Return the function."""
    return fn


def unused(fn: Any) -> Any:
    """Return the function."""
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Return the function, or what returns it."""
    return drop if callable(drop) else unused


def annotate(the_type: Any, the_value: Any) -> Any:
    """Return the value."""
    return the_value


script_method = export


def __getattr__(name: str) -> Any:
    from ._missing import say

    raise AttributeError(say("torch.jit", name), name=name, obj=None)

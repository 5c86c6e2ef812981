"""What model files ask ``torch.jit``: nothing is compiled here, the Python code runs as it is."""

from __future__ import annotations

import contextlib
from typing import Any, Final

__all__ = [
    "Final",
    "RecursiveScriptModule",
    "ScriptFunction",
    "ScriptModule",
    "annotate",
    "export",
    "fuser",
    "ignore",
    "is_scripting",
    "is_tracing",
    "optimized_execution",
    "script",
    "script_if_tracing",
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
_drop = _script_if_tracing = script_if_tracing = _overload = _overload_method = unused


class ScriptModule:
    """No module is compiled: none is an instance."""


RecursiveScriptModule = ScriptFunction = ScriptModule


def optimized_execution(should_optimize: bool) -> Any:
    """Change nothing, within a `with` block."""
    return contextlib.nullcontext()


fuser = optimized_execution


def _get_trace_graph(*args: Any, **kwargs: Any) -> Any:
    """Raise: there are no such graphs."""
    raise NotImplementedError(
        "torch.jit._get_trace_graph is not in Ballast: use torch.fx.symbolic_trace, forward hooks "
        "or ballast.explain"
    )


class TracerWarning(Warning):
    """Warns of nothing: nothing is traced."""


def __getattr__(name: str) -> Any:
    from .._missing import say

    raise AttributeError(say("torch.jit", name), name=name, obj=None)

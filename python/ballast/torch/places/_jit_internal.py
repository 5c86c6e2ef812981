"""PyTorch's compiler's helpers: packages mark functions with them, which changes nothing here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final  # noqa: F401

from ...jit import export, ignore, is_scripting, unused  # noqa: F401


def _overload_method(function: Callable) -> Callable:
    """Return the function."""
    return function


_overload = _copy_to_script_wrapper = _overload_method


def boolean_dispatch(
    arg_name: str,
    arg_index: int,
    default: bool,
    if_true: Callable,
    if_false: Callable,
    **names: Any,
) -> Callable:
    """Make a function that calls one of two, by the value of an argument."""

    def dispatched(*args: Any, **kwargs: Any) -> Any:
        chosen = kwargs.get(arg_name, args[arg_index] if arg_index < len(args) else default)
        return (if_true if chosen else if_false)(*args, **kwargs)

    return dispatched

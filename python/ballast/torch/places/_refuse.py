"""How a name that is there for imports alone says that it does nothing."""

from __future__ import annotations

from typing import Any, NoReturn


def refused(name: str, instead: str) -> Any:
    """Make a function that raises NotImplementedError with its name and what to use instead."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f"{name} is not in Ballast: {instead}")

    refuse.__name__ = refuse.__qualname__ = name.rpartition(".")[2]
    refuse.__doc__ = f"Refuses: {instead}."
    return refuse

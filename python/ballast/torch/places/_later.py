"""Makes modules whose names exist for imports alone: using what they name says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._refuse import refused


def names_only(module: str, instead: str) -> Callable[[str], Any]:
    """Make a module's ``__getattr__``: each name is a class that refuses to be made."""

    def __getattr__(name: str) -> Any:  # noqa: N807 (the hook's name)
        if name.startswith("__"):
            raise AttributeError(name)
        refuse = refused(f"torch.{module}.{name}", instead)
        return type(name, (), {"__init__": refuse, "__module__": f"torch.{module}"})

    return __getattr__

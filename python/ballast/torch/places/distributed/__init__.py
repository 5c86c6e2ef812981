"""Programs ask here whether they are one of several processes: they are not."""

from __future__ import annotations

from .._refuse import refused

_INSTEAD = "one process trains on all cores of a machine; leave it out"


def is_available() -> bool:
    """Whether several processes can train together: no."""
    return False


def is_initialized() -> bool:
    """Whether this process is one of several: no."""
    return False


def is_torchelastic_launched() -> bool:
    """Whether a launcher has started this process: no."""
    return False


class ReduceOp:
    """The names of reductions."""

    SUM, PRODUCT, MIN, MAX, AVG = "sum", "product", "min", "max", "avg"


class group:  # noqa: N801 (PyTorch's name)
    """The names of groups."""

    WORLD = None


class ProcessGroup:
    """The type of groups, for annotations."""


class Work:
    """The type of pending collectives, for annotations."""


def __getattr__(name: str):
    if name.startswith("__"):
        raise AttributeError(name)
    return refused(f"torch.distributed.{name}", _INSTEAD)

"""cuDNN's switches. Results are reproducible whatever they say, and there is no cuDNN."""

from __future__ import annotations

enabled = False
benchmark = False
deterministic = True
allow_tf32 = False


def is_available() -> bool:
    """Whether there is cuDNN."""
    return False


def version() -> None:
    """Name no version: there is no cuDNN."""

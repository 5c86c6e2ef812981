"""Programs ask whether there is a GPU they could use. There is none: Ballast runs on CPUs."""

from __future__ import annotations


def is_available() -> bool:
    """Whether tensors can live on a GPU."""
    return False


def device_count() -> int:
    """How many GPUs there are."""
    return 0


def manual_seed_all(seed: int) -> None:
    """Seed no GPU."""


manual_seed = manual_seed_all

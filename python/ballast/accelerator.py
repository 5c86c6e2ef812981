"""Programs ask for a device faster than the CPU, as ``torch.accelerator``: there is none."""

from __future__ import annotations

from typing import NoReturn


def is_available() -> bool:
    """Whether there is one."""
    return False


def device_count() -> int:
    """How many there are."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """Name its device: None."""
    return None


def synchronize(device=None) -> None:
    """Wait for none."""


def empty_cache() -> None:
    """Free none's memory."""


def memory_allocated(device=None) -> int:
    """How much of its memory is in use."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated
reset_peak_memory_stats = reset_accumulated_memory_stats = synchronize


def current_device_index() -> NoReturn:
    """Raise: there is none."""
    raise RuntimeError("Ballast runs on CPUs; torch.accelerator.is_available() is False")


set_device_index = current_stream = set_stream = current_device_idx = lambda *a: (
    current_device_index()
)
set_device_idx = set_device_index

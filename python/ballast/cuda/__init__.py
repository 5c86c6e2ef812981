"""Programs ask whether there is a GPU they could use. There is none: Ballast runs on CPUs."""

from __future__ import annotations

from .._missing import guard


def is_available() -> bool:
    """Whether tensors can live on a GPU."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether GPUs compute in bfloat16."""
    return False


def is_initialized() -> bool:
    """Whether the GPUs are in use."""
    return False


def device_count() -> int:
    """How many GPUs there are."""
    return 0


def manual_seed_all(seed: int) -> None:
    """Seed no GPU."""


def empty_cache() -> None:
    """Free no GPU's memory."""


def synchronize(device=None) -> None:
    """Wait for no GPU."""


def current_device() -> int:
    """Raise: there is no GPU."""
    raise RuntimeError("Ballast runs on CPUs; there is no GPU (torch.cuda.is_available() is False)")


def max_memory_allocated(device=None) -> int:
    """How much memory GPUs have used."""
    return 0


manual_seed = manual_seed_all
memory_allocated = memory_reserved = max_memory_reserved = max_memory_allocated
reset_peak_memory_stats = reset_max_memory_allocated = empty_cache
set_device = get_device_name = get_device_properties = lambda *args, **kwargs: current_device()

from . import amp  # noqa: E402, F401 (it is a module of this one)

guard(globals(), "torch.cuda")

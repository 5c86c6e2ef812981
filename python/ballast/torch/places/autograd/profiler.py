"""lightning takes classes from here; `torch.profiler` records."""

from ....profiler import EventList, profile, record_function
from .._refuse import refused

__all__ = ["EventList", "emit_itt", "emit_nvtx", "load_nvprof", "profile", "record_function"]

_INSTEAD = "use torch.profiler.profile"


class emit_nvtx:  # noqa: N801 (PyTorch's name)
    """Refuses to be made: it marks ranges for a profiler of GPUs."""

    __init__ = refused("torch.autograd.profiler.emit_nvtx", _INSTEAD)


class emit_itt:  # noqa: N801 (PyTorch's name)
    """Refuses to be made: it marks ranges for another profiler."""

    __init__ = refused("torch.autograd.profiler.emit_itt", _INSTEAD)


load_nvprof = refused("torch.autograd.profiler.load_nvprof", _INSTEAD)

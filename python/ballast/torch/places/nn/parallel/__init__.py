"""Programs wrap modules for several devices; there is one, so that DataParallel passes through."""

from __future__ import annotations

from typing import Any

from ..... import nn
from ....._missing import guard
from ..._refuse import refused


class DataParallel(nn.Module):
    """Runs the module: all of a batch on the one device."""

    def __init__(
        self, module: nn.Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        self.module, self.dim, self.device_ids = module, dim, []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """Run the module."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(nn.Module):
    """Refuses to be made: one process trains."""

    __init__ = refused("DistributedDataParallel", "one process trains on all cores of a machine")  # type: ignore


guard(globals(), "torch.nn.parallel")

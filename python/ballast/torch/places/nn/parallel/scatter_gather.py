"""captum cuts batches for several devices by these; for one device, a batch is one piece."""

from __future__ import annotations

from typing import Any


def _one(devices: Any) -> None:
    if devices is not None and len(devices) != 1:
        raise NotImplementedError(f"Ballast has one device, the CPU; got {devices}")


def scatter(inputs: Any, target_gpus: Any, dim: int = 0) -> list[Any]:
    """Give the batch as the only piece."""
    _one(target_gpus)
    return [inputs]


def gather(outputs: Any, target_device: Any, dim: int = 0) -> Any:
    """Give the only piece."""
    _one(outputs)
    return outputs[0]

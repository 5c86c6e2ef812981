"""torchvision's quantizable models are built with these; to quantize them is refused."""

from __future__ import annotations

from .....nn import Identity
from ..._refuse import refused

_INSTEAD = "networks are kept and run in float32; leave quantization out"


class QuantStub(Identity):
    """The place where values would be quantized: they pass."""

    def __init__(self, qconfig=None):
        super().__init__()


class DeQuantStub(QuantStub):
    """The place where values would return to float32: they pass."""


class QuantWrapper(Identity):
    """Refuses: a quantized module."""

    __init__ = refused("torch.ao.quantization.QuantWrapper", _INSTEAD)


def __getattr__(name: str):
    if name.startswith("__"):
        raise AttributeError(name)
    return refused(f"torch.ao.quantization.{name}", _INSTEAD)

"""PyTorch's exporter's helpers: torchvision decorates the operators that it registers with them."""

from __future__ import annotations

from collections.abc import Callable

from .._refuse import refused


def parse_args(*kinds: str) -> Callable:
    """Return a decorator that leaves the function as it is."""
    return lambda function: function


def __getattr__(name: str):
    if name.startswith("__"):
        raise AttributeError(name)
    return refused(f"torch.onnx.symbolic_helper.{name}", "Ballast's exporter has its own operators")

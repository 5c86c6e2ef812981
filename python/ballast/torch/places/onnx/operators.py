"""PyTorch's exporter's `operators`, imported by packages that extend it."""

from .._refuse import refused


def __getattr__(name: str):
    if name.startswith("__"):
        raise AttributeError(name)
    return refused(f"torch.onnx.operators.{name}", "Ballast's exporter has operators of its own")

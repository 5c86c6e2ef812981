"""kornia asks whether a tensor is one without elements, of PyTorch's compiler: none is."""

from .fake_tensor import FakeTensor, FakeTensorMode

__all__ = ["FakeTensor", "FakeTensorMode"]

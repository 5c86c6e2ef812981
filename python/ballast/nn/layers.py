"""Layers with weights."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor
from .._core import linear as _linear
from . import functional as F
from . import init
from .conv import reset_linear
from .module import Module
from .parameter import Parameter


class Identity(Module):
    """Returns its input, whatever it was constructed with."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Return the input."""
        return input


class Linear(Module):
    """y = x W^T + b.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of the last dimension of x and y.
    bias : bool
        Whether there is a b.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device=None, dtype=None
    ):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        dtype = dtype or _core.float32
        self.weight = Parameter(_core.empty(out_features, in_features, dtype=dtype))
        if bias:
            self.bias = Parameter(_core.empty(out_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        reset_linear(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (..., in_features) to (..., out_features)."""
        p = self._parameters
        return _linear(input, p["weight"], p["bias"])

    def extra_repr(self) -> str:
        """Write the sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` under the name that it has in `MultiheadAttention`."""


class Bilinear(Module):
    """y[o] = sum of x1[i] * weight[o, i, j] * x2[j], plus a bias.

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        Sizes of the last dimensions of x1, x2 and y.
    bias : bool
        Whether there is a bias.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device=None,
        dtype=None,
    ):
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        dtype = dtype or _core.float32
        self.weight = Parameter(_core.empty(out_features, in1_features, in2_features, dtype=dtype))
        if bias:
            self.bias = Parameter(_core.empty(out_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Combine (..., in1_features) and (..., in2_features)."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Write the sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )

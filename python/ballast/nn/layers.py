"""Layers with weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import _core
from .._core import Tensor, _batch_norm
from .._core import conv2d as _conv2d
from .._core import linear as _linear
from . import init
from .module import Module
from .parameter import Parameter


class Identity(Module):
    """Returns its input, whatever it was constructed with."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Return the input."""
        return input


def _reset_linear(weight: Tensor, bias: Tensor | None) -> None:
    """Initialize as PyTorch does: uniform within 1/sqrt(fan_in)."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        init.uniform_(bias, -bound, bound)


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
        _reset_linear(self.weight, self.bias)

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


def _pair(value: int | Iterable[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


class Conv2d(Module):
    """Convolution of images (N, C, H, W).

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    kernel_size, stride, padding, dilation : int or tuple of two
        Rows and columns. `padding` may be ``"valid"`` or, with stride 1 and a kernel that has a
        middle, ``"same"``.
    groups : int
        Input and output channels are split into that many independent groups.
    bias : bool
        Whether a number per output channel is added.
    padding_mode : str
        ``"zeros"``
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ):
        super().__init__()
        if padding_mode != "zeros":
            raise NotImplementedError(f"Conv2d: padding_mode='{padding_mode}'")
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair(kernel_size)
        self.stride = _pair(stride)
        self.dilation = _pair(dilation)
        self.groups = groups
        self.padding_mode = padding_mode
        self.padding = padding if isinstance(padding, str) else _pair(padding)
        self._zeros = self._count_zeros()
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        dtype = dtype or _core.float32
        self.weight = Parameter(_core.empty(shape, dtype=dtype))
        if bias:
            self.bias = Parameter(_core.empty(out_channels, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _count_zeros(self) -> tuple[int, int]:
        if not isinstance(self.padding, str):
            return self.padding
        if self.padding == "valid":
            return (0, 0)
        if self.padding != "same":
            raise ValueError(
                f"Invalid padding string '{self.padding}', should be one of ['valid', 'same']"
            )
        if self.stride != (1, 1):
            raise ValueError("padding='same' is not supported for strided convolutions")
        spans = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        if any(s % 2 for s in spans):
            raise NotImplementedError("padding='same' needs a kernel with a middle")
        return (spans[0] // 2, spans[1] // 2)

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        _reset_linear(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H', W')."""
        p = self._parameters
        return _conv2d(
            input, p["weight"], p["bias"], self.stride, self._zeros, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        """Write the sizes, and the options that are not the defaults."""
        s = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self._zeros != (0, 0):
            s += f", padding={self.padding}"
        if self.dilation != (1, 1):
            s += f", dilation={self.dilation}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        return s


class _BatchNorm(Module):
    _ranks: tuple[int, ...] = ()
    _expected = ""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        dtype = dtype or _core.float32
        if affine:
            self.weight = Parameter(_core.ones(num_features, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        if affine and bias:
            self.bias = Parameter(_core.zeros(num_features, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        tracked = track_running_stats
        self.register_buffer(
            "running_mean", _core.zeros(num_features, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "running_var", _core.ones(num_features, dtype=dtype) if tracked else None
        )
        self.register_buffer(
            "num_batches_tracked", _core.zeros((), dtype=_core.int64) if tracked else None
        )

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Set weights to one, biases to zero, and forget the running statistics."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self._ranks:
            raise ValueError(f"expected {self._expected} input (got {input.ndim}D input)")

    def forward(self, input: Tensor) -> Tensor:
        """Normalize (N, C, ...): by the batch while training, else by the running statistics."""
        if input.ndim not in self._ranks:
            self._check_input_dim(input)
        p, b = self._parameters, self._buffers
        mean = b["running_mean"]
        momentum = self.momentum
        return _batch_norm(
            input,
            mean,
            b["running_var"],
            b["num_batches_tracked"],
            p["weight"],
            p["bias"],
            self.training or mean is None,
            -1.0 if momentum is None else momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """Write all arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalization of (N, C) or (N, C, L) (Ioffe and Szegedy, 2015).

    Parameters
    ----------
    num_features : int
        C
    eps : float
        Added to the variance.
    momentum : float or None
        Weight of a batch in the running statistics; None: all batches count alike.
    affine : bool
        Whether to learn a weight and a bias per channel.
    track_running_stats : bool
        Whether to keep running statistics for evaluation.
    device, dtype : optional
        The CPU; the type of the parameters.
    bias : bool
        Whether an affine layer has a bias.
    """

    _ranks = (2, 3)
    _expected = "2D or 3D"


class BatchNorm2d(_BatchNorm):
    """Batch normalization of (N, C, H, W); the parameters are those of `BatchNorm1d`."""

    _ranks = (4,)
    _expected = "4D"


class BatchNorm3d(_BatchNorm):
    """Batch normalization of (N, C, D, H, W); the parameters are those of `BatchNorm1d`."""

    _ranks = (5,)
    _expected = "5D"

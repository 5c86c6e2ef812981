"""Convolutions and transposed convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .. import _core
from .._core import Tensor
from . import functional as F
from . import init
from ._spatial import pad_amounts, same_amounts, spread
from .module import Module
from .parameter import Parameter

Sizes = int | Sequence[int]
_MODES = ("zeros", "reflect", "replicate", "circular")


def reset_linear(weight: Tensor, bias: Tensor | None) -> None:
    """Initialize as PyTorch does: uniform within 1/sqrt(fan_in)."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        init.uniform_(bias, -bound, bound)


class _ConvNd(Module):
    """What all convolutions share; `_rank` dimensions, a weight of `_weight_shape()`."""

    _rank = 0
    _modes = _MODES
    winograd = True
    """Whether Winograd's algorithm may be used where it is faster; False computes directly."""

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        padding,
        dilation,
        output_padding,
        groups,
        bias,
        padding_mode,
        dtype,
    ):
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        rank = self._rank
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = spread(kernel_size, rank)
        self.stride = spread(stride, rank)
        self.padding = padding if isinstance(padding, str) else spread(padding, rank)
        self.dilation = spread(dilation, rank)
        self.output_padding = spread(output_padding, rank)
        self.groups = groups
        self._check_padding(padding_mode)
        self.padding_mode = padding_mode
        dtype = dtype or _core.float32
        self.weight = Parameter(_core.empty(self._weight_shape(), dtype=dtype))
        if bias:
            self.bias = Parameter(_core.empty(out_channels, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check_padding(self, padding_mode: str) -> None:
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string '{self.padding}', should be one of ['same', 'valid']"
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in self._modes:
            raise ValueError(
                f"padding_mode must be one of {list(self._modes)}, but got "
                f"padding_mode='{padding_mode}'"
            )

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw new initial values."""
        if self.weight.numel():
            reset_linear(self.weight, self.bias)

    def extra_repr(self) -> str:
        """Write the sizes, and the options that are not the defaults."""
        s = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0,) * self._rank:
            s += f", padding={self.padding}"
        if self.dilation != (1,) * self._rank:
            s += f", dilation={self.dilation}"
        if self.output_padding != (0,) * self._rank:
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        if self.padding_mode != "zeros":
            s += f", padding_mode={self.padding_mode}"
        return s


class _Conv(_ConvNd):
    """A convolution; `_function` is its name in `functional`, `_core` in the extension module."""

    _function = ""
    _fast = None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ):
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            0,
            groups,
            bias,
            padding_mode,
            dtype,
        )
        # Numbers only, and zeros: nothing to do before the operation.
        self._plain = padding_mode == "zeros" and not isinstance(padding, str)

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, in_channels, ...) to (N, out_channels, ...)."""
        if not self.winograd:
            with _core._DirectConv():
                return self._computed(input)
        return self._computed(input)

    def _computed(self, input: Tensor) -> Tensor:
        p = self._parameters
        weight, bias = p["weight"], p["bias"]
        if self._plain:
            return type(self)._fast(
                input, weight, bias, self.stride, self.padding, self.dilation, self.groups
            )
        return self._conv_forward(input, weight, bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        function = getattr(F, self._function)
        if self.padding_mode == "zeros":
            return function(
                input, weight, bias, self.stride, self.padding, self.dilation, self.groups
            )
        padded = F.pad(input, self._amounts(), self.padding_mode)
        return function(padded, weight, bias, self.stride, 0, self.dilation, self.groups)

    def _amounts(self) -> list[int]:
        if self.padding == "valid":
            amounts = [(0, 0)] * self._rank
        elif self.padding == "same":
            amounts = same_amounts(self.kernel_size, self.dilation)
        else:
            amounts = [(p, p) for p in self.padding]
        return pad_amounts(amounts)


class Conv1d(_Conv):
    """Convolution of sequences (N, C, L); the parameters are those of `Conv2d`."""

    _rank = 1
    _function = "conv1d"
    _fast = staticmethod(_core._conv1d)


class Conv2d(_Conv):
    """Convolution of images (N, C, H, W).

    3x3 convolutions of stride 1 use Winograd's algorithm where it is faster. There, one pixel that
    is much larger than those around it costs up to 4x4 outputs near it digits: their error is up
    to 3e-7 of that pixel, times the norm of an output's weights. ``layer.winograd = False``
    computes one layer directly, ``ballast.backends.winograd.enabled = False`` all layers of the
    process.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    kernel_size, stride, padding, dilation : int or tuple of two
        Rows and columns. `padding` may be ``"valid"`` or, with stride 1, ``"same"``.
    groups : int
        Input and output channels are split into that many independent groups.
    bias : bool
        Whether a number per output channel is added.
    padding_mode : str
        ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    _rank = 2
    _function = "conv2d"
    _fast = staticmethod(_core.conv2d)


class Conv3d(_Conv):
    """Convolution of volumes (N, C, D, H, W); the parameters are those of `Conv2d`."""

    _rank = 3
    _function = "conv3d"
    _fast = staticmethod(_core._conv3d)


class _ConvTranspose(_ConvNd):
    _modes = ("zeros",)
    _function = ""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device=None,
        dtype=None,
    ):
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            output_padding,
            groups,
            bias,
            padding_mode,
            dtype,
        )

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def _check_padding(self, padding_mode: str) -> None:
        if isinstance(self.padding, str):
            raise TypeError("padding of a transposed convolution must be whole numbers")

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Map (N, in_channels, ...) to (N, out_channels, ...), of `output_size` where given."""
        if not self.winograd:
            with _core._DirectConv():
                return self._computed(input, output_size)
        return self._computed(input, output_size)

    def _computed(self, input: Tensor, output_size: Sequence[int] | None) -> Tensor:
        return getattr(F, self._function)(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )

    def _output_padding(self, input: Tensor, output_size) -> tuple[int, ...]:
        if output_size is None:
            return self.output_padding
        rank = self._rank
        wanted = list(output_size)
        lead = input.dim() - rank
        if len(wanted) == rank + lead:
            wanted = wanted[lead:]
        if len(wanted) != rank:
            raise ValueError(
                f"ConvTranspose{rank}D: for {input.dim()}D input, output_size must have {rank} or "
                f"{input.dim()} elements (got {len(wanted)})"
            )
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[lead:],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        ]
        largest = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if not all(a <= n <= b for a, n, b in zip(least, wanted, largest, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to "
                f"{largest} (for an input of {list(input.shape[lead:])})"
            )
        return tuple(n - a for n, a in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution of (N, C, L); the parameters are those of `ConvTranspose2d`."""

    _rank = 1
    _function = "conv_transpose1d"


class ConvTranspose2d(_ConvTranspose):
    """The derivative of a convolution as a layer: (N, C, H, W) grows.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of input and output.
    kernel_size, stride, padding, output_padding, dilation : int or tuple of two
        A size n becomes (n - 1)*stride - 2*padding + dilation*(kernel - 1) + output_padding + 1.
    groups : int
        Input and output channels are split into that many independent groups.
    bias : bool
        Whether a number per output channel is added.
    padding_mode : str
        ``"zeros"``
    device, dtype : optional
        The CPU; the type of the parameters.
    """

    _rank = 2
    _function = "conv_transpose2d"


class ConvTranspose3d(_ConvTranspose):
    """Transposed convolution of (N, C, D, H, W); the parameters are those of `ConvTranspose2d`."""

    _rank = 3
    _function = "conv_transpose3d"

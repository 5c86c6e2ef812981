"""Pooling layers."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from ._spatial import spread
from .simple import _REQUIRED, _Simple


class _Pool(_Simple):
    """Windows of `kernel_size`; without `stride` they do not overlap."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.stride is None:
            self.stride = self.kernel_size


class MaxPool2d(_Pool):
    """The largest element of windows that slide over (N, C, H, W)."""

    _function = staticmethod(F.max_pool2d)
    _options = {
        "kernel_size": _REQUIRED,
        "stride": None,
        "padding": 0,
        "dilation": 1,
        "return_indices": False,
        "ceil_mode": False,
    }
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def forward(self, input: Tensor):
        """Pool, with the positions of the largest elements where `return_indices`."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )


class MaxPool1d(MaxPool2d):
    """The largest element of windows that slide along (N, C, L)."""

    _function = staticmethod(F.max_pool1d)


class MaxPool3d(MaxPool2d):
    """The largest element of windows that slide through (N, C, D, H, W)."""

    _function = staticmethod(F.max_pool3d)


class MaxUnpool2d(_Pool):
    """Puts elements where `MaxPool2d` found them, zeros elsewhere."""

    _function = staticmethod(F.max_unpool2d)
    _rank = 2
    _options = {"kernel_size": _REQUIRED, "stride": None, "padding": 0}
    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in self._options:
            setattr(self, name, spread(getattr(self, name), self._rank))

    def forward(self, input: Tensor, indices: Tensor, output_size=None) -> Tensor:
        """Unpool, to `output_size` where given."""
        return type(self)._function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool1d(MaxUnpool2d):
    """Puts elements where `MaxPool1d` found them, zeros elsewhere."""

    _function = staticmethod(F.max_unpool1d)
    _rank = 1


class MaxUnpool3d(MaxUnpool2d):
    """Puts elements where `MaxPool3d` found them, zeros elsewhere."""

    _function = staticmethod(F.max_unpool3d)
    _rank = 3


class AvgPool1d(_Pool):
    """The mean of windows that slide along (N, C, L)."""

    _options = {
        "kernel_size": _REQUIRED,
        "stride": None,
        "padding": 0,
        "ceil_mode": False,
        "count_include_pad": True,
    }
    _shown = ("kernel_size", "stride", "padding")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in self._shown:
            setattr(self, name, spread(getattr(self, name), 1))

    def forward(self, input: Tensor) -> Tensor:
        """Pool."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )


class AvgPool2d(_Pool):
    """The mean of windows that slide over (N, C, H, W)."""

    _function = staticmethod(F.avg_pool2d)
    _options = {**AvgPool1d._options, "divisor_override": None}
    _shown = ("kernel_size", "stride", "padding")

    def forward(self, input: Tensor) -> Tensor:
        """Pool."""
        return type(self)._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(AvgPool2d):
    """The mean of windows that slide through (N, C, D, H, W)."""

    _function = staticmethod(F.avg_pool3d)


class LPPool2d(_Simple):
    """The p-norm of windows that slide over (N, C, H, W)."""

    _function = staticmethod(F.lp_pool2d)
    _options = {
        "norm_type": _REQUIRED,
        "kernel_size": _REQUIRED,
        "stride": None,
        "ceil_mode": False,
    }
    _shown = ("norm_type", "kernel_size", "stride", "ceil_mode")

    def forward(self, input: Tensor) -> Tensor:
        """Pool."""
        return type(self)._function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool1d(LPPool2d):
    """The p-norm of windows that slide along (N, C, L)."""

    _function = staticmethod(F.lp_pool1d)


class LPPool3d(LPPool2d):
    """The p-norm of windows that slide through (N, C, D, H, W)."""

    _function = staticmethod(F.lp_pool3d)


class AdaptiveAvgPool2d(_Simple):
    """Means over as many windows as `output_size` says; None keeps a size."""

    _function = staticmethod(F.adaptive_avg_pool2d)
    _options = {"output_size": _REQUIRED}
    _shown = ("output_size",)

    def forward(self, input: Tensor) -> Tensor:
        """Pool."""
        return type(self)._function(input, self.output_size)


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """Means over as many windows of the last dimension as `output_size` says."""

    _function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool3d(AdaptiveAvgPool2d):
    """Means over as many windows as `output_size` says; None keeps a size."""

    _function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool2d(_Simple):
    """The largest elements of as many windows as `output_size` says; None keeps a size."""

    _function = staticmethod(F.adaptive_max_pool2d)
    _options = {"output_size": _REQUIRED, "return_indices": False}
    _shown = ("output_size",)

    def forward(self, input: Tensor):
        """Pool, with the positions of the largest elements where `return_indices`."""
        return type(self)._function(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(AdaptiveMaxPool2d):
    """The largest elements of as many windows of the last dimension as `output_size` says."""

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool3d(AdaptiveMaxPool2d):
    """The largest elements of as many windows as `output_size` says; None keeps a size."""

    _function = staticmethod(F.adaptive_max_pool3d)

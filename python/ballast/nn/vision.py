"""Layers that resize images, rearrange channels, or take images apart into windows."""

from __future__ import annotations

from .._core import Tensor
from . import functional as F
from .simple import _REQUIRED, _Simple


class Upsample(_Simple):
    """Resizing of the dimensions after the second, as `functional.interpolate`."""

    _options = {
        "size": None,
        "scale_factor": None,
        "mode": "nearest",
        "align_corners": None,
        "recompute_scale_factor": None,
    }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        factor = self.scale_factor
        if isinstance(factor, tuple):
            self.scale_factor = tuple(float(f) for f in factor)
        elif factor is not None:
            self.scale_factor = float(factor)

    def forward(self, input: Tensor) -> Tensor:
        """Resize (N, C, ...)."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        """Write what sets the size, and the mode."""
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)!r}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Every pixel repeated."""

    _options = {"size": None, "scale_factor": None}

    mode = "nearest"
    align_corners = recompute_scale_factor = None


class UpsamplingBilinear2d(UpsamplingNearest2d):
    """Bilinear interpolation between the corner pixels."""

    mode = "bilinear"
    align_corners = True


class PixelShuffle(_Simple):
    """(..., C*r*r, H, W) rearranged into (..., C, H*r, W*r)."""

    _options = {"upscale_factor": _REQUIRED}
    _shown = ("upscale_factor",)

    def forward(self, input: Tensor) -> Tensor:
        """Rearrange."""
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(_Simple):
    """(..., C, H*r, W*r) rearranged into (..., C*r*r, H, W)."""

    _options = {"downscale_factor": _REQUIRED}
    _shown = ("downscale_factor",)

    def forward(self, input: Tensor) -> Tensor:
        """Rearrange."""
        return F.pixel_unshuffle(input, self.downscale_factor)


class ChannelShuffle(_Simple):
    """Channels dealt out from `groups` groups in turn (Zhang et al., 2018)."""

    _options = {"groups": _REQUIRED}
    _shown = ("groups",)

    def forward(self, input: Tensor) -> Tensor:
        """Rearrange (N, C, ...)."""
        return F.channel_shuffle(input, self.groups)


class Unfold(_Simple):
    """The windows that a convolution sees, as columns: (N, C, H, W) to (N, C*kH*kW, windows)."""

    _options = {"kernel_size": _REQUIRED, "dilation": 1, "padding": 0, "stride": 1}
    _shown = ("kernel_size", "dilation", "padding", "stride")

    def forward(self, input: Tensor) -> Tensor:
        """Take apart."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Simple):
    """Columns added up into an image: `Unfold`'s transpose."""

    _options = {
        "output_size": _REQUIRED,
        "kernel_size": _REQUIRED,
        "dilation": 1,
        "padding": 0,
        "stride": 1,
    }
    _shown = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def forward(self, input: Tensor) -> Tensor:
        """Add up."""
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

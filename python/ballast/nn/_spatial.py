"""Functions of images of one to three dimensions: convolution, pooling, padding, resizing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from .. import _core
from .._core import Tensor, _conv1d, _conv3d, _pad
from .._core import conv2d as _core_conv2d

Sizes = int | Sequence[int]


def spread(value: Sizes, rank: int) -> tuple[int, ...]:
    """One size for each dimension."""
    return (value,) * rank if isinstance(value, int) else tuple(value)


# Convolution.


def same_amounts(kernel: Iterable[int], dilation: Iterable[int]) -> list[tuple[int, int]]:
    """(before, after) per dimension that keep the size."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return [(t // 2, t - t // 2) for t in totals]


def pad_amounts(amounts: list[tuple[int, int]]) -> list[int]:
    """As `pad` takes them: the last dimension first."""
    return [a for pair in reversed(amounts) for a in pair]


def _convolve(op, rank: int, input, weight, bias, stride, padding, dilation, groups) -> Tensor:
    if not isinstance(padding, str):
        return op(input, weight, bias, stride, padding, dilation, groups)
    if padding == "valid":
        return op(input, weight, bias, stride, 0, dilation, groups)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in spread(stride, rank)):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    amounts = same_amounts(weight.shape[2:], spread(dilation, rank))
    if all(a == b for a, b in amounts):
        return op(input, weight, bias, stride, tuple(a for a, _ in amounts), dilation, groups)
    padded = _pad(input, pad_amounts(amounts), "constant", 0.0)
    return op(padded, weight, bias, stride, 0, dilation, groups)


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve (N, C, L) with a weight (O, C/groups, k)."""
    return _convolve(_conv1d, 1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve (N, C, H, W) with a weight (O, C/groups, kH, kW)."""
    return _convolve(_core_conv2d, 2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Convolve (N, C, D, H, W) with a weight (O, C/groups, kD, kH, kW)."""
    return _convolve(_conv3d, 3, input, weight, bias, stride, padding, dilation, groups)


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Add elements around a tensor.

    Parameters
    ----------
    pad : sequence of int
        (before, after) of the last dimension, of the one before it, ...; negative: cut off.
    mode : str
        ``"constant"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    value : float, optional
        What the constant mode adds; 0.
    """
    return _pad(input, tuple(pad), mode, 0.0 if value is None else float(value))


# Pooling.


def _max_pool(rank, input, kernel, stride, padding, dilation, ceil_mode, return_indices):
    values, indices = _core._max_pool(
        rank, input, kernel, stride or None, padding, dilation, ceil_mode
    )
    return (values, indices) if return_indices else values


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Take the largest element of windows that slide along (N, C, L)."""
    if return_indices:
        return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)
    one = [None if v is None else spread(v, 1)[0] for v in (stride or None, padding, dilation)]
    return _core.max_pool1d(input, kernel_size, *one, ceil_mode)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Take the largest element of windows that slide over (N, C, H, W)."""
    if return_indices:
        return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)
    return _core.max_pool2d(input, kernel_size, stride or None, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
):
    """Take the largest element of windows that slide through (N, C, D, H, W)."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(input: Tensor, *args, **kwargs):
    """`max_pool1d`, with the positions of the largest elements."""
    return max_pool1d(input, *args, **{**kwargs, "return_indices": True})


def max_pool2d_with_indices(input: Tensor, *args, **kwargs):
    """`max_pool2d`, with the positions of the largest elements."""
    return max_pool2d(input, *args, **{**kwargs, "return_indices": True})


def max_pool3d_with_indices(input: Tensor, *args, **kwargs):
    """`max_pool3d`, with the positions of the largest elements."""
    return max_pool3d(input, *args, **{**kwargs, "return_indices": True})


def _unpool(rank, input, indices, kernel_size, stride, padding, output_size) -> Tensor:
    kernel = spread(kernel_size, rank)
    step = spread(kernel if stride is None else stride, rank)
    border = spread(padding, rank)
    sizes = input.shape[-rank:]
    default = [
        (n - 1) * s + k - 2 * p for n, s, k, p in zip(sizes, step, kernel, border, strict=True)
    ]
    if output_size is None:
        output = default
    else:
        output = list(output_size)
        if len(output) == rank + 2:
            output = output[2:]
        if len(output) != rank:
            raise ValueError(
                "output_size should be a sequence containing "
                f"{rank} or {rank + 2} elements, but it has a length of '{len(output)}'"
            )
        for d, (n, wanted, s) in enumerate(zip(output, default, step, strict=True)):
            if not wanted - s < n < wanted + s:
                raise ValueError(
                    f"invalid output_size '{output_size}' (dim {d} must be between "
                    f"{wanted - s} and {wanted + s})"
                )
    return _core._max_unpool(rank, input, indices, tuple(output))


def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None
) -> Tensor:
    """Put the elements of `input` where `max_pool1d` found them."""
    return _unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None
) -> Tensor:
    """Put the elements of `input` where `max_pool2d` found them."""
    return _unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None
) -> Tensor:
    """Put the elements of `input` where `max_pool3d` found them."""
    return _unpool(3, input, indices, kernel_size, stride, padding, output_size)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Average windows that slide along (N, C, L)."""
    one = [None if v is None else spread(v, 1)[0] for v in (stride or None, padding)]
    return _core.avg_pool1d(input, kernel_size, *one, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Average windows that slide over (N, C, H, W)."""
    stride = stride or None
    if divisor_override is None:
        return _core.avg_pool2d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)
    return _core._avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Average windows that slide through (N, C, D, H, W)."""
    return _core._avg_pool(
        3,
        input,
        kernel_size,
        stride or None,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def _output_sizes(input: Tensor, output_size, rank: int) -> tuple[int, ...]:
    """Sizes with None replaced by the input's."""
    if isinstance(output_size, int):
        return (output_size,) * rank
    sizes = zip(output_size, input.shape[-rank:], strict=True)
    return tuple(n if o is None else o for o, n in sizes)


def adaptive_avg_pool1d(input: Tensor, output_size: Sizes) -> Tensor:
    """Average over as many windows of the last dimension as `output_size` says."""
    return _core.adaptive_avg_pool1d(input, _output_sizes(input, output_size, 1))


def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """Average over as many windows as `output_size` says; None keeps the size."""
    return _core._adaptive_avg_pool2d(input, _output_sizes(input, output_size, 2))


def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """Average over as many windows as `output_size` says; None keeps the size."""
    return _core._adaptive_avg_pool(3, input, _output_sizes(input, output_size, 3))


def _adaptive_max(rank, input, output_size, return_indices):
    pooled = _core._adaptive_max_pool(rank, input, _output_sizes(input, output_size, rank))
    return pooled if return_indices else pooled[0]


def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """Take the largest elements of as many windows as `output_size` says."""
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """Take the largest elements of as many windows as `output_size` says; None keeps the size."""
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size, return_indices: bool = False):
    """Take the largest elements of as many windows as `output_size` says; None keeps the size."""
    return _adaptive_max(3, input, output_size, return_indices)


def _lp_pool(rank, input, norm_type, kernel_size, stride, ceil_mode) -> Tensor:
    kernel = spread(kernel_size, rank)
    # Windows that reach over the end count as whole ones.
    means = _core._avg_pool(
        rank, input.pow(norm_type), kernel, stride or None, 0, ceil_mode, True, None
    )
    return (means * math.prod(kernel)).pow(1.0 / norm_type)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride=None, ceil_mode: bool = False
) -> Tensor:
    """Take the p-norm of windows that slide along (N, C, L)."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride=None, ceil_mode: bool = False
) -> Tensor:
    """Take the p-norm of windows that slide over (N, C, H, W)."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride=None, ceil_mode: bool = False
) -> Tensor:
    """Take the p-norm of windows that slide through (N, C, D, H, W)."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# Resizing.

_MODES = {
    "nearest": 0,
    "nearest-exact": 1,
    "linear": 2,
    "bilinear": 2,
    "trilinear": 2,
    "bicubic": 3,
}
_RANKS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}


def _resized(input, size, scale_factor, recompute) -> tuple[tuple[int, ...], list[float]]:
    """Output sizes, and the factors that positions are computed from."""
    spatial = input.shape[2:]
    rank = len(spatial)
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "only one of size or scale_factor should be defined"
            if size is not None
            else "either size or scale_factor should be defined"
        )
    given = size if size is not None else scale_factor
    if isinstance(given, (list, tuple)) and len(given) != rank:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(spatial)} and "
            f"{'output size' if size is not None else 'scale_factor'} of {given}."
        )
    values = list(given) if isinstance(given, (list, tuple)) else [given] * rank
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return tuple(int(v) for v in values), []
    output = tuple(math.floor(n * float(f)) for n, f in zip(spatial, values, strict=True))
    return output, [] if recompute else [float(f) for f in values]


def interpolate(
    input: Tensor,
    size=None,
    scale_factor=None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize the dimensions after the second.

    Parameters
    ----------
    size : int or tuple of int, optional
        The output's sizes,
    scale_factor : float or tuple of float, optional
        or what the input's are multiplied by.
    mode : str
        ``"nearest"``, ``"nearest-exact"``, ``"area"``, ``"linear"`` (N, C, L), ``"bilinear"`` or
        ``"bicubic"`` (N, C, H, W), ``"trilinear"`` (N, C, D, H, W).
    align_corners : bool, optional
        Whether the centres of the corner elements stay where they are, not their outer corners.
    recompute_scale_factor : bool, optional
        Whether positions are computed from the sizes, not from `scale_factor`.
    antialias : bool
        Whether the filter widens where the image shrinks.
    """
    rank = input.dim() - 2
    if mode in ("nearest", "nearest-exact", "area"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the interpolating modes: linear | "
                "bilinear | bicubic | trilinear"
            )
    elif mode not in _RANKS or _RANKS[mode] != rank:
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.dim()}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | "
            f"area | nearest-exact (got {mode})"
        )
    if antialias and mode not in ("bilinear", "bicubic"):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        )
    output, scale = _resized(input, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return pools[rank - 1](input, output)
    return _core._resize(input, output, _MODES[mode], bool(align_corners), antialias, scale)


def upsample(
    input: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners=None
) -> Tensor:
    """`interpolate`, by its name of old."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Rearrange (..., C*r*r, H, W) into (..., C, H*r, W*r)."""
    r, (*lead, c, h, w) = upscale_factor, input.shape
    if input.dim() < 3:
        raise RuntimeError(
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    split = input.reshape(*lead, c // (r * r), r, r, h, w)
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return split.permute(*order).reshape(*lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Rearrange (..., C, H*r, W*r) into (..., C*r*r, H, W)."""
    r, (*lead, c, h, w) = downscale_factor, input.shape
    if input.dim() < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    if h % r or w % r:
        raise RuntimeError(
            "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got "
            f"input of size {list(input.shape)} and downscale_factor={r}"
        )
    n = len(lead)
    split = input.reshape(*lead, c, h // r, r, w // r, r)
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    return split.permute(*order).reshape(*lead, c * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal the channels of (N, C, ...) out from `groups` groups in turn."""
    if input.dim() < 3:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    n, c, *rest = input.shape
    if groups <= 0 or c % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups."
        )
    return input.reshape(n, groups, c // groups, -1).transpose(1, 2).reshape(n, c, *rest)

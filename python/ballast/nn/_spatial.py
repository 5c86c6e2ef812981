"""Functions of images of one to three dimensions: convolution, pooling, padding, resizing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .. import _core
from .._core import Tensor, _conv1d, _conv3d, _pad
from .._core import conv2d as _core_conv2d

Sizes = int | Sequence[int]


def given(stride):
    """The stride, or None for an empty list, which stands for the kernel's size."""
    return None if isinstance(stride, (list, tuple)) and not stride else stride


def spread(value: Sizes, rank: int) -> tuple[int, ...]:
    """One size for each dimension."""
    if isinstance(value, (list, tuple)) and len(value) not in (1, rank):
        raise RuntimeError(f"expected a single int or a list of {rank} ints, got {value}")
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
    if not isinstance(padding, str) or not isinstance(weight, Tensor):
        return op(input, weight, bias, stride, padding, dilation, groups)
    if padding == "valid":
        return op(input, weight, bias, stride, 0, dilation, groups)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    if any(s != 1 for s in spread(stride, rank)):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    if weight.dim() != rank + 2:
        raise RuntimeError(
            f"Expected a {rank + 2}-dimensional weight for conv{rank}d, but got weight of size "
            f"{list(weight.shape)}"
        )
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
    if not isinstance(pad, (list, tuple)):
        raise TypeError(f"pad(): argument 'pad' must be tuple of ints, not {type(pad).__name__}")
    return _pad(input, tuple(pad), mode, 0.0 if value is None else float(value))


# Pooling.


def _max_pool(rank, input, kernel, stride, padding, dilation, ceil_mode, return_indices):
    values, indices = _core._max_pool(
        rank, input, kernel, given(stride), padding, dilation, ceil_mode
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
    one = [None if v is None else spread(v, 1)[0] for v in (given(stride), padding, dilation)]
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
    return _core.max_pool2d(input, kernel_size, given(stride), padding, dilation, ceil_mode)


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


def _check_listed(rank: int, *sizes: Sizes) -> None:
    """Raise for lists of another length than there are dimensions."""
    for value in sizes:
        if isinstance(value, (list, tuple)) and value and len(value) != rank:
            raise ValueError(f"expected a single int or a list of {rank} ints, got {value}")


def _unpool(rank, input, indices, kernel_size, stride, padding, output_size) -> Tensor:
    if isinstance(kernel_size, (list, tuple)) and len(kernel_size) < rank:
        raise RuntimeError(f"max_unpool{rank}d: expected {rank} sizes, got {kernel_size}")
    output = _core._unpooled_size(
        rank, input, kernel_size, stride, padding, [] if output_size is None else [*output_size]
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
    one = [None if v is None else spread(v, 1)[0] for v in (given(stride), padding)]
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
    stride = given(stride)
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
        given(stride),
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
    )


def _output_sizes(input: Tensor, output_size, rank: int) -> tuple[int, ...]:
    """Sizes with None replaced by the input's."""
    if isinstance(output_size, int):
        return (output_size,) * rank
    if isinstance(output_size, Tensor) and (rank > 1 or output_size.dim() == 0):
        output_size = output_size.tolist() if output_size.dim() else [int(output_size)]
    if not isinstance(output_size, (list, tuple)):
        raise TypeError(f"output_size must be tuple of ints, not {type(output_size).__name__}")
    if len(output_size) != rank:
        raise RuntimeError(f"output_size must be {rank} numbers, got {len(output_size)}")
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


def adaptive_max_pool1d(input: Tensor, output_size, return_indices=False):
    """Take the largest elements of as many windows as `output_size` says."""
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size, return_indices=False):
    """Take the largest elements of as many windows as `output_size` says; None keeps the size."""
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size, return_indices=False):
    """Take the largest elements of as many windows as `output_size` says; None keeps the size."""
    return _adaptive_max(3, input, output_size, return_indices)


def _check_order(norm_type: float) -> None:
    if norm_type == 0:
        raise ValueError("lp_pool: norm_type must not be 0")


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride=None, ceil_mode: bool = False
) -> Tensor:
    """Take the p-norm of windows that slide along (N, C, L)."""
    _check_order(norm_type)
    _check_listed(1, kernel_size, stride)
    return _core._lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride=None, ceil_mode: bool = False
) -> Tensor:
    """Take the p-norm of windows that slide over (N, C, H, W)."""
    _check_order(norm_type)
    _check_listed(2, kernel_size, stride)
    return _core._lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Sizes, stride=None, ceil_mode: bool = False
) -> Tensor:
    """Take the p-norm of windows that slide through (N, C, D, H, W)."""
    _check_order(norm_type)
    _check_listed(3, kernel_size, stride)
    return _core._lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# Resizing.


def _each(value) -> list | None:
    """A number, or one for each dimension, as a list."""
    return value if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


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
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    factors = _each(scale_factor)
    for given in (size, scale_factor):
        if isinstance(given, (list, tuple)) and len(given) != input.dim() - 2:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input "
                f"with spatial dimensions of {list(input.shape[2:])} and {given}."
            )
    if any(isinstance(f, str) or (isinstance(f, Tensor) and f.dim()) for f in factors or ()):
        raise TypeError(f"interpolate(): scale_factor must be numbers, got {scale_factor}")
    return _core._interpolate(
        input,
        _each(size),
        None if factors is None else [float(f) for f in factors],
        mode,
        align_corners,
        bool(recompute_scale_factor),
        antialias,
    )


def upsample(
    input: Tensor, size=None, scale_factor=None, mode: str = "nearest", align_corners=None
) -> Tensor:
    """`interpolate`, by its name of old."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """`interpolate` to the nearest element."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """`interpolate` between four pixels, corners staying corners."""
    return interpolate(input, size, scale_factor, "bilinear", True)

"""Initial values, as ``torch.nn.init``: the same numbers for the same seed."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable

from .. import _core
from .._core import Generator, Tensor
from ..autograd import no_grad


def calculate_gain(nonlinearity: str, param=None) -> float:
    """Look up the recommended gain of a nonlinearity."""
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    gains = {"tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4}
    linear = ("linear", "conv1d", "conv2d", "conv3d", "sigmoid")
    if nonlinearity not in gains and nonlinearity not in linear:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return gains.get(nonlinearity, 1)


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return fan_in if mode == "fan_in" else fan_out


@no_grad()
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with uniform numbers from [a, b)."""
    return tensor._uniform_(a, b, generator)


@no_grad()
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return tensor.copy_(_core.eye(*tensor.shape, dtype=tensor.dtype))


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill uniformly, by Glorot and Bengio (2010): within ``gain*sqrt(6/(fan_in + fan_out))``."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    a = math.sqrt(3.0) * std
    return uniform_(tensor, -a, a, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill with normal numbers of variance ``gain**2 * 2/(fan_in + fan_out)``."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def kaiming_uniform_(
    tensor: Tensor,
    a=0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill uniformly, by He et al. (2015): within ``gain*sqrt(3/fan)``."""
    if 0 in tensor.shape:
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a=0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers of standard deviation ``gain/sqrt(fan)``."""
    if 0 in tensor.shape:
        return tensor
    fan = _calculate_correct_fan(tensor, mode)
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return normal_(tensor, 0.0, std, generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with normal numbers between `a` and `b`.

    Where they hold more than 30 % of the distribution, what falls outside is drawn again; else
    numbers are drawn uniformly and kept with a probability in proportion to the density.
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    scale = std * math.sqrt(2.0)
    inside = (math.erf((b - mean) / scale) - math.erf((a - mean) / scale)) / 2
    if inside > 0.3:
        return tensor.copy_(_redrawn(tensor, mean, std, a, b, generator))
    return tensor.copy_(_refused(tensor, mean, std, a, b, generator))


def _redrawn(tensor: Tensor, mean, std, a, b, generator) -> Tensor:
    values = _core.empty_like(tensor).normal_(mean, std, generator=generator)
    while True:
        outside = (values < a) | (values > b)
        if not outside.any().item():
            return values
        again = _core.empty_like(tensor).normal_(mean, std, generator=generator)
        values = _core.where(outside, again, values)


def _refused(tensor: Tensor, mean, std, a, b, generator) -> Tensor:
    """Draw and refuse, by von Neumann (1951)."""
    mode = max(a, min(mean, b))
    highest = -0.5 * ((mode - mean) / std) ** 2
    values = pending = None
    while pending is None or pending.any().item():
        drawn = _core.empty_like(tensor)._uniform_(a, b, generator)
        density = ((drawn - mean) / std) ** 2 * -0.5 - highest
        refused = _core.empty_like(tensor)._uniform_(0.0, 1.0, generator).log() > density
        values = drawn if values is None else _core.where(pending, drawn, values)
        pending = refused if pending is None else pending & refused
    return values


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a convolution's weight so that each group passes its channels on."""
    if tensor.dim() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    outputs, inputs, *sizes = tensor.shape
    if outputs % groups:
        raise ValueError("dim 0 must be divisible by groups")
    centre = tuple(n // 2 for n in sizes)
    tensor.fill_(0)
    for group in range(groups):
        for channel in range(min(outputs // groups, inputs)):
            tensor[(group * (outputs // groups) + channel, channel, *centre)] = 1
    return tensor


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with `gain` times a matrix of orthonormal rows or columns (Saxe et al., 2013)."""
    if tensor.dim() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0:
        return tensor
    from ..linalg import qr

    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    drawn = _core.empty(rows, columns, dtype=tensor.dtype).normal_(0, 1, generator=generator)
    q, r = qr(drawn.t() if rows < columns else drawn)
    # Signs by which the distribution is uniform (Mezzadri, 2007).
    q = q * r.diagonal().sign()
    return tensor.copy_((q.t() if rows < columns else q).reshape(*tensor.shape) * gain)


@no_grad()
def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Fill with normal numbers, a fraction of each column with zeros (Martens, 2010)."""
    if tensor.dim() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        tensor[_core.randperm(rows)[:zeros], column] = 0
    return tensor


def _deprecated(function: Callable) -> Callable:
    new = function.__name__
    old = new[:-1]

    @functools.wraps(function)
    def call(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    call.__name__ = old
    return call


uniform, normal, constant = map(_deprecated, (uniform_, normal_, constant_))
eye, dirac, orthogonal, sparse = map(_deprecated, (eye_, dirac_, orthogonal_, sparse_))
xavier_uniform, xavier_normal = map(_deprecated, (xavier_uniform_, xavier_normal_))
kaiming_uniform, kaiming_normal = map(_deprecated, (kaiming_uniform_, kaiming_normal_))

"""Layers as functions, as ``torch.nn.functional``."""

from __future__ import annotations

from .. import _core
from .._core import (
    Tensor,
    _batch_norm,
    adaptive_avg_pool1d,
    avg_pool1d,
    avg_pool2d,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    conv2d,
    cross_entropy,
    dropout,
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    huber_loss,
    kl_div,
    l1_loss,
    leaky_relu,
    linear,
    max_pool1d,
    max_pool2d,
    mse_loss,
    nll_loss,
    one_hot,
    relu6,
    sigmoid,
    silu,
    smooth_l1_loss,
    softplus,
    tanh,
)
from .._core import _relu as relu

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize every channel, by the batch's statistics (`training`) or by the running ones.

    Parameters
    ----------
    input : Tensor
        (N, C) or (N, C, ...).
    running_mean, running_var : Tensor or None
        (C); updated in place where `training`.
    weight, bias : Tensor, optional
        (C)
    training : bool
        Whether to normalize by the batch.
    momentum : float
        Weight of the batch in the running statistics.
    eps : float
        Added to the variance.

    Returns
    -------
    Tensor
        Of the input's shape.
    """
    return _batch_norm(
        input, running_mean, running_var, None, weight, bias, training, momentum, eps
    )


def adaptive_avg_pool2d(input: Tensor, output_size: int | tuple[int | None, int | None]) -> Tensor:
    """Average over as many windows as `output_size` says; None keeps the size."""
    if isinstance(output_size, (tuple, list)):
        sizes = zip(output_size, input.shape[-2:], strict=True)
        output_size = tuple(s if o is None else o for o, s in sizes)
    return _core._adaptive_avg_pool2d(input, output_size)


def _softmax_dim(rank: int) -> int:
    return 0 if rank in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """exp(x)/sum(exp(x)) along `dim`."""
    return input.softmax(_softmax_dim(input.dim()) if dim is None else dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """log(softmax(x)) along `dim`."""
    return input.log_softmax(_softmax_dim(input.dim()) if dim is None else dim, dtype)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the norm along `dim`."""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps).expand_as(input)

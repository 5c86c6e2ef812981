"""Layers as functions, as ``torch.nn.functional``."""

from __future__ import annotations

from .. import _core
from .._core import (
    Tensor,
    _batch_norm,
    alpha_dropout,
    bilinear,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    celu,
    channel_shuffle,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cosine_embedding_loss,
    cosine_similarity,
    cross_entropy,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    elu,
    feature_alpha_dropout,
    fold,
    gelu,
    glu,
    group_norm,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    hinge_embedding_loss,
    huber_loss,
    instance_norm,
    kl_div,
    l1_loss,
    layer_norm,
    leaky_relu,
    linear,
    local_response_norm,
    logsigmoid,
    margin_ranking_loss,
    mish,
    mse_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    one_hot,
    pairwise_distance,
    pdist,
    pixel_shuffle,
    pixel_unshuffle,
    poisson_nll_loss,
    prelu,
    relu6,
    rms_norm,
    rrelu,
    selu,
    sigmoid,
    silu,
    smooth_l1_loss,
    soft_margin_loss,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    threshold,
    triplet_margin_loss,
    unfold,
)
from .._core import _affine_grid as affine_grid
from .._core import _attention as scaled_dot_product_attention
from .._core import _ctc_loss as ctc_loss
from .._core import _fractional_max_pool2d as fractional_max_pool2d
from .._core import _fractional_max_pool3d as fractional_max_pool3d
from .._core import _grid_sample as grid_sample
from .._core import _relu as relu
from .._operations._method import Dims
from ._attention import (
    _canonical_mask,  # noqa: F401 (files of other packages name it)
    _none_or_dtype,  # noqa: F401
    multi_head_attention_forward,
)
from ._spatial import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    conv1d,
    conv2d,
    conv3d,
    interpolate,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_pool1d,
    max_pool1d_with_indices,
    max_pool2d,
    max_pool2d_with_indices,
    max_pool3d,
    max_pool3d_with_indices,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
    pad,
    upsample,
    upsample_bilinear,
    upsample_nearest,
)
from ._tables import (
    embedding,
    embedding_bag,
    gaussian_nll_loss,
    triplet_margin_with_distance_loss,
)

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "ctc_loss",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "fractional_max_pool2d",
    "fractional_max_pool3d",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "linear_cross_entropy",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_head_attention_forward",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pdist",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
    "upsample",
    "upsample_bilinear",
    "upsample_nearest",
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


def _softmax_dim(rank: int) -> int:
    return 0 if rank in (0, 1, 3) else 1


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """exp(x)/sum(exp(x)) along `dim`."""
    return input.softmax(_softmax_dim(input.dim()) if dim is None else dim, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel=3, dtype=None) -> Tensor:
    """log(softmax(x)) along `dim`."""
    return input.log_softmax(_softmax_dim(input.dim()) if dim is None else dim, dtype)


def normalize(
    input: Tensor, p: float | None = 2.0, dim: Dims | None = 1, eps: float = 1e-12
) -> Tensor:
    """Divide by the norm along `dim`."""
    return input / input.norm(p, dim, keepdim=True).clamp(min=eps).expand_as(input)


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options=None,
) -> Tensor:
    """`cross_entropy` of what `linear` makes of the input (N, in), weights being (C, ..., in).

    `options`, which in PyTorch save memory, change nothing.
    """
    if ignore_index is not None and target.dtype.is_floating_point:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    classes, *rest, features = linear_weight.shape
    if rest and input.dim() != 2:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} "
            f"requires batched input, (N, {features}), got shape {tuple(input.shape)}"
        )
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight.reshape(-1, features), bias)
    return cross_entropy(
        logits.reshape(*input.shape[:-1], classes, *rest),
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype=None) -> Tensor:
    """softmax(-x) along `dim`."""
    return softmax(-input, dim, dtype=dtype)


def _in_place(function):
    def method(input: Tensor, *args, **kwargs) -> Tensor:
        input._written(function(input, *args, **kwargs))
        return input

    method.__name__ = method.__qualname__ = function.__name__ + "_"
    method.__doc__ = f"In-place `{function.__name__}`."
    return method


celu_, elu_, hardtanh_, leaky_relu_, relu_, rrelu_, selu_, threshold_ = map(
    _in_place, (celu, elu, hardtanh, leaky_relu, relu, rrelu, selu, threshold)
)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Draw from a categorical distribution, differentiably (Jang et al., 2017).

    Parameters
    ----------
    logits : Tensor
        Unnormalized logarithms of probabilities along `dim`.
    tau : float
        The temperature: the lower, the closer to one category.
    hard : bool
        Give one category, with the derivative of the soft result.
    """
    noise = -_core.empty_like(logits.detach()).exponential_().log()
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.detach().argmax(dim, keepdim=True)
    one = _core.zeros_like(soft.detach()).scatter(dim, index, 1.0)
    return one - soft.detach() + soft

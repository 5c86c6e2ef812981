"""Batch normalization with fixed statistics, folded into the layer before it."""

from __future__ import annotations

import copy

from ... import _core
from ..._core import Tensor
from ..module import Module
from ..parameter import Parameter


def _scale_and_shift(
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    weight: Tensor | None,
    shift: Tensor | None,
) -> tuple[Tensor, Tensor]:
    bias = _core.zeros_like(mean) if bias is None else bias
    weight = _core.ones_like(mean) if weight is None else weight
    shift = _core.zeros_like(mean) if shift is None else shift
    scale = weight * (var + eps).rsqrt()
    return scale, (bias - mean) * scale + shift


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the convolution that does what both layers do.

    Parameters
    ----------
    conv_w, conv_b : Tensor
        (C, ...) and (C): of the convolution.
    bn_rm, bn_rv, bn_w, bn_b : Tensor
        (C): running mean and variance, weight and bias.
    bn_eps : float
        Added to the variance.
    transpose : bool
        Whether the convolution is transposed: (inputs, C/groups, ...) is the size of `conv_w`.

    Returns
    -------
    weight, bias : Parameter
        Of the sizes of `conv_w` and `bn_rm`.
    """
    scale, bias = _scale_and_shift(conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    if transpose:
        # Each group of inputs makes output channels of its own.
        inputs, channels, *kernel = conv_w.shape
        groups = scale.numel() // channels
        scale = scale.reshape(groups, 1, channels, *(1 for _ in kernel))
        weight = (conv_w.reshape(groups, inputs // groups, channels, *kernel) * scale).reshape(
            conv_w.shape
        )
    else:
        weight = conv_w * scale.reshape([-1] + [1] * (conv_w.dim() - 1))
    return (
        Parameter(weight.detach(), conv_w.requires_grad),
        Parameter(bias.detach(), conv_w.requires_grad if conv_b is None else conv_b.requires_grad),
    )


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the linear layer that does what both layers do.

    The parameters are those of `fuse_conv_bn_weights`.
    """
    return fuse_conv_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)


def _fused(layer: Module, bn: Module, transpose: bool = False) -> Module:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("fusion needs running statistics")
    fused = copy.deepcopy(layer)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        fused.weight,
        fused.bias,
        bn.running_mean,
        bn.running_var,
        bn.eps,
        bn.weight,
        bn.bias,
        transpose,
    )
    return fused


def fuse_conv_bn_eval(conv: Module, bn: Module, transpose: bool = False) -> Module:
    """Make one convolution of a convolution and the batch normalization after it.

    Parameters
    ----------
    conv, bn : Module
        Both in evaluation mode.
    transpose : bool
        Whether it is a transposed convolution.

    Returns
    -------
    Module
        A new convolution.
    """
    return _fused(conv, bn, transpose)


def fuse_linear_bn_eval(linear: Module, bn: Module) -> Module:
    """Make one linear layer of a linear layer and the batch normalization after it.

    Parameters
    ----------
    linear, bn : Module
        Both in evaluation mode.

    Returns
    -------
    Module
        A new linear layer.
    """
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1"
        )
    return _fused(linear, bn)

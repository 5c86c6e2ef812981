"""Networks for inference, without normalization layers."""

from __future__ import annotations

from typing import Any

from .. import nn
from .._core import Tensor, _foldable
from ..nn.norm import _BatchNorm, _InstanceNorm
from ..nn.utils.fusion import fuse_conv_bn_weights

__all__ = ["fold"]

_PRODUCTS = (nn.Conv1d, nn.Conv2d, nn.Linear)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [t for v in value for t in _tensors(v)] if isinstance(value, (list, tuple)) else []


def fold(model: nn.Module, *example: Any) -> int:
    """Put batch normalizations into the layers before them, in place (Jacob et al., 2018).

    Batch normalization (plain, ghost, renorm, frozen) that reads nothing but the result of a
    `Conv1d`, `Conv2d` or `Linear`, which nothing else reads, goes into its weight and bias and
    becomes the identity; others stay. What follows what is read from the computation on `example`,
    not from the order of the layers.

    Parameters
    ----------
    model : Module
        A network in evaluation mode.
    *example
        What it is called with.

    Returns
    -------
    int
        How many normalizations went.

    Raises
    ------
    ValueError
        For a model in training mode.
    """
    kinds = (_BatchNorm, nn.FrozenBatchNorm2d)
    named = list(model.named_modules())
    for name, m in named:
        if m.training:
            where = f'"{name}"' if name else "it"
            raise ValueError(f"fold: expected a model in evaluation mode, {where} is in training")
    products = [m for _, m in named if isinstance(m, _PRODUCTS)]
    norms = [
        (name, m)
        for name, m in named
        if isinstance(m, kinds) and not isinstance(m, _InstanceNorm) and m.running_mean is not None
    ]
    outputs = _tensors(model(*example))
    pairs = _foldable(outputs, [m.weight for m in products], [m.running_mean for _, m in norms])
    for p, n in pairs:
        product, (name, norm) = products[p], norms[n]
        product.weight, product.bias = fuse_conv_bn_weights(
            product.weight,
            product.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
        )
        model.set_submodule(name, nn.Identity().eval())
    return len(pairs)

"""Networks with other normalization layers than they were written with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import nn
from ..nn.norm import _InstanceNorm, _NormBase

__all__ = ["convert_norm", "place_norm"]

_PLAIN = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_GHOST = {1: nn.GhostBatchNorm1d, 2: nn.GhostBatchNorm2d}
_RENORM = {1: nn.BatchRenorm1d, 2: nn.BatchRenorm2d}
_INSTANCE = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_KINDS = ("batch", "ghost", "renorm", "frozen", "group", "layer", "instance", "none")
_ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Mish, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Softplus),
)
_NORMS = (_NormBase, nn.FrozenBatchNorm2d, nn.GroupNorm, nn.LayerNorm)


def _spatial(layer: nn.Module) -> int:
    """How many dimensions an image has; 1 where there may be none."""
    ranks = getattr(layer, "_ranks", (4,))
    if isinstance(layer, _InstanceNorm):
        return ranks[0] - 1
    return 2 if len(ranks) > 2 else ranks[-1] - 2


def _channels(layer: nn.Module) -> int:
    if isinstance(layer, nn.FrozenBatchNorm2d):
        return layer.weight.shape[0]
    return layer.num_channels if isinstance(layer, nn.GroupNorm) else layer.num_features


def _make(layer: nn.Module, kind: str, options: dict[str, Any]) -> nn.Module:
    channels, spatial = _channels(layer), _spatial(layer)
    affine = {"eps": layer.eps, "affine": getattr(layer, "affine", True)}
    if affine["affine"] and layer.bias is None:
        affine["bias"] = False
    momentum = {**affine, "momentum": getattr(layer, "momentum", 0.1)}
    # Where statistics of samples were, those of batches are remembered.
    track = getattr(layer, "track_running_stats", True) or isinstance(layer, _InstanceNorm)
    full = {**momentum, "track_running_stats": track}
    make: dict[str, Callable[[], nn.Module]] = {
        "batch": lambda: _PLAIN[spatial](channels, **full),
        "ghost": lambda: _GHOST[spatial](channels, options["virtual_batch"], **full),
        "renorm": lambda: _RENORM[spatial](channels, **momentum, **options["limits"]),
        "frozen": lambda: {2: nn.FrozenBatchNorm2d}[spatial](channels, layer.eps),
        "group": lambda: nn.GroupNorm(math.gcd(options["groups"], channels), channels, **affine),
        "layer": lambda: nn.GroupNorm(1, channels, **affine),
        "instance": lambda: _INSTANCE[spatial](channels, **momentum),
        "none": nn.Identity,
    }
    try:
        return make[kind]()
    except KeyError:
        raise ValueError(
            f'convert_norm: normalization of {spatial} dimensions has no kind "{kind}"'
        ) from None


def _take_over(new: nn.Module, old: nn.Module) -> None:
    """Give a new layer what the old one has of the same names."""
    have = {**old._parameters, **old._buffers}
    for name in new._parameters:
        value = have.get(name)
        if value is not None:
            trained = isinstance(value, nn.Parameter)
            new._parameters[name] = value if trained else nn.Parameter(value.detach().clone())
    for name in new._buffers:
        value = have.get(name)
        if value is not None:
            trained = isinstance(value, nn.Parameter)
            new._buffers[name] = value.detach().clone() if trained else value
    new.train(old.training)


def convert_norm(
    model: nn.Module,
    kind: str,
    *,
    virtual_batch: int = 32,
    groups: int = 32,
    **limits: float,
) -> nn.Module:
    """Replace all normalization layers of a model by those of another kind, in place.

    Batch normalization (plain, ghost, renorm, frozen, synchronized), instance normalization and
    group normalization (taken to be of images) are replaced. Parameters and running statistics
    move to the new layers where these have them; parameters stay the same objects, so that
    optimizers go on.

    Parameters
    ----------
    model : Module
        The network.
    kind : str
        ``"batch"``, ``"ghost"``, ``"renorm"``, ``"frozen"``, ``"group"``, ``"layer"`` (one group:
        layer normalization over channels and pixels), ``"instance"`` or ``"none"`` (the identity).
    virtual_batch : int
        Of ``"ghost"``.
    groups : int
        Of ``"group"``, at most: a layer has the greatest common divisor of this and its channels.
    **limits
        Of ``"renorm"``: `r_max`, `d_max`, `start`, `r_end`, `d_end`.

    Returns
    -------
    Module
        The model, or what replaces it.

    Raises
    ------
    ValueError
        For an unknown kind, and where a layer has no such form; nothing is changed then.
    """
    if kind not in _KINDS:
        raise ValueError(f'"{kind}" is no kind of normalization: {", ".join(_KINDS)}')
    options = {"virtual_batch": virtual_batch, "groups": groups, "limits": limits}
    old = [m for m in model.modules() if isinstance(m, (*_NORMS[:3],))]
    new = {m: _make(m, kind, options) for m in old}
    for m, layer in new.items():
        _take_over(layer, m)
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if child in new:
                parent._modules[name] = new[child]
    return new.get(model, model)


def place_norm(model: nn.Module, place: str) -> int:
    """Exchange normalizations and activations that follow each other in a `Sequential`, in place.

    Networks whose ``forward`` calls activation functions have this order in their code.

    Parameters
    ----------
    model : Module
        The network.
    place : str
        ``"before"`` the activation, as in Ioffe and Szegedy (2015), or ``"after"`` it.

    Returns
    -------
    int
        How many pairs moved.
    """
    if place not in ("before", "after"):
        raise ValueError(f'place must be "before" or "after", got "{place}"')
    wanted = (_ACTIVATIONS, _NORMS) if place == "before" else (_NORMS, _ACTIVATIONS)
    moved = 0
    for m in model.modules():
        names = list(m._modules) if isinstance(m, nn.Sequential) else []
        i = 0
        while i + 1 < len(names):
            a, b = names[i], names[i + 1]
            first, second = m._modules[a], m._modules[b]
            if isinstance(first, wanted[0]) and isinstance(second, wanted[1]):
                m._modules[a], m._modules[b] = second, first
                moved += 1
                i += 1
            i += 1
    return moved

"""Weights that a network starts from, where not from fresh initial values."""

from __future__ import annotations

import os
from collections.abc import Mapping

from .. import load, nn


def with_weights(model: nn.Module, weights: Mapping | str | os.PathLike | None) -> nn.Module:
    """Load `weights` into `model`, unless None.

    Parameters
    ----------
    model : Module
        The network.
    weights : mapping, path or None
        A state dict, or a file that holds one.

    Raises
    ------
    ValueError
        For the names under which torchvision has weights to download.
    """
    if weights is None:
        return model
    if not isinstance(weights, Mapping):
        if not os.path.exists(weights):
            raise ValueError(
                f"weights={weights!r}: there is no such file, and nothing is downloaded; "
                "give a state dict or the path of a file that holds one"
            )
        weights = load(weights)
    model.load_state_dict(weights)
    return model

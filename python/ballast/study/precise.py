"""Running statistics computed anew: exactly, over all of a data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import nn
from .._core import _StatisticsRecorder
from ..autograd import no_grad
from ..nn.norm import _BatchNorm, _InstanceNorm

__all__ = ["adapt_bn", "precise_bn"]


@no_grad()
def adapt_bn(model: nn.Module, loader: Iterable[Any], prior: float = 0.0) -> None:
    """Set the running statistics to those of another domain's data (AdaBN; Li et al., 2016).

    As `precise_bn`; the data need no labels.

    Parameters
    ----------
    model : Module
        The network.
    loader : iterable
        Batches, or lists whose first entry is one.
    prior : float
        The old statistics count as that many values more of each channel (Schneider et al., 2020,
        count samples): for few data.
    """
    if not prior >= 0:
        raise ValueError(f"expected prior >= 0, got {prior}")
    before = [(m, m.training) for m in model.modules()]
    recorder = _StatisticsRecorder()
    try:
        for m, _ in before:
            m.training = isinstance(m, _BatchNorm) and not isinstance(m, _InstanceNorm)
        for batch in loader:
            recorder.enter()
            try:
                output = model(batch[0] if isinstance(batch, (list, tuple)) else batch)
            finally:
                recorder.exit()
            recorder.collect()
            del output
    finally:
        for m, training in before:
            m.training = training
    recorder.write(prior)


def precise_bn(model: nn.Module, loader: Iterable[Any]) -> None:
    """Set the running statistics to those of a pass over the data (Wu and Johnson, 2021).

    Mean and variance of all values that a layer sees while each batch is normalized by its own
    statistics, where training leaves a moving average, of past weights. Moments are merged exactly,
    in one pass and constant memory. Dropout is off, as in evaluation, for which the statistics
    are.

    Parameters
    ----------
    model : Module
        The network.
    loader : iterable
        Batches, or lists whose first entry is one.
    """
    adapt_bn(model, loader)

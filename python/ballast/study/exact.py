"""A training step of a batch whose activations do not fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import _core, nn
from .._core import Tensor, _ExactBatch
from ..nn import functional as F

__all__ = ["train_step"]


def _own(t: Tensor) -> Tensor:
    """Memory that is shared with an array would be copied by every part."""
    out = t if t.requires_grad else t.detach().clone()
    _core._eval([out])
    return out


def train_step(
    model: nn.Module,
    batch: Sequence[Tensor],
    *,
    micro_batch: int = 64,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
    mean: bool = True,
    stride: int = 4,
) -> float:
    """Do ``loss(model(x), y).backward()`` of a whole batch, in parts of `micro_batch` samples.

    Statistics of batch normalization, gradients and running statistics are those of the whole
    batch, up to rounding, where accumulating gradients would have the statistics of the parts.
    All parts are computed up to a batch normalization, their moments merged, and so on; going
    backward, the sums of the gradient are. What is held are the values between two of these
    barriers, and those that every `stride` barriers or so are kept for the way back, where the
    rest is computed again (Chen et al., 2016). The optimizer's step is the caller's.

    Samples may meet in batch normalization only; `GhostBatchNorm` needs none of this, and is
    refused. Random numbers are drawn once: masks of dropout are held for the whole batch. Hooks
    of parameters see whole gradients, those of other values are not called.

    Parameters
    ----------
    model : Module
        The network.
    batch : (Tensor, Tensor)
        x (N, ...) and y (N, ...).
    micro_batch : int
        Samples whose activations are held at a time.
    loss : callable, optional
        Of output and labels, to a scalar; cross-entropy.
    mean : bool
        Whether the loss is a mean over the samples it is given (else a sum).
    stride : int
        About how many batch normalizations lie between values that are kept: fewer take more
        memory and less time.

    Returns
    -------
    float
        The loss of the batch.

    Raises
    ------
    ValueError
        For a batch without samples, or of two lengths.
    RuntimeError
        Where the network looks at values that depend on statistics of the whole batch, or changes
        other state than running statistics.
    """
    x, y = batch
    samples = len(x)
    if len(y) != samples:
        raise ValueError(f"train_step: Size mismatch between tensors: {x.shape} and {y.shape}")
    if samples == 0:
        raise ValueError("train_step: the batch has no samples")
    if micro_batch < 1:
        raise ValueError(f"train_step: expected a positive micro_batch, got {micro_batch}")
    x, y = _own(x), _own(y)
    criterion = loss or F.cross_entropy
    step = _ExactBatch(stride)
    for begin in range(0, samples, micro_batch):
        part = slice(begin, min(begin + micro_batch, samples))
        share = (part.stop - begin) / samples if mean else 1.0
        step.add(share, lambda part=part: criterion(model(x[part]), y[part]))
    return step.run()

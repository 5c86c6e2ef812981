"""Dropout of whole channels and for self-normalizing networks; embeddings; distances."""

from __future__ import annotations

import math

from .. import _core
from .._core import Tensor, dropout

_SELU = 1.7580993408473766  # minus the value that SELU saturates at


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _channel_mask(input: Tensor) -> Tensor:
    """Ones, one for each channel of (N, C, ...)."""
    shape = tuple(input.shape)
    return _core.ones(shape[:2] + (1,) * (len(shape) - 2), dtype=input.dtype)


def _drop_channels(input: Tensor, p: float, training: bool) -> Tensor:
    _check_probability(p)
    if not training or p == 0 or input.numel() == 0:
        return input
    return input * dropout(_channel_mask(input), p, True)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Set whole channels of (N, C, L) or (C, L) to zero, while training, and scale the others."""
    _check_probability(p)
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial dimension, "
            "a channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if input.dim() == 3:
        return _drop_channels(input, p, training)
    return _drop_channels(input.unsqueeze(0), p, training).squeeze(0)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Set whole channels of (N, C, H, W) to zero, while training, and scale the others."""
    return _drop_channels(input, p, training)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False):
    """Set whole channels of (N, C, D, H, W) or (C, D, H, W) to zero, while training."""
    _check_probability(p)
    if input.dim() == 5:
        return _drop_channels(input, p, training)
    return _drop_channels(input.unsqueeze(0), p, training).squeeze(0)


def _alpha(input: Tensor, ones: Tensor, p: float, training: bool) -> Tensor:
    _check_probability(p)
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input * 0.0
    a = 1.0 / math.sqrt((_SELU * _SELU * p + 1) * (1 - p))
    kept = dropout(ones, p, True).ne(0)._cast(input.dtype)
    return input * (kept * a) + ((kept - 1) * (_SELU * a) + _SELU * a * p)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False):
    """Set elements to SELU's lower bound, and keep mean and variance (Klambauer et al., 2017)."""
    return _alpha(input, _core.ones_like(input), p, training)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
):
    """`alpha_dropout` of whole channels."""
    return _alpha(input, _channel_mask(input), p, training)


# Embeddings.


def _renormalized(weight: Tensor, rows: Tensor, max_norm: float, norm_type: float) -> None:
    """Shrink the rows that are longer than `max_norm`, in place."""
    from ..autograd import no_grad

    with no_grad():
        norms = _core._vector_norm(weight, norm_type, 1, True)
        used = _core._index_sum(_core.ones_like(rows), 0, rows, weight.shape[0]).unsqueeze(1) > 0
        long = used.logical_and(norms > max_norm)
        weight.copy_(_core.where(long, weight * (max_norm / (norms + 1e-7)), weight))


def _rows(weight, flat, padding_idx, scale_grad_by_freq) -> Tensor:
    """Rows of a weight; that of `padding_idx` has no gradient."""
    rows = _core.index_select(weight, 0, flat)
    still = rows.detach()
    if scale_grad_by_freq:
        counts = _core._index_sum(_core.ones_like(flat), 0, flat, weight.shape[0])
        times = _core.index_select(counts, 0, flat).unsqueeze(1)
        rows = still + (rows - still) / times._cast(rows.dtype)
    if padding_idx is not None:
        rows = _core.where((flat == padding_idx).unsqueeze(1), still, rows)
    return rows


def _checked_padding(padding_idx: int | None, weight: Tensor) -> int | None:
    if padding_idx is None:
        return None
    n = weight.shape[0]
    if not -n <= padding_idx < n:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % n


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Look rows of `weight` up: (...) whole numbers become (..., columns)."""
    padding_idx = _checked_padding(padding_idx, weight)
    flat = input.reshape(-1)._cast(_core.int64)
    if max_norm is not None:
        _renormalized(weight, flat, max_norm, norm_type)
    rows = _rows(weight, flat, padding_idx, scale_grad_by_freq)
    return rows.reshape(*input.shape, weight.shape[1])


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sum, average or take the largest of bags of rows.

    Parameters
    ----------
    input : Tensor
        (bags, n), or all bags one after the other, with `offsets` where each begins.
    """
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError("if input is 2D, then offsets has to be None")
        starts = list(range(0, input.numel(), input.shape[1]))
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        starts = [int(v) for v in offsets.tolist()]
        starts = starts[:-1] if include_last_offset else starts
    else:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    padding_idx = _checked_padding(padding_idx, weight)
    flat = input.reshape(-1)._cast(_core.int64)
    if max_norm is not None:
        _renormalized(weight, flat, max_norm, norm_type)
    rows = _rows(weight, flat, padding_idx, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    return _bags(rows, flat, starts, mode, padding_idx)


def _bags(rows: Tensor, flat: Tensor, starts: list[int], mode: str, padding_idx) -> Tensor:
    ends = [*starts[1:], flat.numel()]
    counted = [i != padding_idx for i in flat.tolist()]
    members = [[i for i in range(a, b) if counted[i]] for a, b in zip(starts, ends, strict=True)]
    if mode == "max":
        none = _core.zeros(rows.shape[1], dtype=rows.dtype)
        return _core.stack([rows[m].max(0).values if m else none for m in members])
    used = [i for m in members for i in m]
    bag = [b for b, m in enumerate(members) for _ in m]
    if not used:
        return _core.zeros(len(starts), rows.shape[1], dtype=rows.dtype)
    from .._create import tensor

    taken = _core.index_select(rows, 0, tensor(used, dtype=_core.int64))
    sums = _core._index_sum(taken, 0, tensor(bag, dtype=_core.int64), len(starts))
    if mode == "sum":
        return sums
    return sums / tensor([[max(len(m), 1)] for m in members], dtype=rows.dtype)


# Losses whose distance is a function, or that have options beyond an operation's.


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative logarithm of a normal density of mean `input` and variance `var`."""
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = _core.full_like(input.detach(), float(var))
    elif bool((var.detach() < 0).any()):
        raise ValueError("var has negative entry/entries")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return _core._gaussian_nll_loss(input, target, var, full, eps, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function=None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """max(d(anchor, positive) - d(anchor, negative) + margin, 0) for any distance d."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = distance_function or _core.pairwise_distance
    far = distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    loss = (distance(anchor, positive) - far + margin).relu()
    return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[reduction]()

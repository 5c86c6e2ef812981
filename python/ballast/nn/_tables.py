"""Embeddings, and losses whose distance is a function or that have options of their own."""

from __future__ import annotations

from .. import _core
from .._core import Tensor

# Embeddings.


def _check_padding(padding_idx: int | None, weight: Tensor) -> None:
    n = weight.shape[0]
    if padding_idx is not None and not -n <= padding_idx < n:
        raise AssertionError("Padding_idx must be within num_embeddings")


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
    _check_padding(padding_idx, weight)
    if weight.dim() != 2:
        raise RuntimeError("'weight' must be 2-D")
    return _core._embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)


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
    if weight.dim() != 2:
        raise ValueError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}"
        )
    if not weight.dtype.is_floating_point:
        raise RuntimeError(f"embedding_bag: expected a floating-point weight, got {weight.dtype}")
    if offsets is not None and offsets.dtype not in (_core.int64, _core.int32):
        raise RuntimeError(f"embedding_bag: expected whole numbers as offsets, got {offsets.dtype}")
    _check_padding(padding_idx, weight)
    return _core._embedding_bag(
        input,
        weight,
        offsets,
        max_norm,
        norm_type,
        scale_grad_by_freq,
        mode,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )


# Losses whose distance is a function, or that have options beyond an operation's.


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor | float,
    var: Tensor | float,
    full=False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative logarithm of a normal density of mean `input` and variance `var`."""
    if not isinstance(target, Tensor):
        if isinstance(target, bool):
            raise NotImplementedError("gaussian_nll_loss: a target of bool is not supported")
        target = _core.full_like(input.detach(), float(target))
    if not isinstance(var, (Tensor, float)):
        raise TypeError(f"gaussian_nll_loss: var must be Tensor or float, got {type(var).__name__}")
    if not isinstance(var, Tensor):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = _core.full_like(input.detach(), float(var))
    elif bool((var.detach() < 0).any()):
        raise ValueError("var has negative entry/entries")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    return _core._gaussian_nll_loss(input, target, var, bool(full), eps, reduction)


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

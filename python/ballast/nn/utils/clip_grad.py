"""Gradients kept within bounds."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ... import _core
from ..._core import Tensor
from ...autograd import no_grad


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    return [g for g in (p.grad for p in parameters) if g is not None]


def _magnitude(g: Tensor, norm_type: float) -> Tensor:
    if norm_type == math.inf:
        return g.abs().max()
    if norm_type == 2:
        return g.norm(2)
    return (g.abs() ** norm_type).sum() ** (1.0 / norm_type)


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Norm of all tensors' elements together.

    Parameters
    ----------
    tensors : iterable of Tensor
        Gradients, mostly.
    norm_type : float
        p, or infinity for the largest magnitude.
    error_if_nonfinite : bool
        Raise ``RuntimeError`` where the norm is not finite.
    foreach : optional
        Accepted, without effect.

    Returns
    -------
    Tensor
        Without dimensions.
    """
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return _core.zeros(())
    norms = _core.stack([_magnitude(t.detach(), norm_type) for t in tensors])
    total = _magnitude(norms, norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    total_norm: Tensor,
    foreach: bool | None = None,
) -> None:
    """Scale all gradients, whose norm is `total_norm`, down to `max_norm`."""
    factor = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    for g in _gradients(parameters):
        g.mul_(factor)


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients down so that their common norm is at most `max_norm`.

    Parameters
    ----------
    parameters : iterable of Tensor
        Whose gradients.
    max_norm : float
        The bound.
    norm_type : float
        p, or infinity for the largest magnitude.
    error_if_nonfinite : bool
        Raise ``RuntimeError`` where the norm is not finite.
    foreach : optional
        Accepted, without effect.

    Returns
    -------
    Tensor
        The norm before.
    """
    parameters = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


@no_grad()
def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Bring every element of the gradients into [-clip_value, clip_value].

    Parameters
    ----------
    parameters : iterable of Tensor
        Whose gradients.
    clip_value : float
        The bound.
    foreach : optional
        Accepted, without effect.
    """
    bound = float(clip_value)
    for g in _gradients(parameters):
        g.clamp_(-bound, bound)

"""Helpers for training, as ``torch.nn.utils``."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _core
from .._core import Tensor
from ..autograd import no_grad


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor, Tensor]]:
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    pairs = ((p, p.grad) for p in parameters)
    return [(p, g) for p, g in pairs if g is not None]


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Scale all gradients down so that their common norm is at most `max_norm`.

    Parameters
    ----------
    parameters : iterable of Tensor
        Whose gradients.
    max_norm : float
        The bound.
    norm_type : float
        2, or infinity for the largest magnitude.
    error_if_nonfinite : bool
        Raise ``RuntimeError`` where the norm is not finite.

    Returns
    -------
    Tensor
        The norm before.
    """
    pairs = _gradients(parameters)
    if not pairs:
        return _core.zeros(())
    if norm_type == float("inf"):
        total = _core.stack([g.abs().max() for _, g in pairs]).max()
    else:
        total = _core.stack([g.norm(norm_type) for _, g in pairs]).norm(norm_type)
    if error_if_nonfinite and not total.isfinite():
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped."
        )
    factor = (max_norm / (total + 1e-6)).clamp(max=1.0)
    for p, g in pairs:
        p.grad = g * factor
    return total


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of the gradients into [-clip_value, clip_value].

    Parameters
    ----------
    parameters : iterable of Tensor
        Whose gradients.
    clip_value : float
        The bound.
    """
    for p, g in _gradients(parameters):
        p.grad = g.clamp(-clip_value, clip_value)

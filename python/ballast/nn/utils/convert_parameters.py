"""Parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable

from ... import _core
from ..._core import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Join all elements to one vector.

    Parameters
    ----------
    parameters : iterable of Tensor
        In the order of the vector.

    Returns
    -------
    Tensor
        (sum of the sizes)
    """
    vectors = [p.reshape(-1) for p in parameters]
    if not vectors:
        raise ValueError("expected a non-empty list of Tensors")
    return _core.cat(vectors)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give the parameters the elements of a vector.

    Parameters
    ----------
    vec : Tensor
        As `parameters_to_vector` makes it.
    parameters : iterable of Tensor
        In the order of the vector.
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec)}")
    at = 0
    for p in parameters:
        n = p.numel()
        p.data = vec[at : at + n].view_as(p).detach()
        at += n

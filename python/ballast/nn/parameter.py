"""Tensors that modules train."""

from __future__ import annotations

from .. import _core
from .._core import Tensor


class Parameter(Tensor):
    """A tensor that becomes a parameter of the module it is assigned to.

    Parameters
    ----------
    data : Tensor
        Its value.
    requires_grad : bool
        Whether it is trained.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        super().__init__(_core.empty(0) if data is None else data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + Tensor.__repr__(self)

    __str__ = __repr__


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to."""

    def __init__(self, data: Tensor, *, persistent: bool = True):
        super().__init__(data, False)
        self.persistent = persistent


class UninitializedParameter(Parameter):
    """What lazy modules hold before they have seen an input; Ballast has no lazy modules."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError(
            "UninitializedParameter: lazy modules are not supported; give the sizes"
        )

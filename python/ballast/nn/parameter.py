"""Tensors that modules train."""

from __future__ import annotations

from collections.abc import Iterable

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
        if data is not None and not isinstance(data, Tensor):
            # PyTorch's kind: it asks the value for `detach`.
            raise AttributeError(f"a Parameter is made of a Tensor, got {type(data).__name__}")
        super().__init__(_core.empty(0) if data is None else data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + Tensor.__repr__(self)

    __str__ = __repr__


class Buffer(Tensor):
    """A tensor that becomes a buffer of the module it is assigned to."""

    def __init__(self, data: Tensor, *, persistent: bool = True):
        super().__init__(data, False)
        self.persistent = persistent


def clear_gradients(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    """Forget the gradients of `parameters`, or set them to zero where they lie."""
    for p in parameters:
        if p.grad is None:
            continue
        if set_to_none:
            p.grad = None
        elif p.grad.requires_grad:  # it belongs to a graph
            p.grad = _core.zeros_like(p.grad.detach())
        else:
            p.grad.zero_()


class _Uninitialized:
    """A tensor without elements or sizes, until `materialize` gives it some."""

    _becomes: type

    def materialize(self, shape: tuple[int, ...], device=None, dtype=None) -> None:
        """Take a shape, and become an ordinary tensor with unspecified elements."""
        self.__class__ = self._becomes
        self.data = _core.empty(shape, dtype=dtype or self.dtype)

    @property
    def shape(self):
        """There is none: raises RuntimeError."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict):
        out = memo[id(self)] = type(self)(dtype=self.dtype)
        return out


class UninitializedParameter(_Uninitialized, Parameter):
    """What a lazy module holds before it has seen an input."""

    _becomes = Parameter

    def __init__(self, requires_grad: bool = True, device=None, dtype=None):
        super().__init__(_core.empty(0, dtype=dtype or _core.float32), requires_grad)


class UninitializedBuffer(_Uninitialized, Buffer):
    """The same for buffers."""

    _becomes = Buffer

    def __init__(self, requires_grad: bool = False, device=None, dtype=None, persistent=True):
        super().__init__(_core.empty(0, dtype=dtype or _core.float32), persistent=persistent)


def is_lazy(tensor) -> bool:
    """Whether a tensor has no sizes yet."""
    return isinstance(tensor, _Uninitialized)

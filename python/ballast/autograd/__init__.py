"""Differentiation, as ``torch.autograd``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from .._core import Tensor, is_grad_enabled
from . import function, grad_mode
from . import gradcheck as _gradcheck
from .function import Function
from .grad_mode import enable_grad, grad, inference_mode, no_grad, set_grad_enabled
from .gradcheck import gradcheck, gradgradcheck
from .hooks import register as _register_hooks

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "function",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

GradcheckError = _gradcheck.GradcheckError
_register_hooks()


class _VariableKind(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableKind):
    """Makes nothing new: what once was a variable is a tensor, and tensors are its instances."""

    def __new__(cls, data: Tensor, requires_grad: bool = False, **_ignored: Any) -> Tensor:
        """Return the tensor."""
        return data.requires_grad_() if requires_grad else data


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the derivatives of `tensors` to the ``grad`` of the leaves they were computed from.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        What to differentiate; several are summed.
    grad_tensors : Tensor or sequence, optional
        Weights of the elements; needed unless the tensors are scalars.
    retain_graph, create_graph : bool
        As in ``torch.autograd.backward``.
    inputs : Tensor or sequence of Tensor, optional
        The leaves; others keep the gradients they have.
    """
    weights = grad_variables if grad_tensors is None else grad_tensors
    output, weight = grad_mode._joined(tensors, weights)
    output.backward(weight, retain_graph=retain_graph, create_graph=create_graph, inputs=inputs)


@contextlib.contextmanager
def detect_anomaly(check_nan: bool = True) -> Iterator[None]:
    """Change nothing: errors are told where an operation is called."""
    yield


def set_detect_anomaly(mode: bool, check_nan: bool = True) -> None:
    """Change nothing: errors are told where an operation is called."""

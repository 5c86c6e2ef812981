"""Switching gradients on and off, and asking for them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence

from .. import _core
from .._core import Tensor, is_grad_enabled

__all__ = [
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
]


class _GradMode:
    """A context manager that is also a decorator."""

    _mode: bool

    def __init__(self) -> None:
        self._previous: list[bool] = []

    def __enter__(self) -> None:
        self._previous.append(is_grad_enabled())
        _core._set_grad_enabled(self._mode)

    def __exit__(self, *error) -> None:
        _core._set_grad_enabled(self._previous.pop())

    def _fresh(self):
        return type(self)()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def decorated(*args, **kwargs):
            with self._fresh():
                return function(*args, **kwargs)

        return decorated


class no_grad(_GradMode):
    """Operations inside are not recorded for autograd. Also a decorator, with or without ``()``."""

    _mode = False

    def __new__(cls, function: Callable | None = None):
        """Decorate `function` right away where it is given."""
        self = super().__new__(cls)
        if function is None:
            return self
        self.__init__()
        return self(function)


class inference_mode(no_grad):
    """The same as `no_grad`."""

    def __new__(cls, mode: bool | Callable = True):
        """Decorate, where a function is given instead of a mode."""
        self = super().__new__(cls, mode if callable(mode) else None)
        return self

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self._mode = not mode and is_grad_enabled()


class enable_grad(_GradMode):
    """Operations inside are recorded, also within `no_grad`."""

    _mode = True


class set_grad_enabled(_GradMode):
    """Record operations or not, from now on or for the time of a ``with`` block."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self._mode = mode
        self._before = is_grad_enabled()
        _core._set_grad_enabled(mode)

    def __enter__(self) -> None:
        self._previous.append(self._before)
        _core._set_grad_enabled(self._mode)

    def _fresh(self):
        return set_grad_enabled(self._mode)

    def __call__(self, function: Callable) -> Callable:
        """Decorate: the mode is for the function's calls only."""
        _core._set_grad_enabled(self._before)
        return super().__call__(function)


def _list(tensors: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _joined(outputs, weights) -> tuple[Tensor, Tensor | None]:
    """Sum several outputs, weighed, to one."""
    outs = _list(outputs)
    if isinstance(weights, Tensor):
        weights = [weights]
    given = [None] * len(outs) if weights is None else list(weights)
    if len(outs) == 1:
        return outs[0], given[0]
    terms = []
    for out, weight in zip(outs, given, strict=True):
        if weight is None and out.numel() != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        terms.append(out.sum() if weight is None else (out * weight).sum())
    return sum(terms[1:], terms[0]), None


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """Differentiate `outputs` with respect to `inputs`, leaving every ``.grad`` alone.

    Parameters
    ----------
    outputs : Tensor or sequence of Tensor
        What to differentiate; several are summed.
    inputs : Tensor or sequence of Tensor
        With respect to what.
    grad_outputs : Tensor or sequence, optional
        Weights of the outputs' elements; needed unless the outputs are scalars.
    retain_graph, create_graph, allow_unused : bool
        As in ``torch.autograd.grad``.
    only_inputs : bool
        True: leaves of the graph that are no inputs get no gradient.
    is_grads_batched : bool
        Not supported.
    materialize_grads : bool
        Whether inputs that do not matter have zeros for gradients, instead of None.

    Returns
    -------
    tuple of Tensor
        One gradient per input, of its shape.
    """
    ins = _list(inputs)
    with set_grad_enabled(True):
        output, weight = _joined(outputs, grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        raise NotImplementedError("grad(is_grads_batched=True): call grad for each of the batch")
    if allow_unused is not None:
        allow_unused = bool(operator.index(allow_unused))
    unused = bool(allow_unused) or materialize_grads
    found = _core._grad(output, ins, weight, retain, create_graph, unused)
    if not materialize_grads:
        return found
    return tuple(_core.zeros_like(x) if g is None else g for g, x in zip(found, ins, strict=True))

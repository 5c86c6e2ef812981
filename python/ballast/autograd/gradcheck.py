"""Derivatives compared with finite differences, as ``torch.autograd.gradcheck``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from .._core import Tensor
from .grad_mode import enable_grad, grad, no_grad


class GradcheckError(RuntimeError):
    """A derivative that does not agree with finite differences."""


def _tuple(values: Any) -> tuple:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def _numeric(function: Callable, inputs: tuple, which: int, output: int, eps: float):
    """Differentiate output number `output` by finite differences: a matrix of NumPy's."""
    import numpy as np

    x = inputs[which].detach().clone()
    columns = []
    with no_grad():
        for k in range(x.numel()):
            sides = []
            for step in (eps, -eps):
                moved = x.clone()
                moved.reshape(-1)[k] += step
                args = (*inputs[:which], moved, *inputs[which + 1 :])
                sides.append(_tuple(function(*args))[output].detach().numpy().copy().ravel())
            columns.append((sides[0] - sides[1]) / (2 * eps))
    return np.array(columns).T.reshape(-1, x.numel())


def _analytic(outputs: tuple, output: int, x: Tensor):
    import numpy as np

    y = outputs[output]
    rows = []
    for k in range(y.numel()):
        weight = _core.zeros_like(y.detach())
        weight.reshape(-1)[k] = 1
        (g,) = grad(y, x, weight, retain_graph=True, allow_unused=True)
        rows.append(np.zeros(x.numel()) if g is None else g.detach().numpy().copy().ravel())
    return np.array(rows).reshape(-1, x.numel())


def gradcheck(
    func: Callable,
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    **_ignored: Any,
) -> bool:
    """Compare the derivatives of `func` with finite differences.

    Parameters
    ----------
    func : callable
        Of tensors, returning a tensor or a tuple of them.
    inputs : tuple
        Where to differentiate; those that require gradients should be float64.
    eps : float
        Step of the differences.
    atol, rtol : float
        How far the two may be apart.
    raise_exception : bool
        Whether disagreement raises `GradcheckError`; otherwise False is returned.

    Returns
    -------
    bool
        Whether they agree.
    """
    import numpy as np

    inputs = _tuple(inputs)
    wanted = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the "
            "them have requires_grad=True."
        )
    outputs = _tuple(func(*inputs))
    for j, y in enumerate(outputs):
        if not (isinstance(y, Tensor) and y.requires_grad):
            continue
        for i in wanted:
            numeric = _numeric(func, inputs, i, j, eps)
            analytic = _analytic(outputs, j, inputs[i])
            if np.allclose(analytic, numeric, rtol, atol):
                continue
            if not raise_exception:
                return False
            raise GradcheckError(
                f"Jacobian mismatch for output {j} with respect to input {i},\n"
                f"numerical:{numeric}\nanalytical:{analytic}\n"
            )
    return True


def gradgradcheck(func: Callable, inputs: Any, grad_outputs: Any = None, **options: Any) -> bool:
    """Compare the second derivatives of `func` with finite differences of the first.

    The parameters are those of `gradcheck`; `grad_outputs` weighs the outputs (random numbers,
    where it is not given).
    """
    inputs = _tuple(inputs)
    outputs = _tuple(func(*inputs))
    if grad_outputs is None:
        drawn = [_core.randn(tuple(y.shape), dtype=y.dtype) for y in outputs]
        grad_outputs = [g.requires_grad_() for g in drawn]
    weights = _tuple(grad_outputs)
    wanted = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.requires_grad]

    def first(*args):
        values, given = list(args[: len(inputs)]), args[len(inputs) :]
        with enable_grad():
            for i in wanted:
                if not values[i].requires_grad:
                    values[i] = values[i].detach().requires_grad_()
            found = _tuple(func(*values))
            return grad(found, [values[i] for i in wanted], given, create_graph=True)

    return gradcheck(first, (*inputs, *weights), **options)

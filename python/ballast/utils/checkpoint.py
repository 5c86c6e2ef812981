"""Activations computed again instead of kept, as ``torch.utils.checkpoint``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from .._core import Tensor
from ..autograd import Function, backward, enable_grad
from ..random import fork_rng, get_rng_state, set_rng_state

__all__ = ["checkpoint", "checkpoint_sequential"]


class _Checkpoint(Function):
    """A function whose forward is run again for its backward."""

    @staticmethod
    def forward(ctx, function: Callable, keep_random: bool, start: Tensor, *args):
        """Run without recording."""
        ctx.function, ctx.args = function, args
        ctx.state = get_rng_state() if keep_random else None
        return function(*args)

    @staticmethod
    def backward(ctx, *grads):
        """Run again, recorded, and differentiate."""
        args = [
            a.detach().requires_grad_(a.requires_grad) if isinstance(a, Tensor) else a
            for a in ctx.args
        ]
        with fork_rng(enabled=ctx.state is not None), enable_grad():
            if ctx.state is not None:
                set_rng_state(ctx.state)
            outputs = ctx.function(*args)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (o, g)
            for o, g in zip(outputs, grads, strict=True)
            if isinstance(o, Tensor) and o.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([o for o, _ in pairs], [g for _, g in pairs])
        found = [a.grad if isinstance(a, Tensor) else None for a in args]
        return (None, None, None, *found)


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function without keeping what its backward reads: that is computed again.

    Parameters
    ----------
    function : callable
        Of `args`; it is called once now and once during ``backward()``.
    use_reentrant : bool, optional
        If True, gradients flow only where one of `args` requires one, as in PyTorch.
    preserve_rng_state : bool
        Whether the second call draws the random numbers of the first.

    Returns
    -------
    object
        What `function` returns.
    """
    for name in ("determinism_check", "debug", "context_fn", "early_stop"):
        kwargs.pop(name, None)
    start = _core.zeros((), requires_grad=not use_reentrant)
    call = (lambda *a: function(*a, **kwargs)) if kwargs else function
    return _Checkpoint.apply(call, preserve_rng_state, start, *args)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Call modules one after the other, checkpointed in `segments` pieces (but the last).

    Parameters
    ----------
    functions : Sequential or sequence of callables
        What to call.
    segments : int
        How many pieces.
    input : Tensor
        Of the first.
    use_reentrant : bool, optional
        As for `checkpoint`.

    Returns
    -------
    object
        What the last one returns.
    """
    steps: Sequence[Callable] = list(functions)
    size = len(steps) // segments

    def run(first: int, last: int) -> Callable:
        def segment(x: Any) -> Any:
            for step in steps[first:last]:
                x = step(x)
            return x

        return segment

    end = 0
    for start in range(0, size * (segments - 1), size) if size else ():
        end = start + size
        input = checkpoint(run(start, end), input, use_reentrant=use_reentrant, **kwargs)
    return run(end, len(steps))(input)

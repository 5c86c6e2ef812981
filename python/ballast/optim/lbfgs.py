"""L-BFGS: Newton's method with an approximate Hessian (Liu and Nocedal, 1989)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .. import _core
from .._core import Tensor
from ..autograd import enable_grad, no_grad
from .optimizer import Optimizer

Point = tuple[float, float, Tensor, float]  # step, loss, gradient, slope along the direction


def _cubic(a: Point, b: Point, bounds: tuple[float, float] | None = None) -> float:
    """Find the minimum between two points of the cubic of their values and slopes."""
    (x1, f1, _, g1), (x2, f2, _, g2) = a, b
    low, high = bounds if bounds is not None else (min(x1, x2), max(x1, x2))
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2)
    square = d1**2 - g1 * g2
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if x1 <= x2:
        best = x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
    else:
        best = x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2))
    return min(max(best, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Tensor]],
    step: float,
    direction: Tensor,
    start: Point,
    tolerance: float,
    most: int = 25,
    c1: float = 1e-4,
    c2: float = 0.9,
) -> tuple[float, Tensor, float, int]:
    """Search along a direction for a step with enough descent and a small slope.

    Returns
    -------
    tuple
        Loss, gradient and step found, and how often `evaluate` was called.
    """
    _, loss0, _, slope0 = start
    width = float(direction.abs().max())

    def at(t: float) -> Point:
        loss, gradient = evaluate(t)
        return t, loss, gradient.clone(), float(gradient.dot(direction))

    def too_high(p: Point) -> bool:
        return p[1] > loss0 + c1 * p[0] * slope0

    calls, before, point = 1, start, at(step)
    done, ends, count = False, None, 0
    while count < most:
        if too_high(point) or (count > 1 and point[1] >= before[1]):
            ends = [before, point]
            break
        if abs(point[3]) <= -c2 * slope0:
            ends, done = [point, point], True
            break
        if point[3] >= 0:
            ends = [before, point]
            break
        near, far = point[0] + 0.01 * (point[0] - before[0]), point[0] * 10
        following = _cubic(before, point, (near, far))
        before, point = point, at(following)
        calls += 1
        count += 1
    if ends is None:
        ends = [start, point]
    return _zoom(at, ends, done, start, width, tolerance, (calls, count, most), (c1, c2))


def _zoom(at, ends, done, start, width, tolerance, counts, constants):
    calls, count, most = counts
    c1, c2 = constants
    _, loss0, _, slope0 = start
    stuck = False
    low, high = (0, 1) if ends[0][1] <= ends[-1][1] else (1, 0)
    while not done and count < most:
        left, right = sorted((ends[0][0], ends[1][0]))
        if abs(ends[1][0] - ends[0][0]) * width < tolerance:
            break
        t = _cubic(ends[0], ends[1])
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = at(t)
        calls += 1
        count += 1
        if point[1] > loss0 + c1 * t * slope0 or point[1] >= ends[low][1]:
            ends[high] = point
            low, high = (0, 1) if ends[0][1] <= ends[1][1] else (1, 0)
            continue
        if abs(point[3]) <= -c2 * slope0:
            done = True
        elif point[3] * (ends[high][0] - ends[low][0]) >= 0:
            ends[high] = ends[low]
        ends[low] = point
    t, loss, gradient, _ = ends[low]
    return loss, gradient, t, calls


class LBFGS(Optimizer):
    """Limited-memory BFGS; ``step(closure)`` evaluates the closure several times.

    Parameters
    ----------
    params : iterable
        Parameters: one group.
    lr : float
        The length of a step, or the first one of a search.
    max_iter, max_eval : int
        The most iterations and evaluations of a step (the latter 1.25 times the former).
    tolerance_grad, tolerance_change : float
        End where all gradients, or all changes, are smaller.
    history_size : int
        How many steps the Hessian is made of.
    line_search_fn : str, optional
        None or "strong_wolfe".
    maximize : bool
        Climb instead of descending.
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
        *,
        maximize: bool = False,
    ):
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        options = {k: v for k, v in locals().items() if k not in ("self", "params", "__class__")}
        super().__init__(params, options)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def _gradient(self) -> Tensor:
        parts = []
        for p in self.param_groups[0]["params"]:
            part = _core.zeros_like(p.detach()) if p.grad is None else p.grad.detach()
            parts.append(part.reshape(-1))
        flat = _core.cat(parts)
        return -flat if self.param_groups[0]["maximize"] else flat

    def _move(self, step: float, direction: Tensor) -> None:
        at = 0
        for p in self.param_groups[0]["params"]:
            p.add_(direction[at : at + p.numel()].reshape(p.shape), alpha=step)
            at += p.numel()

    def _search(self, closure, state, step, direction, loss, gradient, slope):
        group = self.param_groups[0]
        kept = [p.detach().clone() for p in group["params"]]

        def restore() -> None:
            for p, value in zip(group["params"], kept, strict=True):
                p.copy_(value)

        def evaluate(t: float) -> tuple[float, Tensor]:
            self._move(t, direction)
            value = float(closure())
            found = self._gradient()
            restore()
            return (-value if group["maximize"] else value), found

        start = (0, loss, gradient, slope)
        found = strong_wolfe(evaluate, step, direction, start, group["tolerance_change"])
        self._move(found[2], direction)
        return found

    def _direction(self, state: dict[str, Any], gradient: Tensor) -> Tensor:
        """Multiply the gradient with the inverse Hessian that the history gives."""
        q, alphas = -gradient, []
        for y, s, ro in zip(
            reversed(state["old_dirs"]), reversed(state["old_stps"]), reversed(state["ro"]),
            strict=True,
        ):  # fmt: skip
            alpha = s.dot(q) * ro
            alphas.append(alpha)
            q = q - y * alpha
        r = q * state["H_diag"]
        parts = zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True)
        for (y, s, ro), alpha in zip(parts, reversed(alphas), strict=True):
            r = r + s * (alpha - y.dot(r) * ro)
        return r

    def _remember(self, state: dict[str, Any], gradient: Tensor) -> None:
        y = gradient - state["prev_flat_grad"]
        s = state["d"] * state["t"]
        ys = float(y.dot(s))
        if ys <= 1e-10:
            return
        if len(state["old_dirs"]) == self.param_groups[0]["history_size"]:
            for name in ("old_dirs", "old_stps", "ro"):
                state[name].pop(0)
        state["old_dirs"].append(y)
        state["old_stps"].append(s)
        state["ro"].append(1.0 / ys)
        state["H_diag"] = ys / float(y.dot(y))

    def step(self, closure: Callable[[], Any]) -> Any:
        """Update the parameters, evaluating the closure as often as is needed.

        Returns
        -------
        Tensor
            The loss of the first evaluation.
        """
        with no_grad():
            return self._step(closure)

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        sign = -1 if group["maximize"] else 1

        def evaluate() -> Any:
            with enable_grad():
                return closure()

        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = evaluate()
        loss, calls = sign * float(first), 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if float(gradient.abs().max()) <= group["tolerance_grad"]:
            return first
        done = 0
        while done < group["max_iter"]:
            done += 1
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state.update(d=-gradient, old_dirs=[], old_stps=[], ro=[], H_diag=1)
            else:
                self._remember(state, gradient)
                state["d"] = self._direction(state, gradient)
            before = loss
            state["prev_flat_grad"], state["prev_loss"] = gradient, loss
            if state["n_iter"] == 1:
                state["t"] = min(1.0, 1.0 / float(gradient.abs().sum())) * group["lr"]
            else:
                state["t"] = group["lr"]
            direction = state["d"]
            slope = float(gradient.dot(direction))
            if slope > -group["tolerance_change"]:
                break
            used = 0
            if group["line_search_fn"] is not None:
                loss, gradient, state["t"], used = self._search(
                    evaluate, state, state["t"], direction, loss, gradient, slope
                )
            else:
                self._move(state["t"], direction)
                if done != group["max_iter"]:
                    loss = sign * float(evaluate())
                    gradient = self._gradient()
                    used = 1
            calls += used
            state["func_evals"] += used
            optimal = float(gradient.abs().max()) <= group["tolerance_grad"]
            moved = float((direction * state["t"]).abs().max())
            if calls >= group["max_eval"] or optimal or moved <= group["tolerance_change"]:
                break
            if abs(loss - before) < group["tolerance_change"]:
                break
        return first

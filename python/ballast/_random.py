"""Numbers drawn from distributions, PyTorch's for the same seed."""

from __future__ import annotations

import math

from . import _core
from ._core import Generator, Tensor


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Draw 1 with the probabilities in `input` (or all with probability `p`), else 0."""
    if p is not None:
        return _core.empty_like(input).bernoulli_(p, generator=generator)
    if not input.dtype.is_floating_point:
        raise RuntimeError("bernoulli: expected probabilities of a floating point type")
    if not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    u = _core.rand(*input.shape, dtype=input.dtype, generator=generator)
    return (u < input.detach()).to(input.dtype)


def randint_like(input: Tensor, *bounds: int, generator=None, dtype=None, **_) -> Tensor:
    """Draw whole numbers from [low, high), or [0, high), in the shape of a tensor."""
    return _core.randint(*bounds, tuple(input.shape), generator=generator, dtype=input.dtype).to(
        dtype or input.dtype
    )


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill with numbers of the density ``lambd*exp(-lambd*x)``."""
    if lambd <= 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    u = _core.rand(*self.shape, dtype=_core.float64, generator=generator)
    self._written((-_core.log1p(-u) / lambd).to(self.dtype))
    return self


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Draw positions with probabilities in proportion to weights.

    Parameters
    ----------
    input : Tensor
        (n) or (m, n): weights, none negative, each row with a positive sum.
    num_samples : int
        How many positions of each row.
    replacement : bool
        Whether a position can be drawn more than once.
    generator : Generator, optional
        Where the draws come from.

    Returns
    -------
    Tensor
        (num_samples) or (m, num_samples), int64.
    """
    import numpy as np

    if input.dim() not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"multinomial only supports floating-point dtypes for input, got: {input.dtype}"
        )
    n = input.shape[-1]
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and num_samples > n:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    weights = input.detach()
    if not bool((weights.isfinite() & (weights >= 0)).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not bool((weights.sum(-1) > 0).all()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement or num_samples == 1:
        # The exponential race: the least of independent exponential numbers, each divided by a
        # weight, falls on a position with a probability in proportion to its weight.
        times = exponential_(_core.empty_like(weights), generator=generator)
        return (weights / times).topk(num_samples, -1)[1]
    rows = []
    for row in weights.reshape(-1, n).numpy():
        sums = np.cumsum(row)
        sums /= sums[-1]
        sums[-1] = 1
        u = _core.rand(num_samples, dtype=_core.float64, generator=generator).numpy()
        rows.append(np.searchsorted(sums, u))
    from ._create import from_numpy

    return from_numpy(np.stack(rows)).reshape(*input.shape[:-1], num_samples)


def _drawn(self: Tensor, values: Tensor) -> Tensor:
    self._written(values.to(self.dtype))
    return self


def cauchy_(self: Tensor, median: float = 0, sigma: float = 1, *, generator=None) -> Tensor:
    """Fill with numbers of the Cauchy distribution."""
    if sigma <= 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    u = _core.rand(*self.shape, dtype=_core.float64, generator=generator)
    return _drawn(self, median + sigma * _core.tan(math.pi * (u - 0.5)))


def geometric_(self: Tensor, p: float, *, generator=None) -> Tensor:
    """Fill with the number of trials until the first success of probability `p`."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    u = _core.rand(*self.shape, dtype=_core.float64, generator=generator)
    return _drawn(self, (u.clamp(min=2.0**-53).log() / math.log1p(-p)).ceil())


def log_normal_(self: Tensor, mean: float = 1, std: float = 2, *, generator=None) -> Tensor:
    """Fill with exponentials of normal numbers."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    n = self.numel()
    # PyTorch draws them one by one, which is how fewer than sixteen are drawn.
    parts = [
        _core.randn(min(15, n - i), dtype=_core.float64, generator=generator)
        for i in range(0, n, 15)
    ]
    drawn = _core.cat(parts) if parts else _core.empty(0, dtype=_core.float64)
    return _drawn(self, (mean + std * drawn).exp().reshape(*self.shape))


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw whole numbers of the Poisson distribution, at the rates in `input`."""
    drawn = _core._poisson_variates(input.detach().double().contiguous(), generator)
    return drawn.to(input.dtype)


Tensor.bernoulli = bernoulli
Tensor.cauchy_ = cauchy_
Tensor.geometric_ = geometric_
Tensor.log_normal_ = log_normal_
Tensor.exponential_ = exponential_
Tensor.multinomial = multinomial

"""How far one distribution is from another, as ``torch.distributions.kl``."""

from __future__ import annotations

import math
from collections.abc import Callable

import ballast as torch

from .._core import Tensor
from .composed import Independent, MultivariateNormal, TransformedDistribution
from .discrete import Bernoulli, Categorical, Geometric, OneHotCategorical, Poisson
from .distribution import Distribution
from .location import Gumbel, Laplace, Normal, Uniform  # noqa: F401
from .positive import Beta, Dirichlet, Exponential, Gamma, HalfNormal

_REGISTERED: dict[tuple[type, type], Callable] = {}


def register_kl(type_p: type, type_q: type) -> Callable:
    """Register a function of two distributions for their types; more special ones win."""

    def decorator(function: Callable) -> Callable:
        _REGISTERED[type_p, type_q] = function
        return function

    return decorator


def _found(p: type, q: type) -> Callable | None:
    fitting = [k for k in _REGISTERED if issubclass(p, k[0]) and issubclass(q, k[1])]
    if not fitting:
        return None
    distance = {k: p.__mro__.index(k[0]) + q.__mro__.index(k[1]) for k in fitting}
    return _REGISTERED[min(fitting, key=distance.__getitem__)]


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """Compute the integral of ``p*log(p/q)``.

    Raises
    ------
    NotImplementedError
        Where nothing is registered for the pair of types.
    """
    function = _found(type(p), type(q))
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}"
        )
    return function(p, q)


@register_kl(Normal, Normal)
def _normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p, q):
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio - 1 - ratio.log())


@register_kl(Laplace, Laplace)
def _laplace(p, q):
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + distance / q.scale + ratio * torch.exp(-distance / p.scale) - 1


@register_kl(Uniform, Uniform)
def _uniform(p, q):
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return torch.where((q.low > p.low) | (q.high < p.high), math.inf, result)


@register_kl(Exponential, Exponential)
def _exponential(p, q):
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _gamma(p, q):
    return (
        q.concentration * (p.rate / q.rate).log()
        + torch.lgamma(q.concentration)
        - torch.lgamma(p.concentration)
        + (p.concentration - q.concentration) * torch.digamma(p.concentration)
        + (q.rate - p.rate) * (p.concentration / p.rate)
    )


def _of_concentrations(a: Tensor, b: Tensor) -> Tensor:
    total_a, total_b = a.sum(-1), b.sum(-1)
    norms = total_a.lgamma() - total_b.lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return norms + ((a - b) * (a.digamma() - total_a.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p, q):
    return _of_concentrations(p.concentration, q.concentration)


@register_kl(Beta, Beta)
def _beta(p, q):
    return _of_concentrations(p._dirichlet.concentration, q._dirichlet.concentration)


def _times_log_ratio(p: Tensor, q: Tensor) -> Tensor:
    terms = p * (p / q).log()
    return torch.where(p == 0, 0.0, torch.where(q == 0, math.inf, terms))


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p, q):
    return _times_log_ratio(p.probs, q.probs) + _times_log_ratio(1 - p.probs, 1 - q.probs)


@register_kl(Categorical, Categorical)
def _categorical(p, q):
    terms = p.probs * (p.logits - q.logits)
    terms = torch.where((q.probs == 0).expand_as(terms), math.inf, terms)
    return torch.where((p.probs == 0).expand_as(terms), 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p, q):
    return _categorical(p._categorical, q._categorical)


@register_kl(Geometric, Geometric)
def _geometric(p, q):
    return -p.entropy() - torch.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p, q):
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p, q):
    if p.event_shape != q.event_shape:
        raise ValueError("KL between two MultivariateNormals requires the same event shape")
    n = p.event_shape[0]
    lead = torch.broadcast_shapes(p.batch_shape, q.batch_shape)
    factor = q.scale_tril.expand(*lead, n, n)
    ours = p.scale_tril.expand(*lead, n, n)
    shift = (q.loc - p.loc).expand(*lead, n).unsqueeze(-1)
    spread = torch.linalg.solve_triangular(factor, ours, upper=False).pow(2).sum((-2, -1))
    squared = torch.linalg.solve_triangular(factor, shift, upper=False).pow(2).sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (spread + squared - n)


@register_kl(Independent, Independent)
def _independent(p, q):
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    value = kl_divergence(p.base_dist, q.base_dist)
    dims = p.reinterpreted_batch_ndims
    return value if not dims else value.reshape(*value.shape[: value.dim() - dims], -1).sum(-1)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p, q):
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    return kl_divergence(p.base_dist, q.base_dist)

"""Probability distributions, as ``torch.distributions``: loaded when a program asks for them."""

# ruff: noqa: F401 (names of the package)
from __future__ import annotations

import sys as _sys

from .._missing import guard
from . import (
    composed,
    constraints,
    discrete,
    distribution,
    kl,
    location,
    positive,
    transforms,
    utils,
)
from .composed import (
    Independent,
    LogisticNormal,
    LogNormal,
    MixtureSameFamily,
    MultivariateNormal,
    Pareto,
    TransformedDistribution,
    Weibull,
)
from .discrete import (
    Bernoulli,
    Binomial,
    Categorical,
    Geometric,
    Multinomial,
    NegativeBinomial,
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
    Poisson,
    RelaxedBernoulli,
    RelaxedOneHotCategorical,
)
from .distribution import Distribution, ExponentialFamily
from .kl import kl_divergence, register_kl
from .location import Cauchy, Gumbel, Laplace, Normal, Uniform
from .positive import Beta, Chi2, Dirichlet, Exponential, Gamma, HalfNormal, StudentT
from .transforms import (
    AbsTransform,
    AffineTransform,
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    PowerTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)

#: PyTorch has a module for each; they are found under those names, too.
_HOMES = {
    composed: "independent log_normal logistic_normal mixture_same_family multivariate_normal "
    "pareto transformed_distribution weibull",
    discrete: "bernoulli binomial categorical geometric multinomial negative_binomial "
    "one_hot_categorical poisson relaxed_bernoulli relaxed_categorical",
    distribution: "exp_family",
    location: "cauchy gumbel laplace normal uniform",
    positive: "beta chi2 dirichlet exponential gamma half_normal studentT",
}
for _module, _names in _HOMES.items():
    for _name in _names.split():
        _sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _module

__all__ = [
    *(n for n, v in list(globals().items()) if isinstance(v, type) and not n.startswith("_")),
    *("constraints", "identity_transform", "kl_divergence", "register_kl", "transforms"),
]

guard(globals(), "torch.distributions")

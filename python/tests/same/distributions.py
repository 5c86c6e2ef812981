"""`torch.distributions`: draws, densities, derivatives, moments, divergences, transforms."""

from . import error_of

TOLERANCE = 4e-5


def _pairs(torch):
    D = torch.distributions
    a = torch.tensor([0.5, 2.0, 7.0], requires_grad=True)
    b = torch.tensor([1.0, 0.3, 2.0], requires_grad=True)
    c, d = a.detach(), b.detach()
    return (
        a,
        {
            "Normal": (D.Normal(a, b), D.Normal(b, a)),
            "Laplace": (D.Laplace(a, b), D.Laplace(b, a)),
            "Cauchy": (D.Cauchy(a, b), None),
            "Gumbel": (D.Gumbel(a, b), None),
            "Uniform": (D.Uniform(a, a + b), D.Uniform(a - 1, a + b + 1)),
            "Exponential": (D.Exponential(a), D.Exponential(b)),
            "Gamma": (D.Gamma(a, b), D.Gamma(b, a)),
            "Chi2": (D.Chi2(c), None),
            "StudentT": (D.StudentT(a, b), None),
            "HalfNormal": (D.HalfNormal(a), D.HalfNormal(b)),
            "LogNormal": (D.LogNormal(a, b), D.LogNormal(b, a)),
            "Weibull": (D.Weibull(a, b), None),
            "Pareto": (D.Pareto(a, b), None),
            "Dirichlet": (D.Dirichlet(c), D.Dirichlet(d)),
            "Beta": (D.Beta(c, d), D.Beta(d, c)),
            "Bernoulli": (D.Bernoulli(a / 10), D.Bernoulli(logits=b)),
            "Categorical": (D.Categorical(a), D.Categorical(logits=b)),
            "OneHot": (D.OneHotCategorical(a), D.OneHotCategorical(logits=b)),
            "Geometric": (D.Geometric(a / 10), D.Geometric(b / 5)),
            "Poisson": (D.Poisson(a * 3), D.Poisson(b)),
            "NegativeBinomial": (D.NegativeBinomial(a, b / 5), None),
            "Multinomial": (D.Multinomial(5, c), None),
            "RelaxedBernoulli": (D.RelaxedBernoulli(torch.tensor(0.5), a / 10), None),
            "RelaxedOneHot": (D.RelaxedOneHotCategorical(torch.tensor(0.5), a), None),
            "MultivariateNormal": (
                D.MultivariateNormal(a, torch.eye(3) + 0.2),
                D.MultivariateNormal(b, scale_tril=torch.eye(3) * 2),
            ),
            "Independent": (D.Independent(D.Normal(a, b), 1), D.Independent(D.Normal(b, a), 1)),
            "Mixture": (D.MixtureSameFamily(D.Categorical(a), D.Normal(b, a)), None),
            "Tanh": (
                D.TransformedDistribution(
                    D.Normal(a / 5, b), [D.TanhTransform(), D.AffineTransform(1.0, 2.0)]
                ),
                None,
            ),
        },
    )


def case_draws(torch):
    out = {}
    for name, (p, _) in _pairs(torch)[1].items():
        torch.manual_seed(0)
        x = p.sample((4,))
        out[name] = [x, p.sample(), list(p.batch_shape), list(p.event_shape), p.has_rsample]
        torch.manual_seed(2)
        out[name].append(p.expand((2, *p.batch_shape)).sample())
    return out


def case_densities(torch):
    a, pairs = _pairs(torch)
    out = {}
    for name, (p, _) in pairs.items():
        torch.manual_seed(0)
        density = p.log_prob(p.sample((4,)))
        grads = density.sum()
        if grads.requires_grad:
            grads = torch.autograd.grad(grads, a, allow_unused=True, retain_graph=True)[0]
        out[name] = [density, grads]
    return out


def case_draws_are_differentiable(torch):
    a, pairs = _pairs(torch)
    out = {}
    for name, (p, _) in pairs.items():
        # PyTorch's own derivative of gamma variates is an approximation to three digits.
        if p.has_rsample and name not in ("Dirichlet", "Beta", "Gamma", "Chi2", "StudentT"):
            torch.manual_seed(1)
            total = p.rsample((2,)).square().sum()
            out[name] = torch.autograd.grad(total, a, retain_graph=True)[0]
    return out


def case_moments(torch):
    out = {}
    for name, (p, _) in _pairs(torch)[1].items():
        if name not in ("Weibull", "Pareto", "Mixture", "Tanh", "RelaxedBernoulli"):
            for what in ("mean", "variance"):
                if name != "RelaxedOneHot":
                    out[f"{name}.{what}"] = getattr(p, what)
        if name in ("Normal", "Gamma", "Beta", "Categorical", "MultivariateNormal", "Bernoulli"):
            out[f"{name}.entropy"] = p.entropy()
    return out


def case_probabilities(torch):
    out = {}
    for name, (p, _) in _pairs(torch)[1].items():
        if name in ("Normal", "Laplace", "Cauchy", "Gumbel", "Uniform", "Exponential", "LogNormal"):
            torch.manual_seed(0)
            x = p.sample((3,))
            out[name] = [p.cdf(x), p.icdf(p.cdf(x)) if name != "Gumbel" else 0]
    return out


def case_divergences(torch):
    kl = torch.distributions.kl_divergence
    return {name: kl(p, q) for name, (p, q) in _pairs(torch)[1].items() if q is not None}


def case_errors(torch):
    D, t = torch.distributions, torch.tensor
    return [
        error_of(lambda: D.Normal(t([1.0]), t([-1.0]))),
        error_of(lambda: D.Bernoulli(t([2.0]))),
        error_of(lambda: D.Bernoulli()),
        error_of(lambda: D.Normal(0.0, 1.0).log_prob(t(float("nan")))),
        error_of(lambda: D.Categorical(t([-1.0, 2.0]))),
        error_of(lambda: D.Uniform(1.0, 0.0)),
        repr(D.Normal(t([1.0, 2.0]), 1.0)),
        repr(D.Independent(D.Normal(t([1.0, 2.0]), 1.0), 1)),
    ]

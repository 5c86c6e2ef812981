"""`nn.utils`: clipping, vectors, fusion, weights that are computed."""

import warnings

from . import error_of

TOLERANCE = 5e-6


def _trained(torch, net, x, steps=2):
    """Outputs, state and gradients over some steps, and the outputs in evaluation mode."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    out = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (net(x) ** 2).mean()
        loss.backward()
        out.append([loss, {k: p.grad for k, p in net.named_parameters()}])
        optimizer.step()
    net.eval()
    return [*out, {k: v for k, v in net.state_dict().items()}, net(x)]


def _layers(torch):
    nn = torch.nn
    return (
        (lambda: nn.Linear(4, 3), (5, 4)),
        (lambda: nn.Conv2d(2, 3, 3), (2, 2, 5, 5)),
        (lambda: nn.ConvTranspose2d(2, 3, 2), (2, 2, 4, 4)),
    )


def _all_layers(torch, wrap):
    out = []
    for make, shape in _layers(torch):
        torch.manual_seed(6)
        net = wrap(make())
        out.append([*_trained(torch, net, torch.randn(*shape)), torch.rand(1)])
        out.append(_trained(torch, net.train(), torch.ones(*shape), 1))
    return out


def case_weight_norm(torch):
    warnings.simplefilter("ignore")
    utils = torch.nn.utils
    new = utils.parametrizations.weight_norm
    return {
        "old": _all_layers(torch, utils.weight_norm),
        "old over everything": _all_layers(torch, lambda m: utils.weight_norm(m, dim=None)),
        "new": _all_layers(torch, new),
        "new dim": _all_layers(torch, lambda m: new(m, dim=1)),
    }


def case_spectral_norm(torch):
    warnings.simplefilter("ignore")
    utils = torch.nn.utils
    return {
        "old": _all_layers(torch, utils.spectral_norm),
        "old twice": _all_layers(torch, lambda m: utils.spectral_norm(m, n_power_iterations=2)),
        "new": _all_layers(torch, utils.parametrizations.spectral_norm),
        "new bias": _all_layers(
            torch, lambda m: utils.parametrizations.spectral_norm(m, "bias", dim=0)
        ),
    }


def case_removal(torch):
    warnings.simplefilter("ignore")
    utils = torch.nn.utils
    out = []
    for wrap, remove in (
        (utils.weight_norm, utils.remove_weight_norm),
        (utils.spectral_norm, utils.remove_spectral_norm),
        (
            utils.parametrizations.weight_norm,
            lambda m: utils.parametrize.remove_parametrizations(m, "weight"),
        ),
    ):
        torch.manual_seed(2)
        net = wrap(torch.nn.Linear(3, 2))
        net(torch.ones(1, 3))
        remove(net)
        out.append([str(net), {k: v for k, v in net.state_dict().items()}, net(torch.ones(1, 3))])
    return out


def case_parametrize(torch):
    nn = torch.nn
    parametrize = nn.utils.parametrize

    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, a):
            return a.triu()

    class Scaled(nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by = nn.Parameter(torch.tensor(by))

        def forward(self, x):
            return x * self.by

    torch.manual_seed(1)
    net = nn.Linear(3, 3)
    parametrize.register_parametrization(net, "weight", Symmetric())
    out = [str(net), net.weight, parametrize.is_parametrized(net), net(torch.ones(1, 3))]
    parametrize.register_parametrization(net, "weight", Scaled(2.0))
    out += [list(net.state_dict()), net.weight, _trained(torch, net, torch.ones(2, 3))]
    with parametrize.cached():
        out.append(net.weight is net.weight)
    out.append(parametrize.type_before_parametrizations(net).__name__)
    other = nn.Linear(3, 3)
    parametrize.register_parametrization(other, "weight", Symmetric())
    other.weight = torch.arange(9.0).reshape(3, 3)
    out += [other.weight, [n for n, _ in other.named_parameters()]]
    parametrize.remove_parametrizations(other, "weight")
    out += [str(other), other.weight, parametrize.is_parametrized(other)]

    class Wrong(nn.Module):
        def forward(self, x):
            return x[0]

    wrong = nn.Linear(2, 2)
    out.append(
        [
            error_of(lambda: parametrize.register_parametrization(wrong, "no", Symmetric()))[:10],
            error_of(lambda: parametrize.register_parametrization(wrong, "weight", Wrong()))[:10],
            error_of(lambda: parametrize.remove_parametrizations(wrong, "weight"))[:10],
        ]
    )
    return out


def case_vectors_and_norms(torch):
    utils = torch.nn.utils
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    (net(torch.randn(5, 3)) ** 2).sum().backward()
    vector = utils.parameters_to_vector(net.parameters())
    grads = [p.grad for p in net.parameters()]
    out = [vector, *(utils.get_total_norm(grads, p) for p in (1, 2, 3.5, float("inf")))]
    for clip in (
        lambda: utils.clip_grad_value_(net.parameters(), 0.5),
        lambda: utils.clip_grad_norm_(net.parameters(), 0.7),
        lambda: utils.clip_grad_norm_(net.parameters(), 0.1, float("inf")),
        lambda: utils.clip_grad_norm_(net.parameters(), 100.0),
    ):
        result = clip()
        out.append([result, [p.grad.clone() for p in net.parameters()]])
    utils.vector_to_parameters(torch.arange(26.0), net.parameters())
    out.append([p.clone() for p in net.parameters()])
    net[0].weight.grad[0, 0] = float("nan")
    out.append(
        error_of(lambda: utils.clip_grad_norm_(net.parameters(), 1.0, error_if_nonfinite=True))
    )
    return out


def case_fusion(torch):
    nn = torch.nn
    torch.manual_seed(4)
    out = []
    for layer, norm, shape, options in (
        (nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), (2, 2, 5, 5), {}),
        (nn.Conv1d(2, 3, 3), nn.BatchNorm1d(3, affine=False), (2, 2, 5), {}),
        (
            nn.ConvTranspose2d(2, 3, 2),
            nn.BatchNorm2d(3),
            (2, 2, 4, 4),
            {"transpose": True},
        ),
    ):
        norm(layer(torch.randn(*shape)))
        layer.eval(), norm.eval()
        fused = nn.utils.fuse_conv_bn_eval(layer, norm, **options)
        x = torch.randn(*shape)
        out.append([fused.weight, fused.bias, fused(x), norm(layer(x))])
    linear, norm = nn.Linear(3, 4), nn.BatchNorm1d(4)
    norm(linear(torch.randn(6, 3)))
    fused = nn.utils.fuse_linear_bn_eval(linear.eval(), norm.eval())
    return [*out, [fused.weight, fused.bias, fused(torch.ones(2, 3))]]

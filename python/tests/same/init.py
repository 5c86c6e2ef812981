"""`nn.init`: values, errors."""

import warnings

from . import error_of

TOLERANCE = 2e-6


def _of(torch, fill, *shape, dtype=None):
    torch.manual_seed(11)
    x = fill(torch.empty(*shape, dtype=dtype or torch.float32))
    return [x, torch.rand(1)]


def case_values(torch):
    init = torch.nn.init
    matrices = {
        "uniform": lambda x: init.uniform_(x, -2, 3),
        "normal": lambda x: init.normal_(x, 1, 2),
        "constant": lambda x: init.constant_(x, 0.3),
        "ones": init.ones_,
        "zeros": init.zeros_,
        "xavier uniform": lambda x: init.xavier_uniform_(x, 2.0),
        "xavier normal": init.xavier_normal_,
        "kaiming uniform": lambda x: init.kaiming_uniform_(x, 0.1, "fan_out"),
        "kaiming normal": lambda x: init.kaiming_normal_(x, mode="fan_out", nonlinearity="relu"),
        "kaiming tanh": lambda x: init.kaiming_normal_(x, nonlinearity="tanh"),
        "truncated": lambda x: init.trunc_normal_(x, std=0.02),
        "truncated close": lambda x: init.trunc_normal_(x, 0, 1, -0.5, 0.5),
        "truncated far": lambda x: init.trunc_normal_(x, 0, 1, 1, 2),
        "orthogonal": lambda x: init.orthogonal_(x, 1.5),
    }
    out = {}
    for name, fill in matrices.items():
        for shape in ((5, 4), (4, 5), (3, 2, 3), (4, 3, 2, 2)):
            out[f"{name} {shape}"] = _of(torch, fill, *shape)
        out[f"{name} double"] = _of(torch, fill, 3, 3, dtype=torch.float64)
    out["eye"] = _of(torch, init.eye_, 3, 4)
    out["sparse"] = [_of(torch, lambda x, p=p: init.sparse_(x, p), 7, 3) for p in (0.1, 0.5)]
    for groups in (1, 2):
        for shape in ((4, 2, 3), (4, 3, 3, 2), (2, 4, 1, 2, 3)):
            dirac = lambda x, groups=groups: init.dirac_(x, groups)  # noqa: E731
            out[f"dirac {groups} {shape}"] = _of(torch, dirac, *shape)
    out["own"] = [
        fill(torch.empty(3, 3), generator=torch.Generator().manual_seed(2))
        for fill in (init.uniform_, init.trunc_normal_, init.orthogonal_, init.kaiming_normal_)
    ]
    return out


def case_gains(torch):
    gain = torch.nn.init.calculate_gain
    names = ("linear", "conv2d", "sigmoid", "tanh", "relu", "selu", "leaky_relu")
    return [*map(gain, names), gain("leaky_relu", 0.3)]


def case_errors(torch):
    init = torch.nn.init
    calls = (
        lambda: init.xavier_uniform_(torch.empty(3)),
        lambda: init.eye_(torch.empty(3)),
        lambda: init.dirac_(torch.empty(3, 3)),
        lambda: init.dirac_(torch.empty(3, 3, 3), 2),
        lambda: init.orthogonal_(torch.empty(3)),
        lambda: init.sparse_(torch.empty(3), 0.1),
        lambda: init.calculate_gain("none"),
        lambda: init.kaiming_normal_(torch.empty(2, 2), mode="no"),
    )
    return [error_of(c) for c in calls]


def case_old_names(torch):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.manual_seed(1)
        x = torch.nn.init.xavier_normal(torch.empty(2, 2))
    return [x, str(caught[0].message), caught[0].category.__name__]

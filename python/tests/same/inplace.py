"""Layers and functions that write to their input, and operators that write to their left side."""

from . import error_of

TOLERANCE = 1e-5
LAYERS = {
    **{n: () for n in ("ReLU", "ReLU6", "LeakyReLU", "ELU", "SELU", "CELU", "SiLU", "Mish")},
    **{n: () for n in ("Hardswish", "Hardsigmoid", "Hardtanh", "RReLU")},
    "Threshold": (0.1, 7.0),
}
FUNCTIONS = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "mish"),
    *("hardswish", "hardsigmoid", "hardtanh", "rrelu"),
)


def case_layers(torch):
    out = {}
    for name, arguments in LAYERS.items():
        x = torch.linspace(-4, 4, 9)
        y = getattr(torch.nn, name)(*arguments, inplace=True).eval()(x)
        out[name] = [x, y is x]
    return out


def case_functions(torch):
    out = {}
    for name in FUNCTIONS:
        x = torch.linspace(-4, 4, 9)
        y = getattr(torch.nn.functional, name)(x, inplace=True)
        out[name] = [x, y is x]
    return out


def case_dropout(torch):
    out = {}
    for name in ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout"):
        for training in (True, False):
            x = torch.ones(2, 3, *[2] * int(name[-2] if name.endswith("d") else 1))
            torch.manual_seed(0)
            y = getattr(torch.nn, name)(0.5, inplace=True).train(training)(x)
            out[f"{name} {training}"] = [x, y is x]
    return out


def case_a_shortcut_sees_what_was_written(torch):
    torch.manual_seed(0)
    x = torch.randn(4, 3, requires_grad=True)
    h = x * 2
    y = torch.nn.ReLU(inplace=True)(h) + h
    y.sum().backward()
    view = torch.randn(2, 6)
    torch.nn.functional.relu(view.view(3, 4)[1:], inplace=True)
    return {"output": y, "gradient": x.grad, "view": view}


def case_leaves_are_not_written(torch):
    x = torch.ones(3, requires_grad=True)
    relu, dropout = torch.nn.ReLU(inplace=True), torch.nn.Dropout(0.5, inplace=True)
    return {
        "relu": error_of(lambda: relu(x)),
        "dropout": error_of(lambda: dropout(x)),
        "evaluated dropout": dropout.eval()(x) is x,
        "no gradient": [relu(torch.tensor([-1.0, 1.0])), error_of(lambda: relu(x.detach()))],
    }


def case_operators(torch):
    whole, truth = [5, 6, -7], [True, False, True]
    out = {}
    for name, numbers, change in (
        ("&=", truth, lambda x: x.__iand__(torch.tensor([False, True, True]))),
        ("|=", whole, lambda x: x.__ior__(8)),
        ("^=", whole, lambda x: x.__ixor__(torch.tensor([1, 2, 3]))),
        ("<<=", whole, lambda x: x.__ilshift__(2)),
        (">>=", whole, lambda x: x.__irshift__(1)),
        ("//=", whole, lambda x: x.__ifloordiv__(2)),
        ("%=", whole, lambda x: x.__imod__(4)),
        ("**=", whole, lambda x: x.__ipow__(2)),
        ("//= of floats", [5.5, -2.5], lambda x: x.__ifloordiv__(2)),
    ):
        x = torch.tensor(numbers)
        alias = x.view(-1)
        out[name] = [change(x) is x, x, alias]
    return out

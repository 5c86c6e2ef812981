"""How tensors and modules are written."""

import math

import numpy as np

_NAN, _INF = float("nan"), float("inf")
_LISTS = {
    "whole numbers": [1, -2, 30000],
    "large whole numbers": [[1, 2], [-(2**62), 2**62]],
    "truths": [True, False],
    "floats": [0.1, 0.25, -3.5],
    "whole floats": [1.0, 2.0, -30.0],
    "large whole floats": [1.0, 1e5, 123456.0],
    "very large whole floats": [1.0, 1e8, 1.0],
    "scientific": [1e-5, 1.0, 1000.0],
    "small": [1e-10, 3e-10],
    "tiny and huge": [1e-30, 1e30],
    "wide range": [0.001, 1.0, 1001.0],
    "just in range": [0.01, 9.99],
    "just under the limit": [0.0001, 0.05],
    "below the limit": [0.00009, 0.05],
    "large fractions": [12345678.5, 0.5],
    "with nan": [_NAN, 1.0, -2.5],
    "with infinities": [_INF, -_INF, 1.5],
    "only nan": [_NAN, _NAN],
    "whole with nan": [_NAN, 1.0, 20.0],
    "nan and small": [_NAN, 1e-8, 1.0],
    "negative zero": [-0.0, 0.0],
    "number": 3.0,
    "whole number": 7,
    "truth": True,
    "negative": -0.123456789,
    "nan": _NAN,
    "empty": [],
    "matrix": [[1.0, 2.5], [-3.0, 400.0]],
    "row": [[1.0, 2.0]],
    "blocks": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]],
    "deep": [[[[1.5]]], [[[-2.5]]]],
    "long rows": [[float(i) for i in range(30)]] * 2,
    "long vector": [i / 7 for i in range(45)],
    "long whole vector": list(range(60)),
    "many truths": [[i % 3 == 0 for i in range(25)]] * 2,
}


def case_lists(torch):
    return {k: str(torch.tensor(v)) for k, v in _LISTS.items()}


def case_types(torch):
    out = {}
    for name in ("float32", "float64", "int64", "uint8", "bool"):
        dtype = getattr(torch, name)
        for value in ([1, 0, 3], 1, [], [[1]], [[]]):
            out[f"{name} {value}"] = str(torch.tensor(value, dtype=dtype))
        out[f"{name} shape"] = str(torch.zeros(0, 3, dtype=dtype))
    out["double fractions"] = str(torch.tensor([1 / 3, 2e5], dtype=torch.float64))
    return out


def case_summaries(torch):
    shapes = (
        (1000,),
        (1001,),
        (10, 101),
        (5, 300),
        (300, 5),
        (30, 7, 8),
        (7, 30, 8),
        (2, 2, 2, 200),
    )
    out = {}
    for shape in shapes:
        n = math.prod(shape)
        out[f"whole {shape}"] = str(torch.arange(n).reshape(*shape))
        out[f"float {shape}"] = str(torch.arange(n, dtype=torch.float32).reshape(*shape) / 7)
        out[f"small {shape}"] = str((torch.arange(n).reshape(*shape) * 1e-7).double())
        out[f"truth {shape}"] = str(torch.arange(n).reshape(*shape) % 3 == 0)
    # What is not shown does not decide the format.
    hidden = torch.ones(2000)
    hidden[1000] = 1e9
    out["hidden"] = str(hidden)
    return out


def case_random_values(torch):
    generator = np.random.default_rng(3)
    out = []
    for i in range(60):
        shape = tuple(generator.integers(1, 5, generator.integers(1, 4)))
        values = generator.standard_normal(shape) * 10.0 ** generator.integers(-6, 7, shape)
        if i % 3 == 0:
            values = generator.standard_normal(shape) * 10.0 ** int(generator.integers(-5, 9))
        if i % 4 == 0:
            values = np.round(values)
        dtype = torch.float64 if i % 5 == 0 else torch.float32
        out.append(str(torch.tensor(values.tolist(), dtype=dtype)))
    return out


def case_gradients(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.ones(2, 2, requires_grad=True)
    conv = torch.nn.Conv2d(1, 1, 1)
    image = torch.ones(1, 1, 2, 2)
    results = {
        "leaf": x,
        "number": torch.tensor(1.0, requires_grad=True),
        "empty": torch.zeros(0, requires_grad=True),
        "double": torch.tensor([1.0], dtype=torch.float64, requires_grad=True),
        "long": torch.arange(30.0, requires_grad=True),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "detached": x.detach(),
        "sum": x.sum(),
        "add": x + 1,
        "sub": x - x,
        "mul": x * 2,
        "div": x / 2,
        "neg": -x,
        "pow": x**2,
        "exp": x.exp(),
        "log": x.log(),
        "sqrt": x.sqrt(),
        "relu": torch.relu(x),
        "sigmoid": torch.sigmoid(x),
        "tanh": torch.tanh(x),
        "abs": x.abs(),
        "clamp": x.clamp(0, 1),
        "slice": x[1:],
        "cat": torch.cat([x, x]),
        "softmax": torch.softmax(x, 0),
        "log_softmax": torch.log_softmax(x, 0),
        "wrapped": torch.ones(20, requires_grad=True) * 100000,
        "wrapped leaf": torch.ones(12, dtype=torch.float64, requires_grad=True),
        "long double": torch.arange(30.0, dtype=torch.float64, requires_grad=True) * 1,
        "expand": x.expand(2, 2),
        "permute": w.permute(1, 0),
        "where": torch.where(x > 1, x, -x),
        "conv": conv(image).grad_fn.name(),
        "pool": torch.nn.functional.avg_pool2d(conv(image), 2).grad_fn.name(),
        "max pool": torch.nn.functional.max_pool2d(conv(image), 2).grad_fn.name(),
    }
    return {k: str(v) for k, v in results.items()}


def case_sizes(torch):
    return [
        repr(torch.Size([2, 3])),
        repr(torch.zeros(2).shape),
        str(torch.float32),
        repr(torch.int64),
        repr(torch.device("cpu")),
        f"{torch.tensor(1.5):.3f} {torch.tensor(2)} {torch.ones(2)}",
        repr(torch.max(torch.ones(2, 2), 0)),
        repr(torch.ones(2, 2).sort()),
    ]


def case_options(torch):
    x = torch.arange(12.0).reshape(3, 4) / 7 * 1000
    out = []
    for options in (
        {"precision": 2},
        {"sci_mode": True},
        {"sci_mode": False},
        {"linewidth": 30},
        {"threshold": 5, "edgeitems": 1},
        {"profile": "short"},
        {"profile": "full"},
        {"profile": "default"},
    ):
        torch.set_printoptions(**options)
        out.append(str(x))
        out.append(str(x * 1e-6))
    torch.set_printoptions(profile="default", sci_mode=None, linewidth=80)
    return [*out, str(x)]


def case_modules(torch):
    nn = torch.nn

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
            self.heads = nn.ModuleList([nn.Linear(3, 1), nn.Linear(3, 1)])
            self.named = nn.ModuleDict({"a": nn.Identity()})
            self.scale = nn.Parameter(torch.ones(1))

        def extra_repr(self):
            return "deep=True"

    modules = [
        Own(),
        nn.Sequential(),
        nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Linear(1, 1)]),
        nn.ParameterList([nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(1, 2))]),
        nn.Conv1d(1, 2, 3),
        nn.Conv2d(4, 8, (3, 1), stride=2, padding=1, dilation=2, groups=2, bias=False),
        nn.Conv2d(1, 1, 1, padding="same", padding_mode="reflect"),
        nn.ConvTranspose2d(1, 2, 3, 2, output_padding=1),
        nn.Linear(1, 2, bias=False),
        nn.Bilinear(1, 2, 3),
        nn.BatchNorm1d(3),
        nn.BatchNorm2d(3, momentum=None, affine=False),
        nn.GroupNorm(2, 4),
        nn.LayerNorm((2, 3)),
        nn.LayerNorm(3, elementwise_affine=False),
        nn.InstanceNorm2d(3),
        nn.LocalResponseNorm(2),
        nn.RMSNorm(4),
        nn.SyncBatchNorm(2),
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(2),
        nn.AvgPool1d(2),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.AdaptiveMaxPool1d(2),
        nn.LPPool2d(2, 3),
        nn.MaxUnpool2d(2),
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.ReLU6(),
        nn.LeakyReLU(0.2),
        nn.ELU(),
        nn.CELU(),
        nn.SELU(),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.SiLU(),
        nn.Mish(),
        nn.Hardtanh(),
        nn.Hardswish(),
        nn.Hardsigmoid(),
        nn.Hardshrink(),
        nn.Softshrink(),
        nn.Softplus(),
        nn.Softmax(1),
        nn.LogSoftmax(-1),
        nn.Softmin(0),
        nn.Threshold(0.1, 20),
        nn.PReLU(),
        nn.RReLU(),
        nn.GLU(),
        nn.Tanh(),
        nn.Sigmoid(),
        nn.Dropout(0.3),
        nn.Dropout2d(),
        nn.AlphaDropout(),
        nn.Flatten(),
        nn.Unflatten(1, (2, 3)),
        nn.Identity(),
        nn.Embedding(3, 4, padding_idx=0),
        nn.EmbeddingBag(3, 4),
        nn.Upsample(scale_factor=2),
        nn.Upsample(size=(3, 4), mode="bilinear"),
        nn.PixelShuffle(2),
        nn.PixelUnshuffle(2),
        nn.ChannelShuffle(2),
        nn.ZeroPad2d(1),
        nn.ConstantPad1d(2, 3.5),
        nn.ReflectionPad2d((1, 2, 3, 4)),
        nn.Unfold(3),
        nn.Fold((4, 4), 2),
        nn.CosineSimilarity(),
        nn.PairwiseDistance(),
        nn.CrossEntropyLoss(),
        nn.MSELoss(),
        nn.TripletMarginLoss(),
        nn.LazyLinear(3),
        nn.LazyConv2d(3, 1),
        nn.LazyBatchNorm2d(),
    ]
    return [repr(m) for m in modules]


def case_optimizers(torch):
    p = [torch.nn.Parameter(torch.ones(1))]
    optim = torch.optim
    return [
        [line for line in repr(make(p, lr=0.1)).splitlines() if "decoupled" not in line]
        for make in (optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop)
    ]

"""Writes tests/golden/ops_b.json: values and gradients of operations, as PyTorch computes them.

Run with a Python that has PyTorch:

    python scripts/golden/ops_b.py

A case names its inputs, and holds the output and, per input, the gradient of the output's sum weighted by
-3, -2, ..., 3, -3, ... (null where there is none). tests/support/golden.h reads it.
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "ops_b.json"


def some(seed: int, *shape: int, scale: float = 2.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(*shape, dtype=torch.float64, generator=generator) * scale * 1000).round() / 1000


INPUTS = {
    "kinks": torch.tensor(
        [-30.0, -7.5, -3.0, -2.0, -1.0, -0.5, 0.0, 0.25, 1.0, 2.0, 2.999, 3.0, 6.0, 6.5, 19.9, 21.0, 50.0],
        dtype=torch.float64,
    ),
    "positive": some(1, 5).abs() + 0.1,
    "x": some(2, 2, 3, 4),
    "y": some(3, 3, 4),
    "ties": torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, 0.0, -1.0]], dtype=torch.float64),
    "odd": torch.tensor([1.0, math.nan, math.inf, -math.inf, 0.0], dtype=torch.float64),
    "ints": torch.tensor([[3, -2, 5], [0, 7, 1]]),
    "index": torch.tensor([2, 0, 2, 1]),
    "index3": torch.tensor([[[2, 0], [1, 1], [0, 2]]]),
    "huge": torch.tensor([[1e4, 1e4 - 1, 0.0], [-1e4, -1e4, -1e4 + 2]], dtype=torch.float64),
}

CASES = {
    "relu6": (F.relu6, "kinks"),
    "hardtanh": (F.hardtanh, "kinks"),
    "leaky_relu": (F.leaky_relu, "kinks"),
    "elu": (lambda x: F.elu(x, 0.5), "kinks"),
    "hardsigmoid": (F.hardsigmoid, "kinks"),
    "hardswish": (F.hardswish, "kinks"),
    "softplus": (F.softplus, "kinks"),
    "softplus_2_5": (lambda x: F.softplus(x, 2, 5), "kinks"),
    "silu": (F.silu, "kinks"),
    "gelu": (F.gelu, "kinks"),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), "kinks"),
    "clamp": (lambda x: x.clamp(-1, 2), "kinks"),
    "clamp_min": (lambda x: x.clamp(min=3), "kinks"),
    "clamp_odd": (lambda x: x.clamp(2, -1), "odd"),
    "clamp_ints": (lambda x: x.clamp(0, 4), "ints"),
    "pow_3": (lambda x: x**3, "kinks"),
    "pow_0": (lambda x: x**0, "kinks"),
    "pow_2.5": (lambda x: x**2.5, "positive"),
    "pow_-1": (lambda x: x**-1, "positive"),
    "pow_ints": (lambda x: x**3, "ints"),
    "softmax_1": (lambda x: x.softmax(1), "x"),
    "softmax_last": (lambda x: x.softmax(-1), "x"),
    "softmax_huge": (lambda x: x.softmax(1), "huge"),
    "log_softmax_0": (lambda x: x.log_softmax(0), "x"),
    "log_softmax_huge": (lambda x: x.log_softmax(1), "huge"),
    "logsumexp_1": (lambda x: x.logsumexp(1), "x"),
    "logsumexp_keep": (lambda x: x.logsumexp(-1, keepdim=True), "x"),
    "lt": (torch.lt, "x", "y"),
    "ge": (torch.ge, "x", "y"),
    "eq_odd": (torch.eq, "odd", "odd"),
    "ne_odd": (torch.ne, "odd", "odd"),
    "gt_scalar": (lambda x: x > 1.5, "ints"),
    "isnan": (torch.isnan, "odd"),
    "isinf": (torch.isinf, "odd"),
    "isfinite": (torch.isfinite, "odd"),
    "logical_not": (torch.logical_not, "odd"),
    "logical_and": (torch.logical_and, "ints", "ints"),
    "logical_xor": (lambda x: torch.logical_xor(x, x > 1), "ints"),
    "where": (lambda x, y: torch.where(x > y, x, y * 2), "x", "y"),
    "masked_fill": (lambda x: x.masked_fill(x > 0, -9), "x"),
    "permute": (lambda x: x.permute(2, 0, 1), "x"),
    "permute_outer": (lambda x: x.permute(1, 0, 2), "x"),
    "transpose": (lambda x: x.transpose(-1, 1), "x"),
    "movedim": (lambda x: x.movedim(0, -1), "x"),
    "cat": (lambda x, y: torch.cat([x, y[None], x], 0), "x", "y"),
    "cat_types": (lambda i, x: torch.cat([i, x], 1), "ints", "huge"),
    "stack": (lambda x: torch.stack([x, x * 2], -1), "x"),
    "flip": (lambda x: x.flip(0, -1), "x"),
    "repeat": (lambda x: x.repeat(2, 1, 3, 2), "x"),
    "tril": (lambda x: x.tril(1), "x"),
    "triu": (lambda x: x.triu(), "x"),
    "index_select": (lambda x, i: x.index_select(1, i), "x", "index"),
    "gather": (lambda x, i: x.gather(1, i), "x", "index3"),
    "scatter_add": (lambda x, i, y: x.scatter_add(2, i, y[None, :, :2]), "x", "index3", "y"),
    "one_hot": (lambda i: F.one_hot(i, 4), "index"),
}


RANGES = {
    "arange": torch.arange(-3, 7, 3),
    "arange_float": torch.arange(0.5, 2, 0.3),
    "arange_down": torch.arange(5, 0, -2),
    "linspace": torch.linspace(-1, 2, 8),
    "linspace_1": torch.linspace(3, 7, 1),
    "eye": torch.eye(2, 3),
}


def plain(values: list) -> list:
    return [v if not isinstance(v, float) or math.isfinite(v) else str(v) for v in values]


def stored(t: torch.Tensor) -> dict:
    return {
        "shape": list(t.shape),
        "dtype": str(t.dtype).removeprefix("torch."),
        "data": plain(t.detach().reshape(-1).tolist()),
    }


def case(function, *names: str) -> dict:
    inputs = [INPUTS[n].clone() for n in names]
    for t in inputs:
        t.requires_grad_(t.is_floating_point())
    out = function(*inputs)
    gradients = [None] * len(inputs)
    if out.requires_grad:
        weights = (torch.arange(out.numel()) % 7 - 3).to(out.dtype).reshape(out.shape)
        (out * weights).sum().backward()
        gradients = [None if t.grad is None else plain(t.grad.reshape(-1).tolist()) for t in inputs]
    return {"in": names, "out": stored(out), "grad": gradients}


def random() -> list:
    torch.manual_seed(7)
    return [
        stored(t)
        for t in (
            torch.rand(2, 3),
            torch.randn(4, 5, dtype=torch.float32),
            torch.randint(-3, 9, (5,)),
            torch.randperm(6),
            torch.empty(2, 2, dtype=torch.float64).uniform_(-1, 3),
            torch.empty(17).normal_(2, 0.5),
        )
    ]


def main() -> None:
    golden = {
        "inputs": {name: stored(t) for name, t in INPUTS.items()},
        "ranges": {name: stored(t) for name, t in RANGES.items()},
        "random": random(),
        "cases": {name: case(*definition) for name, definition in CASES.items()},
    }
    OUTPUT.write_text(json.dumps(golden).replace('"in"', '\n"in"') + "\n")


if __name__ == "__main__":
    main()

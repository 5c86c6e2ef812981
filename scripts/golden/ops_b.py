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
    return (
        torch.randn(*shape, dtype=torch.float64, generator=generator) * scale * 1000
    ).round() / 1000


INPUTS = {
    "kinks": torch.tensor(
        [
            -30.0,
            -7.5,
            -3.0,
            -2.0,
            -1.0,
            -0.5,
            0.0,
            0.25,
            1.0,
            2.0,
            2.999,
            3.0,
            6.0,
            6.5,
            19.9,
            21.0,
            50.0,
        ],
        dtype=torch.float64,
    ),
    "positive": some(1, 5).abs() + 0.1,
    "x": some(2, 2, 3, 4),
    "y": some(3, 3, 4),
    "ties": torch.tensor(
        [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, 0.0, -1.0]], dtype=torch.float64
    ),
    "odd": torch.tensor([1.0, math.nan, math.inf, -math.inf, 0.0], dtype=torch.float64),
    "ints": torch.tensor([[3, -2, 5], [0, 7, 1]]),
    "probabilities": torch.tensor([[0.0, 0.25, 0.75], [0.5, 0.5, 0.0]], dtype=torch.float64),
    "certain": torch.tensor([[0.0, 1.0, 0.3], [1.0, 0.0, 0.9]], dtype=torch.float64),
    "scores": some(5, 2, 3),
    "labels": torch.tensor([[0, 2, -100, 1], [1, 1, 0, 2]]),
    "class_weights": torch.tensor([0.5, 2.0, 1.25], dtype=torch.float64),
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
    "max": (lambda x: x.max(), "ties"),
    "min_1": (lambda x: x.min(1).values, "ties"),
    "max_1": (lambda x: x.max(1).values, "ties"),
    "max_1_indices": (lambda x: x.max(1).indices, "ties"),
    "amax_1": (lambda x: x.amax(1), "ties"),
    "amin_02": (lambda x: x.amin((0, 2), keepdim=True), "x"),
    "max_odd": (lambda x: x.max(), "odd"),
    "argmax": (lambda x: x.argmax(), "x"),
    "argmin_odd": (lambda x: x.argmin(0, keepdim=True), "odd"),
    "sort": (lambda x: x.sort(1).values, "x"),
    "argsort_odd": (lambda x: x.argsort(descending=True), "odd"),
    "argsort_ties": (lambda x: x.argsort(stable=True), "ties"),
    "topk": (lambda x: x.topk(2, -1).values, "x"),
    "topk_smallest": (lambda x: x.topk(2, 1, largest=False).indices, "x"),
    "var": (lambda x: x.var(), "x"),
    "var_02": (lambda x: x.var((0, 2), unbiased=False, keepdim=True), "x"),
    "std_1": (lambda x: x.std(1), "x"),
    "std_ties": (lambda x: x.std(1), "ties"),
    "norm": (lambda x: x.norm(), "x"),
    "norm_zero": (lambda x: (x * 0).norm(dim=1), "ties"),
    "all_1": (lambda x: x.all(1), "ints"),
    "any_0": (lambda x: x.any(0, keepdim=True), "ints"),
    "count_nonzero": (lambda x: x.count_nonzero(1), "ints"),
    "cumsum": (lambda x: x.cumsum(1), "x"),
    "nll": (lambda x, y: F.nll_loss(x, y), "x", "labels"),
    "nll_weighted": (lambda x, y, w: F.nll_loss(x, y, w.detach()), "x", "labels", "class_weights"),
    "nll_none": (
        lambda x, y, w: F.nll_loss(x, y, w.detach(), reduction="none"),
        "x",
        "labels",
        "class_weights",
    ),
    "ce_weighted": (
        lambda x, y, w: F.cross_entropy(x, y, w.detach()),
        "x",
        "labels",
        "class_weights",
    ),
    "ce_weighted_smooth": (
        lambda x, y, w: F.cross_entropy(x, y, w.detach(), label_smoothing=0.2),
        "x",
        "labels",
        "class_weights",
    ),
    "ce_soft": (lambda x, y: F.cross_entropy(x, y), "scores", "probabilities"),
    "ce_soft_weighted": (
        lambda x, y, w: F.cross_entropy(x, y, w.detach(), label_smoothing=0.1),
        "scores",
        "probabilities",
        "class_weights",
    ),
    "mse": (lambda x, y: F.mse_loss(x, y), "scores", "probabilities"),
    "l1_none": (lambda x, y: F.l1_loss(x, y, reduction="none"), "scores", "probabilities"),
    "smooth_l1": (lambda x, y: F.smooth_l1_loss(x, y, beta=0.5), "scores", "probabilities"),
    "huber": (
        lambda x, y: F.huber_loss(x, y, delta=0.5, reduction="sum"),
        "scores",
        "probabilities",
    ),
    "bce_logits": (
        lambda x, y: F.binary_cross_entropy_with_logits(x, y),
        "scores",
        "probabilities",
    ),
    "bce_logits_pos": (
        lambda x, y, w: F.binary_cross_entropy_with_logits(x, y, pos_weight=w.detach()),
        "scores",
        "probabilities",
        "class_weights",
    ),
    "bce": (lambda x, y: F.binary_cross_entropy(x, y.detach()), "certain", "probabilities"),
    "kl_div": (
        lambda x, y: F.kl_div(x, y.detach(), reduction="batchmean"),
        "scores",
        "probabilities",
    ),
    "kl_div_log": (
        lambda x, y: F.kl_div(x, y, log_target=True, reduction="sum"),
        "scores",
        "certain",
    ),
    "one_hot": (lambda i: F.one_hot(i, 4), "index"),
}


PRINTED = {
    "scalar": torch.tensor(3.14159),
    "ints": torch.tensor([[1, -20], [300, 4]]),
    "bools": torch.tensor([True, False]),
    "whole": torch.tensor([1.0, -2.0, 30.0]),
    "four": torch.tensor([[0.5, -1.23456], [10.0, 0.0]]),
    "tiny": torch.tensor([1e-5, 1.0]),
    "odd": torch.tensor([math.nan, math.inf, -math.inf, 1.0]),
    "odd_fraction": torch.tensor([math.nan, 0.5]),
    "double": torch.tensor([0.1], dtype=torch.float64),
    "empty": torch.empty(0),
    "empty_2": torch.empty(2, 0),
    "wrapped": torch.arange(60) * 1000,
    "deep": torch.arange(12.0).reshape(2, 3, 2) / 8,
    "zeros": torch.zeros(2, 2),
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
        "printed": {name: stored(t) | {"text": repr(t)} for name, t in PRINTED.items()},
        "summarized": repr(torch.arange(3000.0).reshape(3, 10, 100)),
        "random": random(),
        "cases": {name: case(*definition) for name, definition in CASES.items()},
    }
    OUTPUT.write_text(json.dumps(golden).replace('"in"', '\n"in"') + "\n")


if __name__ == "__main__":
    main()

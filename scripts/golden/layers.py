"""Writes tests/golden/layers.json: what PyTorch computes, for the tests in tests/ops.

Run with a Python that has PyTorch and NumPy:

    python scripts/golden/layers.py

Inputs are not stored: input i of a case holds uniform(shape, i + 1), the numbers that
ballast::test::uniform makes ("ties": rounded down to halves). Gradients are those of the sum of the result
weighted by uniform(shape, 99). All in float64; numbers are stored with ten digits.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "layers.json"
MASK = 2**64 - 1


def uniform(shape, seed: int) -> torch.Tensor:
    """Numbers in [-1, 1) by splitmix64."""
    state = (seed * 0x9E3779B97F4A7C15 + 1) & MASK
    values = np.empty(int(np.prod(shape)))
    for i in range(values.size):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
        values[i] = ((z ^ z >> 31) >> 11) * 2.0**-52 - 1
    return torch.from_numpy(values.reshape(shape))


def numbers(t: torch.Tensor) -> list:
    return [float(f"{v:.10g}") for v in t.detach().reshape(-1).tolist()]


def case(f, *shapes, ties=False, **options) -> dict:
    """The value of f(*inputs, **options) and its gradients."""
    inputs = [uniform(s, i + 1) for i, s in enumerate(shapes)]
    if ties:
        inputs = [torch.floor(t * 2) / 2 for t in inputs]
    for t in inputs:
        t.requires_grad_()
    y = f(*inputs, **options)
    (y * uniform(y.shape, 99)).sum().backward()
    return {
        "shapes": [list(s) for s in shapes],
        "ties": ties,
        "options": options,
        "shape": list(y.shape),
        "values": numbers(y),
        "gradients": [numbers(t.grad) for t in inputs],
    }


def conv2d_cases() -> list:
    c = F.conv2d
    return [
        case(c, (2, 3, 5, 4), (4, 3, 3, 3), (4,)),
        case(c, (2, 3, 5, 6), (2, 3, 3, 3), (2,), stride=2, padding=1),
        case(c, (1, 4, 6, 5), (6, 2, 2, 3), (6,), stride=(1, 2), padding=(0, 2), groups=2),
        case(
            c, (2, 3, 7, 5), (3, 1, 3, 2), stride=(2, 1), padding=(2, 1), dilation=(2, 3), groups=3
        ),
        case(c, (3, 2, 1, 1), (2, 2, 1, 1), (2,)),
        case(c, (2, 5, 4), (3, 2, 2, 2), (3,)),
    ]


def pool_cases() -> dict:
    mx, avg, ada = F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d
    return {
        "max_pool2d": [
            case(mx, (2, 3, 4, 6), kernel_size=2),
            case(mx, (2, 2, 5, 7), ties=True, kernel_size=3, stride=2, padding=1),
            case(
                mx, (1, 2, 6, 5), kernel_size=(2, 3), stride=(1, 2), padding=(1, 0), dilation=(2, 1)
            ),
            case(mx, (1, 2, 6, 7), ties=True, kernel_size=3, stride=2, padding=1, ceil_mode=True),
            case(mx, (1, 1, 5, 5), kernel_size=2, stride=3, ceil_mode=True),
            case(mx, (2, 3, 3), kernel_size=2, stride=1),
        ],
        "avg_pool2d": [
            case(avg, (2, 3, 4, 6), kernel_size=2),
            case(avg, (2, 2, 5, 7), kernel_size=3, stride=2, padding=1),
            case(avg, (2, 2, 5, 7), kernel_size=3, stride=2, padding=1, count_include_pad=False),
            case(avg, (1, 2, 6, 7), kernel_size=(3, 2), stride=2, padding=1, ceil_mode=True),
            case(
                avg, (1, 1, 5, 5), kernel_size=2, stride=3, ceil_mode=True, count_include_pad=False
            ),
            case(avg, (2, 3, 3), kernel_size=2, stride=1),
        ],
        "adaptive_avg_pool2d": [
            case(ada, (2, 3, 4, 6), output_size=(1, 1)),
            case(ada, (2, 2, 5, 7), output_size=(3, 2)),
            case(ada, (1, 2, 2, 3), output_size=(5, 4)),
            case(ada, (2, 3, 3), output_size=(2, 2)),
        ],
    }


def dropout_cases() -> list:
    cases = []
    for dtype in ("float32", "float64"):
        for p in (0.1, 0.3, 0.5, 0.9):
            torch.manual_seed(7)
            x = uniform((3, 7), 1).to(getattr(torch, dtype))
            first, second = F.dropout(x, p), F.dropout(x, p)
            values = [t.reshape(-1).tolist() for t in (first, second)]
            cases.append({"dtype": dtype, "p": p, "first": values[0], "second": values[1]})
    return cases


def matmul_cases() -> list:
    pairs = [
        [(3,), (3,)],
        [(4, 3), (3,)],
        [(3,), (3, 2)],
        [(4, 3), (3, 2)],
        [(2, 4, 3), (3,)],
        [(3,), (2, 3, 4)],
        [(2, 4, 3), (3, 5)],
        [(4, 3), (2, 3, 2)],
        [(2, 4, 3), (2, 3, 2)],
        [(2, 1, 2, 3), (3, 3, 2)],
        [(2, 1, 2, 3), (1, 3, 3, 1)],
        [(1, 1, 1), (2, 1, 1)],
    ]
    return [case(torch.matmul, *pair) for pair in pairs]


def batch_norm_case(shape, momentum) -> dict:
    """Three training steps, then evaluation."""
    channels = shape[1]
    layer = {2: torch.nn.BatchNorm1d, 3: torch.nn.BatchNorm1d, 4: torch.nn.BatchNorm2d}.get(
        len(shape), torch.nn.BatchNorm3d
    )(channels, momentum=momentum, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(uniform((channels,), 1))
        layer.bias.copy_(uniform((channels,), 2))
    steps = []
    for step in range(4):
        layer.train(step < 3)
        x = uniform(shape, 10 + step).requires_grad_()
        layer.zero_grad()
        y = layer(x)
        (y * uniform(shape, 99)).sum().backward()
        steps.append(
            {
                "y": numbers(y),
                "x_grad": numbers(x.grad),
                "weight_grad": numbers(layer.weight.grad),
                "bias_grad": numbers(layer.bias.grad),
                "running_mean": numbers(layer.running_mean),
                "running_var": numbers(layer.running_var),
                "num_batches_tracked": layer.num_batches_tracked.item(),
            }
        )
    return {"shape": list(shape), "momentum": momentum, "steps": steps}


def batch_norm_cases() -> list:
    shapes = [(4, 3), (3, 2, 5), (2, 3, 2, 3), (2, 2, 2, 1, 3)]
    return [batch_norm_case(s, m) for s in shapes for m in (0.1, 0.3, None)]


def main() -> None:
    groups = {
        "conv2d": conv2d_cases(),
        **pool_cases(),
        "dropout": dropout_cases(),
        "matmul": matmul_cases(),
        "batch_norm": batch_norm_cases(),
    }
    lines = [
        f'"{name}": [\n' + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]"
        for name, cases in groups.items()
    ]
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

"""Microseconds that Python spends to record one operation, of Ballast and of PyTorch.

    python bench/python_overhead.py [torch]

Nothing is evaluated: the time of a call is what it costs to check, make a node and a tensor.
(PyTorch, named on the command line, computes in the call: the tensors are tiny, so that its
numbers too are mostly overhead.) Each number is the least of many repetitions of a loop.
"""

import sys
import timeit

if "torch" in sys.argv[1:]:
    import torch
    import torch.nn.functional as F
    from torch import nn

    torch.set_num_threads(1)
else:
    import ballast as torch
    import ballast.nn.functional as F
    from ballast import nn

CALLS, REPEATS = 2000, 15


def operations() -> dict:
    """What is measured, as expressions."""
    x = torch.randn(2, 3, 4, 4)
    y = torch.randn(2, 3, 4, 4, requires_grad=True)
    a, b = torch.randn(4, 4), torch.randn(4, 4, requires_grad=True)
    w = torch.randn(3, 3, 3, 3, requires_grad=True)
    bias = torch.randn(3, requires_grad=True)
    mean, var = torch.zeros(3), torch.ones(3)
    target = torch.tensor([1, 0])
    logits = torch.randn(2, 3, requires_grad=True)
    net = nn.Conv2d(3, 3, 3)
    linear, norm, relu = nn.Linear(4, 4), nn.BatchNorm2d(3), nn.ReLU()
    norm.eval()
    return {
        "a + b": lambda: a + b,
        "a * 2": lambda: a * 2,
        "x * y": lambda: x * y,
        "x - 1.5": lambda: x - 1.5,
        "-x": lambda: -x,
        "relu": lambda: torch.relu(y),
        "F.relu": lambda: F.relu(y),
        "exp": lambda: y.exp(),
        "matmul": lambda: a @ b,
        "sum": lambda: y.sum(),
        "mean(dim)": lambda: y.mean(dim=(2, 3)),
        "reshape": lambda: x.reshape(2, -1),
        "view": lambda: x.view(2, 48),
        "transpose": lambda: x.transpose(1, 2),
        "x[0]": lambda: x[0],
        "x[:, 1:]": lambda: x[:, 1:],
        "cat": lambda: torch.cat([x, x], 1),
        "F.linear": lambda: F.linear(a, b),
        "F.conv2d": lambda: F.conv2d(x, w, bias, padding=1),
        "F.max_pool2d": lambda: F.max_pool2d(x, 2),
        "F.batch_norm (training)": lambda: F.batch_norm(x, None, None, bias, bias, training=True),
        "F.batch_norm (evaluation)": lambda: F.batch_norm(x, mean, var, bias, bias),
        "F.log_softmax": lambda: F.log_softmax(logits, 1),
        "F.cross_entropy": lambda: F.cross_entropy(logits, target),
        "nn.Conv2d": lambda: net(x),
        "nn.Linear": lambda: linear(a),
        "nn.BatchNorm2d (evaluation)": lambda: norm(x),
        "nn.ReLU": lambda: relu(x),
    }


def main() -> None:
    for name, call in operations().items():
        call()
        best = min(timeit.repeat(call, number=CALLS, repeat=REPEATS)) / CALLS
        print(f"{name:28} {1e6 * best:6.2f} us")


if __name__ == "__main__":
    main()

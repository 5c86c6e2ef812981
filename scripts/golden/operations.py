"""Writes tests/golden/operations.npz: PyTorch's values of python/tests/operation_cases.py.

Run with a Python that has PyTorch and NumPy:

    python scripts/golden/operations.py

Gradients are those of the sum of all floating-point results, each weighted by 1, 2, 3, ...
"""

import pathlib
import sys

import numpy as np
import torch

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "python" / "tests"))
import operation_cases as cases  # noqa: E402 (found by the line above)


def main() -> None:
    out = {}
    for number, expression in enumerate(cases.EXPRESSIONS):
        inputs = {}
        for name, value in cases.INPUTS.items():
            inputs[name] = torch.from_numpy(value.copy())
            if value.dtype == np.float64:
                inputs[name].requires_grad_()
        result = eval(expression, {"torch": torch}, inputs)  # noqa: S307 (our own expressions)
        results = list(result) if isinstance(result, tuple) else [result]
        total = 0
        for i, r in enumerate(results):
            out[f"{number}.{i}"] = r.detach().numpy()
            if r.requires_grad:
                weights = torch.arange(1, r.numel() + 1, dtype=r.dtype).reshape(r.shape)
                total = total + (r * weights).sum()
        if isinstance(total, torch.Tensor):
            total.backward()
        for name, tensor in inputs.items():
            if tensor.grad is not None:
                out[f"{number}.{name}"] = tensor.grad.numpy(force=True)
    path = ROOT / "tests" / "golden" / "operations.npz"
    np.savez_compressed(path, **out)
    print(len(cases.EXPRESSIONS), "expressions,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()

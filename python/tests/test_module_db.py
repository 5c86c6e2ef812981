"""PyTorch's own test samples for its layers, and what PyTorch computes on them.

`scripts/golden/module_db.py` wrote the file. A sample passes if the output, the gradients of inputs
and parameters, and the buffers afterwards are PyTorch's.
"""

import json
import pathlib

import numpy as np
import pytest
import recorded

import ballast as torch
from ballast import nn

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "module_db.npz"
# Samples that fail, by number within their layer.
FAILING: dict[str, set[int]] = {}

# Both sides compute in float32 and add up at most a few thousand products, in another order: the
# difference grows with the square root of their number.
TOLERANCE = 2e-5


class Samples:
    """The stored calls, grouped by layer."""

    def __init__(self):
        with np.load(GOLDEN) as file:
            self.arrays = {k: file[k] for k in file.files if k != "samples"}
            self.by_name: dict[str, list] = {}
            for sample in json.loads(file["samples"].tobytes())["samples"]:
                self.by_name.setdefault(sample["name"], []).append(sample)

    def array(self, tensor: dict) -> np.ndarray:
        kind, start, shape = tensor["tensor"]
        return self.arrays[kind][start : start + int(np.prod(shape))].reshape(shape)

    def decode(self, value):
        """Turn JSON into an argument."""
        if isinstance(value, list):
            return [self.decode(v) for v in value]
        if not isinstance(value, dict):
            return value
        if "tuple" in value:
            return tuple(self.decode(v) for v in value["tuple"])
        if "dtype" in value:
            return getattr(torch, value["dtype"])
        t = torch.from_numpy(self.array(value).copy())
        return t.requires_grad_() if value.get("grad") else t

    def arguments(self, call: list) -> tuple:
        args, kwargs = call
        return self.decode(args), {k: self.decode(v) for k, v in kwargs.items()}

    def expect(self, got, wanted: dict | None, what: str) -> None:
        """Compare a tensor with the stored one."""
        if wanted is None:
            assert got is None or not np.any(got.numpy()), f"{what}: a gradient"
            return
        b = self.array(wanted)
        assert got is not None, f"{what}: None"
        a = got.detach().numpy()
        assert a.shape == b.shape, f"{what}: shape {a.shape}, not {b.shape}"
        assert a.dtype == b.dtype, f"{what}: {a.dtype}, not {b.dtype}"
        largest = float(np.abs(b[np.isfinite(b)]).max(initial=0)) if b.size else 0.0
        np.testing.assert_allclose(a, b, TOLERANCE, TOLERANCE * max(largest, 1), err_msg=what)


SAMPLES = Samples()


def tensors(value) -> list:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    return []


def run(sample: dict) -> None:
    args, kwargs = SAMPLES.arguments(sample["made"])
    module = getattr(nn, sample["name"])(*args, **kwargs)
    args, kwargs = SAMPLES.arguments(sample["called"])
    if sample["first"]:  # a lazy module takes its sizes from its first input
        with torch.no_grad():
            module(*args, **kwargs)
    module.load_state_dict({k: SAMPLES.decode(v) for k, v in sample["state"].items()})
    module.train(sample["training"])
    torch.manual_seed(1)
    results = tensors(module(*args, **kwargs))
    assert len(results) == len(sample["results"])
    for got, wanted in zip(results, sample["results"], strict=True):
        SAMPLES.expect(got, wanted, "output")
    for i, seed in sample.get("seeds", {}).items():
        results[int(i)].backward(SAMPLES.decode(seed))
    leaves = tensors(args) + [t for v in kwargs.values() for t in tensors(v)]
    for i, (leaf, wanted) in enumerate(zip(leaves, sample["gradients"], strict=True)):
        SAMPLES.expect(leaf.grad, wanted, f"gradient of input {i}")
    for name, p in module.named_parameters():
        SAMPLES.expect(p.grad, sample["parameters"][name], f"gradient of {name}")
    for name, b in module.named_buffers():
        SAMPLES.expect(b, sample["buffers"][name], name)


@pytest.mark.parametrize("name", sorted(SAMPLES.by_name))
def test_samples_of(name):
    """All samples of a layer pass, except those listed above, which fail."""
    failed = recorded.failures(SAMPLES.by_name[name], run)
    assert set(failed) == FAILING.get(name, set()), failed


def test_pass_rates():
    """Batch normalization passes all of PyTorch's samples, other layers 95 of 100."""
    for name, samples in SAMPLES.by_name.items():
        passed = 1 - len(FAILING.get(name, ())) / len(samples)
        assert passed >= (1 if "BatchNorm" in name else 0.95), (name, passed)


if __name__ == "__main__":
    total = bad = 0
    for layer, cases in sorted(SAMPLES.by_name.items()):
        result = recorded.failures(cases, run)
        total, bad = total + len(cases), bad + len(result)
        if result:
            print(layer, f"{len(cases) - len(result)} of {len(cases)}", sorted(result))
            for text in sorted({t[:150].replace("\n", " ") for t in result.values()})[:4]:
                print("    ", text)
    print(f"{total - bad} of {total} samples pass")

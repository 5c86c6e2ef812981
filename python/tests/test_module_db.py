"""PyTorch's own test samples for its layers, and what PyTorch computes on them.

`scripts/golden/module_db.py` wrote the file. A sample passes if the output, the gradients of inputs
and parameters, and the buffers afterwards are PyTorch's.
"""

import pathlib

import numpy as np
import pytest
import recorded

import ballast as torch
from ballast import nn
from ballast.nn.utils.rnn import PackedSequence

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "module_db.npz"
# Samples that fail, by number within their layer.
FAILING: dict[str, set[int]] = {}

# Both sides compute in float32 and add up at most a few thousand products, in another order: the
# difference grows with the square root of their number.
TOLERANCE = 2e-5


class Samples(recorded.Samples):
    def decode(self, value, leaves, grad=True):
        """Turn JSON into an argument; this file's samples have layers and functions, too."""
        if isinstance(value, dict):
            if "packed" in value:
                return PackedSequence(*(self.decode(v, leaves, grad) for v in value["packed"]))
            if "encoder_layer" in value:
                return nn.TransformerEncoderLayer(*value["encoder_layer"])
            if "function" in value:
                return getattr(nn.functional, value["function"])
        return super().decode(value, leaves, grad)

    def arguments(self, call: list) -> tuple:
        args, kwargs = call
        return self.decode(args, []), self.decode_named(kwargs, [])

    def expect(self, got, wanted: dict | None, what: str) -> None:
        """Compare a tensor with the stored one."""
        if wanted is None:
            assert got is None or not np.any(got.numpy()), f"{what}: a gradient"
            return
        assert got is not None, f"{what}: None"
        self.expect_tensor(got, wanted, TOLERANCE, 1, what)


SAMPLES = Samples(GOLDEN)


def run(sample: dict) -> None:
    args, kwargs = SAMPLES.arguments(sample["made"])
    module = getattr(nn, sample["name"])(*args, **kwargs)
    args, kwargs = SAMPLES.arguments(sample["called"])
    if sample["first"]:  # a lazy module takes its sizes from its first input
        with torch.no_grad():
            module(*args, **kwargs)
    module.load_state_dict(SAMPLES.decode_named(sample["state"], []))
    module.train(sample["training"])
    torch.manual_seed(1)
    results = recorded.tensors(module(*args, **kwargs))
    assert len(results) == len(sample["results"])
    for got, wanted in zip(results, sample["results"], strict=True):
        SAMPLES.expect(got, wanted, "output")
    seeds = {int(i): SAMPLES.decode(s, []) for i, s in sample.get("seeds", {}).items()}
    torch.autograd.backward([results[i] for i in seeds], list(seeds.values()))
    leaves = recorded.tensors(args) + [t for v in kwargs.values() for t in recorded.tensors(v)]
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

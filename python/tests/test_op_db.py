"""PyTorch's own samples for its operators, and what PyTorch computes on them.

`scripts/golden/op_db.py --golden` wrote the file. A sample passes if the function and the method
give PyTorch's values, types, shapes and gradients, the in-place form leaves PyTorch's values in its
tensor, and a write to the results shows in the inputs exactly where it does in PyTorch.
"""

import operator
import pathlib

import numpy as np
import pytest
import recorded

import ballast as torch

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "op_db.npz"
# Operators with samples that fail, one a line. A name is taken out when its samples pass.
FAILING = set((ROOT / "tests" / "golden" / "op_db_failing.txt").read_text().splitlines())
# Both sides compute in float64 and add up at most a thousand products in another order.
TOLERANCE = 1e-9
# PyTorch computes some derivatives in float64 with numbers of float32.
ROUNDED = {"nn.functional.hardsigmoid": 1e-7}


class Samples(recorded.Samples):
    def arguments(self, sample: dict, grad: bool = False) -> tuple:
        leaves: list = []
        *call, named = sample["call"]
        call = self.decode(call, leaves, grad)
        return *call, self.decode_named(named, leaves, grad), leaves

    def expect(self, got, wanted, what: str, close: float = TOLERANCE) -> None:
        """Compare a result with the stored one."""
        if isinstance(wanted, dict) and "dtype" in wanted:
            assert str(got) == "torch." + wanted["dtype"], what
        elif isinstance(wanted, dict) and "tensor" in wanted:
            close = close if wanted["tensor"][0] == "float64" else 1e-5
            self.expect_tensor(got, wanted, close, 1e-3, what)
        elif isinstance(wanted, (dict, list)):
            items = wanted["tuple"] if isinstance(wanted, dict) else wanted
            assert len(got) == len(items), what
            for i, (g, w) in enumerate(zip(got, items, strict=True)):
                self.expect(g, w, f"{what} {i}")
        elif isinstance(wanted, float):
            assert got == pytest.approx(wanted, TOLERANCE, nan_ok=True), what
        else:
            assert type(got) is type(wanted) and got == wanted, f"{what}: {got}, not {wanted}"


SAMPLES = Samples(GOLDEN)


def expect_gradients(results, leaves: list, sample: dict) -> None:
    inputs = [t for t in leaves if t.requires_grad]
    outputs = [t for t in recorded.tensors(results) if t.requires_grad]
    assert len(outputs) == len(sample["seeds"]), "results with gradients"
    seeds = [torch.from_numpy(SAMPLES.array(s).copy()) for s in sample["seeds"]]
    found = torch.autograd.grad(outputs, inputs, seeds, allow_unused=True)
    for i, (got, wanted) in enumerate(zip(found, sample["gradients"], strict=True)):
        if wanted is None or got is None:
            known = got.numpy() if wanted is None and got is not None else 0
            known = SAMPLES.array(wanted) if wanted is not None else known
            assert not np.any(known), f"gradient of input {i}"
        else:
            close = ROUNDED.get(sample["name"], TOLERANCE)
            SAMPLES.expect(got, wanted, f"gradient of input {i}", close)


def expect_alias(function, sample: dict) -> None:
    """Write to the results; the inputs change where PyTorch's do."""
    x, args, kwargs, leaves = SAMPLES.arguments(sample)
    results = recorded.tensors(function(x, *args, **kwargs))
    before = [t.detach().numpy().copy() for t in leaves]
    for value in (0, 1):
        for t in results:
            t.fill_(value)
    same = (np.array_equal(a, b.numpy(), True) for a, b in zip(before, leaves, strict=True))
    assert (not all(same)) == sample["writes_through"], "writes to the result"


def run(sample: dict) -> None:
    forms = []
    if sample["function"] is not None:
        forms.append(operator.attrgetter(sample["function"])(torch))
    if sample["method"] is not None:
        forms.append(getattr(torch.Tensor, sample["method"]))
    for function in forms:
        x, args, kwargs, leaves = SAMPLES.arguments(sample, grad=True)
        results = function(x, *args, **kwargs)
        SAMPLES.expect(results, sample["results"], "result")
        if "seeds" in sample:
            expect_gradients(results, leaves, sample)
    if sample["writes_through"] is not None:
        expect_alias(forms[0], sample)
    if "in_place" in sample:
        x, args, kwargs, _ = SAMPLES.arguments(sample)
        result = getattr(torch.Tensor, sample["method"] + "_")(x, *args, **kwargs)
        assert result is x, "the in-place form returns its tensor"
        SAMPLES.expect(x, sample["in_place"], "in-place form")


@pytest.mark.parametrize("name", sorted(SAMPLES.by_name))
def test_samples_of(name):
    """All samples of an operator pass, but for operators that are listed as failing."""
    failed = recorded.failures(SAMPLES.by_name[name], run)
    if failed and name in FAILING:
        pytest.xfail(str(failed))
    assert not failed


if __name__ == "__main__":
    bad = {
        name: failed
        for name in sorted(SAMPLES.by_name)
        if (failed := recorded.failures(SAMPLES.by_name[name], run))
    }
    for name, failed in bad.items():
        print(name, sorted(failed), next(iter(failed.values()))[:150].replace("\n", " "))
    print(f"{len(SAMPLES.by_name) - len(bad)} of {len(SAMPLES.by_name)} operators pass")

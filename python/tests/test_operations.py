"""Operations on tensors against PyTorch: values, types and gradients, in float64."""

import pathlib

import numpy as np
import operation_cases as cases
import pytest

import ballast as torch

with np.load(pathlib.Path(__file__).parents[2] / "tests" / "golden" / "operations.npz") as _file:
    GOLDEN = {k: _file[k] for k in _file.files}

# A few roundings of functions whose values and slopes are below 1e3.
TOLERANCE = 1e-12


def close(got, wanted, what) -> None:
    assert got.shape == wanted.shape, f"{what}: shape {got.shape}, not {wanted.shape}"
    assert got.dtype == wanted.dtype, f"{what}: {got.dtype}, not {wanted.dtype}"
    if wanted.dtype == np.bool_:
        np.testing.assert_array_equal(got, wanted, err_msg=what)
        return
    tolerance = 1e-6 if wanted.dtype == np.float32 else TOLERANCE
    np.testing.assert_allclose(got, wanted, tolerance, tolerance, err_msg=what)


@pytest.mark.parametrize("number", range(len(cases.EXPRESSIONS)), ids=cases.EXPRESSIONS.__getitem__)
def test_expression(number):
    inputs = {}
    for name, value in cases.INPUTS.items():
        inputs[name] = torch.from_numpy(value.copy())
        if value.dtype == np.float64:
            inputs[name].requires_grad_()
    result = eval(cases.EXPRESSIONS[number], {"torch": torch}, inputs)  # noqa: S307
    results = list(result) if isinstance(result, tuple) else [result]
    total = 0
    for i, r in enumerate(results):
        close(r.detach().numpy(), GOLDEN[f"{number}.{i}"], f"result {i}")
        if r.requires_grad:
            weights = torch.arange(1, r.numel() + 1, dtype=r.dtype).reshape(r.shape)
            total = total + (r * weights).sum()
    if isinstance(total, torch.Tensor):
        total.backward()
    for name, tensor in inputs.items():
        wanted = GOLDEN.get(f"{number}.{name}")
        if wanted is None:
            assert tensor.grad is None or not tensor.grad.numpy().any(), name
        else:
            got = np.zeros_like(wanted) if tensor.grad is None else tensor.grad.numpy()
            close(got, wanted, f"gradient of {name}")

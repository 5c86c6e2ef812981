"""What the tests that replay PyTorch's own samples share."""

from __future__ import annotations

import json
import pathlib
import warnings
from collections.abc import Callable

import numpy as np

import ballast as torch


class Samples:
    """Calls and what PyTorch made of them, grouped by name."""

    def __init__(self, path: pathlib.Path):
        with np.load(path) as file:
            self.arrays = {k: file[k] for k in file.files if k != "samples"}
            self.by_name: dict[str, list] = {}
            for sample in json.loads(file["samples"].tobytes())["samples"]:
                self.by_name.setdefault(sample["name"], []).append(sample)

    def array(self, tensor: dict) -> np.ndarray:
        kind, start, shape = tensor["tensor"]
        return self.arrays[kind][start : start + int(np.prod(shape))].reshape(shape)

    def decode(self, value, leaves: list, grad: bool = True):
        """Turn JSON into an argument; list the tensors made."""
        if isinstance(value, list):
            return [self.decode(v, leaves, grad) for v in value]
        if not isinstance(value, dict):
            return value
        if "tuple" in value:
            return tuple(self.decode(v, leaves, grad) for v in value["tuple"])
        if "dtype" in value:
            return getattr(torch, value["dtype"])
        t = torch.from_numpy(self.array(value).copy())
        leaves.append(t.requires_grad_() if grad and value.get("grad") else t)
        return t

    def decode_named(self, values: dict, leaves: list, grad: bool = True) -> dict:
        return {k: self.decode(v, leaves, grad) for k, v in values.items()}

    def expect_tensor(self, got, wanted: dict, close: float, least: float, what: str) -> None:
        """Compare with a stored tensor: by elements, and by the largest element (or `least`)."""
        a, b = got.detach().numpy(), self.array(wanted)
        assert a.shape == b.shape, f"{what}: shape {a.shape}, not {b.shape}"
        assert a.dtype == b.dtype, f"{what}: {a.dtype}, not {b.dtype}"
        largest = float(np.abs(b[np.isfinite(b)]).max(initial=0)) if b.size else 0.0
        np.testing.assert_allclose(a, b, close, close * max(largest, least), err_msg=what)


def tensors(value) -> list:
    """All tensors in a result."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in tensors(v)]
    return []


def failures(samples: list[dict], run: Callable[[dict], None]) -> dict[int, str]:
    """Run all samples; the errors of those that fail, by their place."""
    out = {}
    for i, sample in enumerate(samples):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run(sample)
        except Exception as e:  # noqa: BLE001 (whatever goes wrong is the sample's failure)
            out[i] = f"{type(e).__name__}: {e}"
    return out

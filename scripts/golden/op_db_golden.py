"""Writes tests/golden/op_db.npz: small samples of PyTorch's operators and what PyTorch computes.

`python scripts/golden/op_db.py --golden` calls it. Of each operator in scope there are a few small
samples in float64 with gradients, and one in int64 and in bool where the operator takes them.
Stored are the call, the results, the gradients of the inputs (of the results weighted by seeded
numbers), the input after the in-place form, and whether a write to the results shows in the inputs.
"""

import json
import pathlib

import numpy as np
import torch
from module_db import Store

OUTPUT = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "op_db.npz"
SAMPLES = {torch.float64: 4, torch.int64: 1, torch.bool: 1}
SMALL, LARGEST = 80, 1500  # elements of a call's tensors: wanted, and at most
IDENTITY = (lambda x: x).__code__.co_code


def size(db, sample) -> int:
    parts = [sample.input, *sample.args, *sample.kwargs.values()]
    return sum(t.numel() for t in db.BOTH[0].tensors(parts))


def chosen(db, op, dtype) -> list:
    """Pick samples of which the first have elements, are small and look different."""
    plain = [
        s
        for s in db.samples(op, dtype)
        if s.output_process_fn_grad.__code__.co_code == IDENTITY and size(db, s) <= LARGEST
    ]
    small = [s for s in plain if 0 < size(db, s) <= SMALL] or sorted(
        plain, key=lambda s: size(db, s)
    )[:1]
    n = SAMPLES[dtype]
    return [small[i * len(small) // n] for i in range(n)] if len(small) > n else small


def plain(value):
    """The arguments and results as what the store takes: a size is a tuple."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, list):
        return list(map(plain, value))
    return value


def record(db, store, op, sample) -> dict:
    side = db.BOTH[0]
    path = db.PATHS.get(id(op.op), (None,))[0]
    method = getattr(op.method_variant, "__name__", None)
    if path is None and method is None:
        raise TypeError("test code")
    x, args, kwargs, leaves = side.arguments(sample, 0, True)
    out = {
        "name": db.title(op),
        "function": path,
        "method": method if isinstance(x, torch.Tensor) else None,
        "call": [store.encode(plain(v)) for v in (x, args)]
        + [{k: store.encode(plain(v)) for k, v in kwargs.items()}],
    }
    results = op.op(x, *args, **kwargs)
    out["results"] = store.encode(plain(results))
    outputs = [t for t in side.tensors(results) if t.requires_grad]
    inputs = [t for t in leaves if t.requires_grad]
    if outputs and inputs:
        g = np.random.default_rng(1)
        seeds = [
            torch.from_numpy(np.asarray(g.integers(1, 5, tuple(t.shape)) / 2.0)) for t in outputs
        ]
        seeds = [s.to(t.dtype) for s, t in zip(seeds, outputs, strict=True)]
        found = torch.autograd.grad(outputs, inputs, seeds, allow_unused=True)
        out["seeds"] = [store.add(s) for s in seeds]
        out["gradients"] = [None if d is None else store.add(d) for d in found]
    if op.inplace_variant is not None and out["method"]:
        x, args, kwargs, _ = side.arguments(sample)
        try:
            out["in_place"] = store.add(op.inplace_variant(x, *args, **kwargs))
        except Exception:  # noqa: BLE001 (this call has no in-place form)
            pass
    out["writes_through"] = writes_through(side, op, sample)
    return out


def writes_through(side, op, sample) -> bool | None:
    x, args, kwargs, leaves = side.arguments(sample)
    try:
        results = side.tensors(op.op(x, *args, **kwargs))
        before = [t.clone() for t in leaves]
        for value in (0, 1):
            for t in results:
                t.fill_(value)
        pairs = zip(before, leaves, strict=True)
        return not all(np.array_equal(a.numpy(), b.detach().numpy(), True) for a, b in pairs)
    except RuntimeError:
        return None


def write(ops, db) -> None:
    store, out, left = Store(), [], {}
    for op in ops:
        if op.name in db.UNDEFINED:
            continue
        for dtype in SAMPLES:
            if dtype not in op.dtypes:
                continue
            for sample in chosen(db, op, dtype):
                try:
                    out.append(record(db, store, op, sample))
                except (TypeError, RuntimeError) as e:
                    left.setdefault(db.title(op), str(e)[:80])
    arrays = {k: np.concatenate(v) for k, v in store.arrays.items()}
    text = json.dumps({"samples": out}, separators=(",", ":"))
    arrays["samples"] = np.frombuffer(text.encode(), np.uint8)
    np.savez_compressed(OUTPUT, **arrays)
    names = {s["name"] for s in out}
    print(len(out), "samples of", len(names), "operators,", OUTPUT.stat().st_size, "bytes")
    print("left out:", left)

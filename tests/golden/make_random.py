"""Writes tests/golden/random.json: what PyTorch draws, for tests/base/random_test.cpp.

Run with a Python that has PyTorch, on a machine with AVX2 or better:

    python tests/golden/make_random.py

The file holds sequences of calls, grouped by test. A sequence seeds the generator and makes its calls one
after the other, so it also fixes how far each call moves the generator on. A call stores its first and last
values and the FNV-1a checksum of all bytes.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

SEEDS = [0, 1, 42, 2**63, 2**63 + 2**31 + 7]
TYPES = {"float32": torch.float32, "float64": torch.float64}
OUTPUT = pathlib.Path(__file__).with_name("random.json")


def checksum(data: bytes) -> str:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & (2**64 - 1)
    return f"{value:016x}"


def summary(tensor: torch.Tensor) -> dict:
    flat = tensor.detach().reshape(-1)
    return {
        "first": flat[:3].tolist(),
        "last": flat[-3:].tolist(),
        "checksum": checksum(flat.numpy().tobytes()),
    }


def draw(op: str, n: int, dtype: str, a, b) -> torch.Tensor:
    if op == "uniform":
        return torch.empty(n, dtype=TYPES[dtype]).uniform_(a, b)
    if op == "normal":
        return torch.empty(n, dtype=TYPES[dtype]).normal_(a, b)
    if op == "bernoulli":
        return torch.empty(n, dtype=TYPES[dtype]).bernoulli_(a)
    if op == "dropout":
        return F.dropout(torch.ones(n, dtype=TYPES[dtype]), a)
    if op == "randint":
        return torch.randint(a, b, (n,))
    if op == "randperm":
        return torch.randperm(n)
    if op == "draw_seed":
        return torch.empty((), dtype=torch.int64).random_()
    raise ValueError(op)


def sequence(seed: int, calls: list) -> dict:
    torch.manual_seed(seed)
    done = []
    for op, n, *rest in calls:
        dtype, a, b = (rest + ["int64", 0, 0][len(rest) :])[:3]
        entry = {"op": op, "n": n, "dtype": dtype, "a": a, "b": b}
        done.append(entry | summary(draw(op, n, dtype, a, b)))
    return {"seed": seed, "calls": done}


def both(op: str, sizes: list, *arguments) -> list:
    return [(op, n, dtype, *arguments) for dtype in TYPES for n in sizes]


def loader() -> dict:
    data = torch.utils.data.TensorDataset(torch.arange(10))
    torch.manual_seed(0)
    batches = torch.utils.data.DataLoader(data, batch_size=4, shuffle=True)
    epochs = [torch.cat([b[0] for b in batches]).tolist() for _ in range(2)]
    return {"size": 10, "epochs": epochs, "next_rand": torch.rand(1).item()}


def layer(make) -> dict:
    torch.manual_seed(0)
    net = make()
    return {"weight": summary(net.weight), "bias": summary(net.bias)}


def main() -> None:
    some = [1, 2, 7, 15, 16, 17, 40, 1000]
    sizes = list(range(1, 41))
    big = 2**40
    randint = [
        (0, 2),
        (0, 10),
        (-5, 6),
        (0, 2**28 - 1),
        (0, 2**28),
        (0, 2**32 - 1),
        (0, 2**32 + 1),
        (-big, big),
    ]
    mixed = [
        ("normal", 3, "float32", 0.0, 1.0),
        ("uniform", 2, "float32", 0.0, 1.0),
        ("normal", 1, "float64", 0.0, 1.0),
        ("randperm", 10),
        ("normal", 5, "float64", 2.0, 3.0),
        ("normal", 20, "float32", 0.0, 1.0),
        ("randint", 4, "int64", 0, 2**33),
        ("normal", 1, "float32", 0.0, 1.0),
        ("bernoulli", 5, "float32", 0.5, 0),
        ("dropout", 5, "float32", 0.0, 0),
        ("dropout", 5, "float32", 1.0, 0),
        ("draw_seed", 1),
        ("uniform", 700, "float64", -1.0, 1.0),
        ("normal", 33, "float64", 0.0, 1.0),
        ("uniform", 3, "float32", -0.1, 0.1),
    ]
    golden = {
        "uniform": [
            sequence(s, both("uniform", [1, 5, 1000], 0.0, 1.0) + both("uniform", [700], -0.3, 0.7))
            for s in SEEDS
        ],
        "rounding": [sequence(0, [("uniform", 100, "float32", 1.0, 1.0 + 2**-21)])],
        "normal": [
            sequence(0, both("normal", sizes, 0.0, 1.0)),
            *(sequence(s, both("normal", [1000, 15, 17], -1.5, 0.3)) for s in SEEDS),
        ],
        "bernoulli": [
            sequence(s, both("bernoulli", some, p)) for s, p in zip(SEEDS, (0.1, 0.5, 0.9))
        ],
        "dropout": [
            sequence(s, both("dropout", some, p)) for s, p in zip(SEEDS, (0.1, 0.5, 0.9, 0.3))
        ],
        "randint": [sequence(s, [("randint", 20, "int64", *r) for r in randint]) for s in SEEDS],
        "randperm": [sequence(s, [("randperm", n) for n in (1, 2, 10, 100, 1797)]) for s in SEEDS]
        + [sequence(42, [("randperm", 70000), ("uniform", 1, "float32", 0.0, 1.0)])],
        "mixed": [sequence(s, mixed) for s in SEEDS],
        "loader": loader(),
        "linear_10_20": layer(lambda: torch.nn.Linear(10, 20)),
        "conv2d_3_64_3": layer(lambda: torch.nn.Conv2d(3, 64, 3)),
    }
    text = json.dumps(golden).replace('{"op"', '\n{"op"').replace('{"seed"', '\n{"seed"')
    OUTPUT.write_text(text + "\n")


if __name__ == "__main__":
    main()

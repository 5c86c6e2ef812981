"""Writes tests/golden/dtypes.json: what PyTorch makes of every element type.

python scripts/golden/dtypes.py    # under a Python that has PyTorch

``python/tests/test_dtypes.py`` compares; ``CASES`` and ``NUMBERS`` are evaluated by both libraries.
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import warnings
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "dtypes.json"

TYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16"),
    *("float16", "bfloat16", "float32", "float64"),
)

# Expressions of the type `d`; `o(...)` makes ones of it.
CASES = """
o(2, 2) @ o(2, 2); o(2, 2) @ o(2); o(2) @ o(2); o(2, 2, 2) @ o(2, 2, 2)
F.linear(o(2, 2), o(2, 2), o(2)); F.conv1d(o(1, 1, 4), o(1, 1, 2))
F.conv2d(o(1, 1, 4, 4), o(1, 1, 2, 2), o(1)); F.conv2d(o(1, 2, 4, 4), o(2, 1, 2, 2), groups=2)
F.max_pool2d(o(1, 1, 4, 4), 2); F.avg_pool2d(o(1, 1, 4, 4), 2)
F.adaptive_avg_pool2d(o(1, 1, 4, 4), 2); torch.softmax(o(2, 2), 0); torch.relu(o(2))
torch.sigmoid(o(2)); torch.exp(o(2)); F.gelu(o(2)); F.leaky_relu(o(2)); F.relu6(o(2))
F.pad(o(2), (1, 1)); o(2).cumsum(0); o(2).cumprod(0); o(2).prod(); o(2).mean(); o(2).var()
o(2).sum(); o(2).amax(); o(2).max(0)[0]; o(2).max(0)[1]; o(2).argmax(); o(2).sort()[0]
o(3).topk(1)[0]; o(3).median(); torch.bincount(o(3)); torch.floor(o(2)); torch.round(o(2))
torch.sign(o(2)); torch.abs(o(2)); -o(2); o(2) + o(2); o(2) - o(2); o(2) * o(2); o(2) / o(2)
o(2) // o(2); o(2) % o(2); o(2) ** o(2); o(2) == o(2); o(2) < o(2); o(2) & o(2); ~o(2)
torch.where(o(2) > 0, o(2), o(2)); torch.maximum(o(2), o(2)); o(2) + 1; o(2) + 1.5; o(2) * True
o(2).gather(0, torch.tensor([0])); o(2).scatter_add(0, torch.tensor([0]), o(1))
o(2).index_add(0, torch.tensor([0]), o(1)); torch.cat([o(2), o(2)]); o(2).flip(0)
o(2, 2).tril(); o(2).nonzero(); o(2).any(); o(2).norm(); F.layer_norm(o(2, 2), [2])
F.batch_norm(o(2, 2), None, None, training=True); F.embedding(torch.tensor([0]), o(2, 2))
F.embedding(o(2), torch.ones(2, 2)); F.mse_loss(o(2), o(2)); F.l1_loss(o(2), o(2))
F.cross_entropy(o(2, 2), torch.tensor([0, 1])); torch.isnan(o(2)); torch.outer(o(2), o(2))
torch.einsum("ij,jk->ik", o(2, 2), o(2, 2)); torch.lgamma(o(2)); torch.logical_and(o(2), o(2))
torch.rand(2, dtype=d); torch.randn(2, dtype=d); torch.randint(0, 2, (2,), dtype=d)
torch.arange(3, dtype=d); torch.eye(2, dtype=d); torch.full((2,), 1, dtype=d); o(2).reshape(1, 2)
torch.ones(3)[torch.zeros(2, dtype=d)]; torch.index_select(torch.ones(3), 0, torch.zeros(2, dtype=d))
"""

# Expressions whose numbers and text are compared.
NUMBERS = """
torch.tensor([1.5, 3.25e-8, 70000.0], dtype=torch.float16)
torch.tensor([[1.5, 2], [3, 4]], dtype=torch.bfloat16); torch.tensor(0.1, dtype=torch.bfloat16)
torch.tensor([1, 2], dtype=torch.int32); torch.tensor(3, dtype=torch.int8)
torch.zeros(0, dtype=torch.int32); torch.tensor(-1, dtype=torch.uint8)
torch.tensor([100], dtype=torch.int8) + 300; torch.tensor([100], dtype=torch.int8) < 300
torch.tensor([100], dtype=torch.int8) + torch.tensor([100], dtype=torch.int8)
torch.tensor([100, 100], dtype=torch.int8).sum(); torch.abs(torch.tensor([-128], dtype=torch.int8))
torch.tensor([-128], dtype=torch.int8) // -1; torch.tensor([-7, 7], dtype=torch.int16) // 2
torch.tensor([-7, 7], dtype=torch.int16) % 3; ~torch.tensor([5], dtype=torch.int32)
torch.tensor([200], dtype=torch.int16).to(torch.int8); torch.tensor(300.0).to(torch.uint8)
torch.tensor([3e9, -3e9, float("nan")]).to(torch.int32); torch.tensor(-1.0).to(torch.uint16)
torch.tensor([2049, 2051]).to(torch.float16); torch.tensor([257.0, 259.0]).to(torch.bfloat16)
torch.ones(1, dtype=torch.float16) * torch.tensor([2049])
torch.tensor([0.1], dtype=torch.float16) * 0.1; torch.tensor([0.1], dtype=torch.bfloat16) + 0.1
torch.tensor([0.1], dtype=torch.float16) == 0.1; torch.ones(3, dtype=torch.float16) / 3
torch.tensor([65504.0], dtype=torch.float16) * 2; torch.arange(0, 1, 0.1, dtype=torch.float16)
torch.linspace(0, 1, 7, dtype=torch.bfloat16); torch.full((2,), 0.1, dtype=torch.float16)
torch.ones(2, 3, dtype=torch.int8) @ torch.full((3, 2), 100, dtype=torch.int8)
F.avg_pool2d(torch.arange(16).reshape(1, 1, 4, 4), 2)
F.max_pool2d(torch.arange(-16, 0, dtype=torch.int32).reshape(1, 1, 4, 4), 2)
F.conv2d(torch.arange(16, dtype=torch.int32).reshape(1, 1, 4, 4), torch.ones(1, 1, 3, 3, dtype=torch.int32))
F.softmax(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float16), 0)
F.gelu(torch.tensor([-1.0, 0.5, 3.0], dtype=torch.bfloat16))
F.layer_norm(torch.arange(8, dtype=torch.float16).reshape(2, 4), [4])
torch.arange(10, dtype=torch.bfloat16).mean(); torch.arange(10, dtype=torch.float16).std()
torch.iinfo(torch.uint16); torch.finfo(torch.float16); torch.finfo(torch.bfloat16)
(torch.manual_seed(3), torch.randn(5, dtype=torch.float16))[1]
(torch.manual_seed(3), torch.randn(37, dtype=torch.bfloat16))[1]
(torch.manual_seed(3), torch.rand(20, dtype=torch.float16))[1]
(torch.manual_seed(3), torch.empty(9, dtype=torch.float16).uniform_(-2, 3))[1]
(torch.manual_seed(3), F.dropout(torch.ones(9, dtype=torch.bfloat16), 0.3))[1]
"""


def expressions(text: str) -> list[str]:
    """Split at semicolons and ends of lines."""
    return [e.strip() for line in text.splitlines() for e in line.split(";") if e.strip()]


def outcome(torch, expression: str, **names):
    """The type that an expression gives, or "-" where it raises."""
    scope = {"torch": torch, "F": torch.nn.functional, **names}
    try:
        return str(eval(expression, scope).dtype).removeprefix("torch.")
    except Exception:
        return "-"


def type_of_case(torch, expression: str, name: str):
    """The type that a case gives for the type called `name`."""
    d = getattr(torch, name)
    return outcome(torch, expression, d=d, o=lambda *size: torch.ones(*size, dtype=d))


def promotions(torch) -> dict[str, list[str]]:
    """Types of products: tensors, a tensor and one without dimensions, a tensor and numbers."""
    out = {}
    for a, b in itertools.product(TYPES, TYPES):
        names = {"x": getattr(torch, a), "y": getattr(torch, b)}
        out[f"{a} {b}"] = [
            outcome(torch, "torch.empty(0, dtype=torch.promote_types(x, y))", **names),
            outcome(
                torch,
                "torch.empty(0, dtype=torch.result_type(torch.ones(2, dtype=x), "
                "torch.ones((), dtype=y)))",
                **names,
            ),
            outcome(torch, "torch.cat([torch.ones(2, dtype=x), torch.ones(2, dtype=y)])", **names),
        ]
    for a in TYPES:
        for number in ("True", "2", "2.5"):
            out[f"{a} {number}"] = [
                outcome(
                    torch,
                    f"torch.empty(0, dtype=torch.result_type(torch.{tensor}, {number}))",
                    x=getattr(torch, a),
                )
                for tensor in ("ones(2, dtype=x)", "ones((), dtype=x)")
            ]
    return out


def shown(torch, expression: str) -> str:
    """The text of an expression's value."""
    return str(eval(expression, {"torch": torch, "F": torch.nn.functional}))


def files(torch) -> dict[str, str]:
    """Files with a tensor of every type, in base64."""
    import numpy as np

    tensors = {t: torch.tensor([0, 1, 100, 0]).to(getattr(torch, t)) for t in TYPES}
    out = {}
    for name, zipped in (("pt", True), ("legacy", False)):
        file = io.BytesIO()
        torch.save(tensors, file, _use_new_zipfile_serialization=zipped)
        out[name] = file.getvalue()
    file = io.BytesIO()
    np.savez_compressed(file, **{t: v.numpy() for t, v in tensors.items() if t != "bfloat16"})
    out["npz"] = file.getvalue()
    return {name: base64.b64encode(content).decode() for name, content in out.items()}


def main() -> None:
    """Write the file."""
    import torch

    warnings.simplefilter("ignore")
    golden = {
        "promotions": promotions(torch),
        "cases": {
            e: " ".join(type_of_case(torch, e, t) for t in TYPES) for e in expressions(CASES)
        },
        "numbers": {e: shown(torch, e) for e in expressions(NUMBERS)},
        "files": files(torch),
    }
    GOLDEN.write_text(json.dumps(golden, indent=0) + "\n")


if __name__ == "__main__":
    main()

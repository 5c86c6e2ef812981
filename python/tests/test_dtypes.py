"""Every element type against PyTorch's: scripts/golden/dtypes.py made the values."""

import base64
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
import pytest

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = json.loads((ROOT / "tests/golden/dtypes.json").read_text())
_spec = importlib.util.spec_from_file_location("golden_dtypes", ROOT / "scripts/golden/dtypes.py")
golden = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(golden)

HALVES = [torch.float16, torch.bfloat16]
WHOLE = [torch.int8, torch.int16, torch.int32, torch.uint16]
STORED = HALVES + WHOLE


def test_types_combine_as_in_pytorch():
    torch.nn.functional = F
    assert golden.promotions(torch) == GOLDEN["promotions"]


@pytest.mark.parametrize("expression", GOLDEN["cases"])
def test_operations_give_pytorchs_types(expression):
    want = GOLDEN["cases"][expression].split()
    got = [golden.type_of_case(torch, expression, t) for t in golden.TYPES]
    wrong = [
        (t, g, w) for t, g, w in zip(golden.TYPES, got, want, strict=True) if g != w and w != "-"
    ]
    assert not wrong


@pytest.mark.parametrize("expression", GOLDEN["numbers"])
def test_numbers_and_their_text_are_pytorchs(expression):
    assert golden.shown(torch, expression) == GOLDEN["numbers"][expression]


@pytest.mark.parametrize("name", GOLDEN["files"])
def test_files_keep_types(name, tmp_path):
    ending = {"legacy": "pt"}.get(name, name)
    path = tmp_path / f"a.{ending}"
    path.write_bytes(base64.b64decode(GOLDEN["files"][name]))
    loaded = torch.load(path)
    for t, x in loaded.items():
        assert x.dtype is getattr(torch, t)
        assert x.tolist() == torch.tensor([0, 1, 100, 0]).to(x.dtype).tolist()
    for again in ("b.pt", "b.safetensors") + (("b.npz",) if name == "npz" else ()):
        torch.save(dict(loaded), tmp_path / again)
        read = torch.load(tmp_path / again)
        assert {t: (x.dtype, x.tolist()) for t, x in read.items()} == {
            t: (x.dtype, x.tolist()) for t, x in loaded.items()
        }


def test_numpys_files_cannot_hold_bfloat16(tmp_path):
    with pytest.raises(TypeError, match="bfloat16"):
        torch.save({"x": torch.ones(1, dtype=torch.bfloat16)}, tmp_path / "a.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [t for t in STORED if t is not torch.bfloat16], ids=str)
def test_numpy_shares_the_memory(dtype):
    name = str(dtype).removeprefix("torch.")
    a = np.arange(6).astype(name).reshape(2, 3)
    t = torch.from_numpy(a)
    assert t.dtype is dtype and t.numpy().dtype == name
    a[0, 0] = 7
    assert t[0, 0].item() == 7
    t[1, 1] = 9
    assert a[1, 1] == 9
    assert torch.from_dlpack(a).dtype is dtype
    assert (np.from_dlpack(t) == a).all()


def test_bfloat16_is_no_type_of_numpys():
    with pytest.raises(TypeError, match="BFloat16"):
        torch.ones(2, dtype=torch.bfloat16).numpy()


def test_numbers_that_a_type_does_not_hold_are_refused():
    for data, dtype in [(300, torch.int8), ([1, -(2**15) - 1], torch.int16), (256, torch.uint8)]:
        with pytest.raises(RuntimeError, match="without overflow"):
            torch.tensor(data, dtype=dtype)
    assert torch.tensor(70000.0, dtype=torch.float16).item() == float("inf")


ONCE = {
    "gelu": F.gelu,
    "silu": F.silu,
    "softplus": F.softplus,
    "mish": F.mish,
    "softsign": F.softsign,
    "tanhshrink": F.tanhshrink,
    "celu": F.celu,
    "selu": F.selu,
    "glu": F.glu,
    "softmax": lambda x: F.softmax(x, 1),
    "log_softmax": lambda x: F.log_softmax(x, 1),
    "logsumexp": lambda x: torch.logsumexp(x, 1),
    "mean": lambda x: x.mean(1),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(1),
    "norm": lambda x: x.norm(),
    "prod": lambda x: x.prod(1),
    "cumprod": lambda x: x.cumprod(1),
    "pow": lambda x: x**3,
    "scaled": lambda x: x * 0.1,
    "shifted": lambda x: x + 0.25,
    "layer_norm": lambda x: F.layer_norm(x, [8]),
    "group_norm": lambda x: F.group_norm(x, 2),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "instance_norm": lambda x: F.instance_norm(x.reshape(3, 2, 4)),
    "mse_loss": lambda x: F.mse_loss(x, x.flip(0)),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, x.flip(0)),
    "cross_entropy": lambda x: F.cross_entropy(x, torch.tensor([1, 0, 5])),
    "bce_with_logits": lambda x: F.binary_cross_entropy_with_logits(
        x, (x.detach() > 0).to(x.dtype)
    ),
    "linear": lambda x: F.linear(x, x.detach(), x.detach()[:, 0]),
    "conv2d": lambda x: F.conv2d(x.reshape(1, 2, 3, 4), x.detach()[:2].reshape(2, 2, 2, 2)),
    "avg_pool": lambda x: F.avg_pool2d(x.reshape(1, 2, 3, 4), 2),
    "matmul": lambda x: x @ x.t(),
    "cosine_similarity": lambda x: F.cosine_similarity(x, x.flip(1)),
    "lerp": lambda x: torch.lerp(x, x.flip(0), 0.3),
}


@pytest.mark.parametrize("name", ONCE)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_an_operation_rounds_once(name, dtype):
    torch.manual_seed(0)
    x = torch.randn(3, 8, dtype=dtype)
    f = ONCE[name]
    half, full = x.clone().requires_grad_(), x.float().requires_grad_()
    y, z = f(half), f(full)
    assert y.dtype is dtype
    assert y.tolist() == z.to(dtype).tolist()
    g = torch.randn_like(y)
    y.backward(g)
    z.backward(g.float())
    assert half.grad.dtype is dtype
    unit = torch.finfo(dtype).eps
    wrong = (half.grad.float() - full.grad).abs() > unit * (full.grad.abs() + full.grad.abs().max())
    assert not wrong.any()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_fused_is_whole(dtype):
    torch.manual_seed(1)
    x = torch.randn(4, 16, dtype=dtype)
    fused = torch.relu(x * 1.1 + 0.7) * x - 0.3
    parts = x * 1.1
    for step in (lambda y: y + 0.7, torch.relu, lambda y: y * x, lambda y: y - 0.3):
        parts = step(parts.clone())
        parts.tolist()
    assert fused.tolist() == parts.tolist()


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("mixed", [False, True])
def test_a_network_of_a_half_type_learns(dtype, mixed):
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
    ).to(dtype)
    if mixed:
        model[1].float()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = torch.randn(16, 1, 6, 6, dtype=dtype), torch.arange(16) % 2
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4
    assert {p.dtype for p in model[0].parameters()} == {dtype}
    assert model[0].weight.grad.dtype is dtype
    assert model[1].weight.grad.dtype is (torch.float32 if mixed else dtype)
    assert model[1].running_var.dtype is model[1].weight.dtype
    assert model.eval()(x).dtype is dtype
    buffer = io.BytesIO()
    torch.save(model.state_dict(), buffer)
    buffer.seek(0)
    assert {k: v.dtype for k, v in torch.load(buffer).items()} == {
        k: v.dtype for k, v in model.state_dict().items()
    }


@pytest.mark.parametrize("dtype", STORED, ids=str)
def test_views_and_writes(dtype):
    x = torch.arange(12).to(dtype).reshape(3, 4)
    x[1] = 7
    x[:, 0] += 1
    x.t()[2].zero_()
    x[x > 6] = 2
    want = torch.arange(12).reshape(3, 4)
    want[1] = 7
    want[:, 0] += 1
    want.t()[2].zero_()
    want[want > 6] = 2
    assert x.dtype is dtype and x.tolist() == want.tolist()
    assert x.element_size() == dtype.itemsize

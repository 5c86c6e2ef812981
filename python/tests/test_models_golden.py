"""Networks against PyTorch's and torchvision's: scripts/golden/models.py made the numbers."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

import ballast as torch
import ballast.nn.functional as F
from ballast import models
from ballast.models import vgg

GOLDEN = json.loads((Path(__file__).parents[2] / "tests/golden/models.json").read_text())
VGG = {"vgg11": vgg._VGG11, "vgg13": vgg._VGG13, "vgg16": vgg._VGG16, "vgg19": vgg._VGG19}


def make(name):
    if name == "densenet_small":
        return models.DenseNet(8, (2, 3), 12, num_classes=10, small_images=True)
    return getattr(models, name)()


def crc_of_names(state) -> int:
    lines = [f"{k} {'x'.join(map(str, v.shape))}\n" for k, v in state.items()]
    return zlib.crc32("".join(lines).encode())


def crc_of_values(state) -> int:
    crc = 0
    for t in state.values():
        crc = zlib.crc32(t.numpy().tobytes(), crc)
    return crc


def pattern(count):
    return (np.arange(count, dtype=np.float64) * 7919 % 2003) / 1001 - 1


def digest(t):
    v = t.detach().numpy().astype(np.float64).reshape(-1)
    return np.array([np.linalg.norm(v), v @ pattern(v.size)])


@pytest.mark.parametrize("name", [n for n in GOLDEN["initial"] if n != "vgg11_bn"])
def test_names_and_initial_values_are_pytorchs(name):
    torch.manual_seed(0)
    state = make(name).state_dict()
    assert [crc_of_names(state), crc_of_values(state)] == GOLDEN["initial"][name]


@pytest.mark.parametrize("name", GOLDEN["features"])
def test_vggs_convolutions_are_torchvisions(name):
    torch.manual_seed(0)
    state = vgg.make_layers(VGG[name.removesuffix("_bn")], name.endswith("_bn")).state_dict()
    assert [crc_of_names(state), crc_of_values(state)] == GOLDEN["features"][name]


@pytest.mark.parametrize("name", GOLDEN["names"])
def test_names_and_shapes_are_torchvisions(name, monkeypatch):
    for function in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_"):
        monkeypatch.setattr(torch.nn.init, function, lambda t, *args, **kwargs: t)
    assert crc_of_names(make(name).state_dict()) == GOLDEN["names"][name]


def step(model, size, dtype):
    x = torch.from_numpy(pattern(3 * 3 * size * size).reshape(3, 3, size, size)).to(dtype)
    torch.manual_seed(1)  # for dropout
    logits = model(x)
    loss = F.cross_entropy(logits, torch.tensor([1, 3, 5]))
    return {"loss": loss, "logits": logits}


def buffers_of(model):
    return {n: b for n, b in model.named_buffers() if b.dtype.is_floating_point}


@pytest.mark.parametrize("name", GOLDEN["steps"])
def test_a_forward_pass_is_pytorchs(name):
    golden = GOLDEN["steps"][name]
    torch.manual_seed(0)
    model = make(name)
    if name == "vgg11_bn":
        state = model.state_dict()
        assert [crc_of_names(state), crc_of_values(state)] == GOLDEN["initial"][name]
    ours = step(model, golden["size"], torch.float32) | buffers_of(model)
    # PyTorch's float32 deviates from float64 by d. Another order of summation has other errors, and
    # every batch norm over three pixels multiplies them: as a whole they differ by a factor.
    allowed = {k: (16 * d + 1e-6) * norm for k, (norm, _, d) in golden["forward"].items()}
    # A single number may be close by luck. Cross-entropy moves by at most twice the largest logit.
    allowed["loss"] = 2 * allowed["logits"]
    for key, (norm, product, _) in golden["forward"].items():
        assert np.abs(digest(ours[key]) - [norm, product]).max() <= allowed[key], key


# In float64, where no rounding error moves a ReLU's input past zero. C++ has the larger ones.
@pytest.mark.parametrize("name", ["resnet20", "densenet_small", "mobilenet_v2"])
def test_gradients_are_pytorchs(name):
    golden = GOLDEN["steps"][name]
    torch.manual_seed(0)
    model = make(name).double()
    step(model, golden["size"], torch.float64)["loss"].backward()
    gradients = {n: p.grad for n, p in model.named_parameters()}
    for key, want in golden["gradients"].items():
        assert np.abs(digest(gradients[key]) - want).max() <= 1e-8 * want[0], key

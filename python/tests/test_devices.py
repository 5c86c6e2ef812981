"""Names of devices, which are values like PyTorch's, and the one device there is."""

import copy
import io
import pickle

import pytest

import ballast as torch
import ballast.nn as nn

NAMES = "cpu cpu:0 cuda cuda:0 cuda:10 mps meta xpu:1 xla privateuseone".split()


@pytest.mark.parametrize("name", NAMES)
def test_devices_can_be_made_printed_and_compared(name):
    device = torch.device(name)
    kind, _, number = name.partition(":")
    assert (device.type, device.index) == (kind, int(number) if number else None)
    assert str(device) == name
    assert repr(device) == f"device(type='{kind}'" + (f", index={number})" if number else ")")
    same = torch.device(kind, device.index)
    assert device == same and hash(device) == hash(same) and device == torch.device(device)
    assert device == copy.deepcopy(device) == pickle.loads(pickle.dumps(device))
    assert [torch.device(n) == device for n in NAMES] == [n == name for n in NAMES]
    assert device != name
    with pytest.raises(AttributeError):
        device.type = "cpu"
    file = io.BytesIO()
    torch.save({"device": device}, file)
    file.seek(0)
    assert torch.load(file)["device"] == device


def test_a_number_stands_for_a_gpu():
    assert torch.device(1) == torch.device("cuda", 1) == torch.device(type="cuda", index=1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("foo", "Expected one of cpu, cuda, .* device type at start of device string: foo"),
        ("CUDA", "Expected one of"),
        ("", "Device string must not be empty"),
        ("cuda:", "Invalid device string: 'cuda:'"),
        ("cuda:x", "Invalid device string"),
        ("cuda:-1", "Invalid device string"),
        ("cuda:01", "Invalid device string"),
        (":0", "Invalid device string"),
        ("cpu:0:1", "Invalid device string"),
        ("cpu ", "Invalid device string"),
        (-1, "index must not be negative"),
    ],
)
def test_names_of_no_device(name, words):
    with pytest.raises(RuntimeError, match=words):
        torch.device(name)
    with pytest.raises(RuntimeError, match=words):
        torch.zeros(1, device=name)


def test_what_names_no_device():
    for wrong in (None, True, 1.5, [], torch.float32):
        with pytest.raises(TypeError):
            torch.device(wrong)
    for wrong in (True, 1.5, "0"):
        with pytest.raises(TypeError):
            torch.device("cuda", wrong)
    with pytest.raises(RuntimeError, match="index was passed explicitly"):
        torch.device("cuda:0", 0)
    with pytest.raises(RuntimeError, match="must not be negative"):
        torch.device("cpu", -1)


x = torch.ones(2)

USES = [
    lambda d: torch.zeros(1, device=d),
    lambda d: torch.randn(1, device=d),
    lambda d: torch.full((1,), 2, device=d),
    lambda d: torch.arange(3, device=d),
    lambda d: torch.eye(3, device=d),
    lambda d: torch.ones_like(x, device=d),
    lambda d: torch.tensor([1.0], device=d),
    lambda d: torch.as_tensor([1.0], device=d),
    lambda d: torch.tril_indices(2, 2, device=d),
    lambda d: torch.logspace(0, 1, 2, device=d),
    lambda d: x.new_zeros(1, device=d),
    lambda d: x.to(d),
    lambda d: x.to(device=d),
    lambda d: x.to(d, torch.float64),
    lambda d: nn.Linear(1, 1).to(d),
    lambda d: nn.Linear(1, 1, device=d),
    lambda d: nn.Linear(1, 1, True, d),
    lambda d: nn.BatchNorm2d(1, device=d),
    lambda d: nn.Conv2d(1, 1, 1, device=d),
    lambda d: nn.Embedding(1, 1, device=d),
    lambda d: nn.LSTM(1, 1, device=d) if hasattr(nn, "LSTM") else nn.PReLU(device=d),
    lambda d: torch.Generator(d),
    lambda d: torch.set_default_device(d),
    lambda d: torch.optim.swa_utils.AveragedModel(nn.Linear(1, 1), d),
]


@pytest.mark.parametrize("use", range(len(USES)))
def test_there_is_the_cpu_only(use):
    for device in ("cpu", "cpu:0", torch.device("cpu"), torch.device("cpu", 0)):
        USES[use](device)
    for device in ("cuda", torch.device("cuda"), torch.device("cuda:1"), "meta", 0):
        with pytest.raises(RuntimeError, match="there is no device"):
            USES[use](device)
    with pytest.raises(RuntimeError, match="at start of device string: foo"):
        USES[use]("foo")

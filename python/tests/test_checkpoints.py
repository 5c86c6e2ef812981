"""Checkpoints: PyTorch's files, both ways. Where PyTorch is importable it takes part."""

import argparse
import datetime
import io
import pickle
import subprocess
import sys
from collections import Counter, OrderedDict
from pathlib import Path

import numpy as np
import pytest

import ballast as torch
import ballast.nn as nn

try:
    import torch as pytorch
except ImportError:
    pytorch = None

needs_pytorch = pytest.mark.skipif(pytorch is None, reason="PyTorch is not installed")
GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "checkpoints"


def net():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("name", ["values.pt", "values_legacy.pt", "values_protocol4.pt"])
def test_values_of_all_kinds(name):
    f = torch.load(GOLDEN / name)
    assert list(f)[:3] == ["none", "bools", "ints"]
    assert f["none"] is None and f["bools"] == [True, False]
    assert f["ints"][-2:] == (-(2**63), 2**63 - 1)
    assert type(f["text"]) is OrderedDict and f["text"]["größe"] == "Maß"
    assert f["text"]._metadata == {"version": 2}
    assert f["bytes"] == [b"", b"\x00\x7f\x80\xff"]
    assert f["set"] == {1, 2} and f["counter"] == Counter({3: 2, 5: 1})
    assert type(f["counter"]) is Counter and type(f["size"]) is torch.Size
    assert f["dtypes"] == [torch.float32, torch.int64, torch.bool]
    assert f["device"] == torch.device("cpu")
    assert f["keys"] == {0: "int", None: "none", 1.5: "float", True: "bool"}
    assert type(f["parameter"]) is nn.Parameter and f["parameter"].requires_grad
    assert f["parameter"] is f["parameter again"]
    assert type(f["requires_grad"]) is torch.Tensor and f["requires_grad"].requires_grad


@pytest.mark.parametrize("legacy", [False, True])
def test_what_is_saved_is_loaded_from_a_path_and_a_file_object(legacy, tmp_path):
    f = torch.load(GOLDEN / "values.pt")
    new = not legacy
    torch.save(f, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    memory = io.BytesIO()
    torch.save(f, memory, _use_new_zipfile_serialization=new)
    assert memory.getvalue() == (tmp_path / "a.pt").read_bytes()
    memory.seek(0)
    for g in (torch.load(tmp_path / "a.pt"), torch.load(memory, map_location="cpu")):
        assert list(g) == list(f)
        plain = [k for k in f if not isinstance(f[k], torch.Tensor)]
        assert [g[k] for k in plain] == [f[k] for k in plain]
        assert g["text"]._metadata == f["text"]._metadata
        assert g["parameter"] is g["parameter again"]


def test_a_checkpoint_of_pytorchs_continues_here():
    f = torch.load(GOLDEN / "adam.pt", map_location={"cuda:0": "cpu"}, weights_only=True)
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    assert repr(model.load_state_dict(f["model"])) == "<All keys matched successfully>"
    optimizer.load_state_dict(f["optimizer"])
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.001)
    assert optimizer.state_dict()["state"][0]["step"].item() == 2
    before = [p.detach().numpy().copy() for p in model.parameters()]
    model(torch.ones(5, 3)).square().mean().backward()
    optimizer.step()
    assert any(
        (a != b.detach().numpy()).any() for a, b in zip(before, model.parameters(), strict=True)
    )


def test_memory_shared_by_tensors_is_written_once_and_stays_one_object(tmp_path):
    x = torch.randn(1000)
    torch.save({"a": x, "b": x, "c": x.detach()}, tmp_path / "a.pt")
    assert (tmp_path / "a.pt").stat().st_size < 6000
    f = torch.load(tmp_path / "a.pt")
    assert f["a"] is f["b"] and f["c"].tolist() == x.tolist()


def test_files_of_tensors_by_their_endings(tmp_path):
    state = net().state_dict()
    for name in ("a.safetensors", "a.npz"):
        torch.save(state, tmp_path / name)
        assert list(torch.load(tmp_path / name)) == list(state)
        with pytest.raises(TypeError, match="its entry 'epoch' is a whole number"):
            torch.save({"epoch": 3}, tmp_path / name)
    with np.load(tmp_path / "a.npz") as arrays:
        assert (arrays["0.weight"] == state["0.weight"].numpy()).all()


def test_numbers_of_numpy_are_saved_as_numbers(tmp_path):
    torch.save([np.float32(0.5), np.int64(3), np.bool_(True), np.float64(0.1)], tmp_path / "a")
    assert torch.load(tmp_path / "a") == [0.5, 3, True, 0.1]


def test_whole_objects_are_saved_and_loaded_where_they_are_trusted(tmp_path):
    options = argparse.Namespace(x=torch.ones(2))
    values = [np.ones(2), {(1, 2): datetime.datetime(2020, 1, 1)}, options]
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    torch.save([net, net[0], optimizer, values], tmp_path / "a")
    with pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / "a")
    same, first, again, others = torch.load(tmp_path / "a", weights_only=False)
    x = torch.randn(4, 2)
    assert torch.equal(net.eval()(x), same.eval()(x)) and first is same[0]
    assert again.param_groups[0]["params"][0] is same[0].weight
    kept = [o.state[n[0].bias]["exp_avg"] for o, n in ((optimizer, net), (again, same))]
    assert torch.equal(*kept) and others[1] == values[1]
    assert others[2].x.tolist() == [1, 1] and others[0].tolist() == [1, 1]


def test_types_that_are_said_to_be_safe_are_loaded(tmp_path):
    options = argparse.Namespace(x=torch.ones(2, dtype=torch.bfloat16))
    torch.save({"options": options}, tmp_path / "a")
    with pytest.raises(pickle.UnpicklingError, match="Namespace"):
        torch.load(tmp_path / "a")
    with torch.serialization.safe_globals([argparse.Namespace]):
        loaded = torch.load(tmp_path / "a")["options"].x
    assert loaded.dtype is torch.bfloat16 and loaded.tolist() == [1, 1]
    with (
        torch.serialization.safe_globals([datetime.datetime]),
        pytest.raises(pickle.UnpicklingError, match="not allowed"),
    ):
        torch.load(tmp_path / "a", weights_only=True)


def test_a_module_that_pytorch_has_pickled_is_loaded_where_it_is_trusted():
    net = torch.load(GOLDEN / "module.pt", weights_only=False)
    assert isinstance(net, nn.Linear)
    assert net(torch.ones(1, net.in_features)).shape == (1, net.out_features)


class Danger:
    def __reduce__(self):
        return eval, ("1/0",)


def test_nothing_in_a_file_is_called(tmp_path):
    (tmp_path / "a").write_bytes(
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
        + pickle.dumps(Danger(), 2)
    )
    with pytest.raises(pickle.UnpicklingError, match=r"wants to call __builtin__\.eval, which is"):
        torch.load(tmp_path / "a", weights_only=False)
    with pytest.raises(pickle.UnpicklingError, match=r"torch\.nn\.modules\.linear\.Linear"):
        torch.load(GOLDEN / "module.pt")


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ({"a": lambda: 0}, TypeError, r"cannot save function \('a'\)"),
        ({"a": 2**64}, ValueError, "does not fit 64 bits"),
    ],
)
def test_saving_says_what_it_cannot_save(value, error, message, tmp_path):
    with pytest.raises(error, match=message):
        torch.save(value, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_what_holds_itself_cannot_be_saved(tmp_path):
    x = []
    x.append(x)
    with pytest.raises(ValueError, match="holds itself"):
        torch.save(x, tmp_path / "a")


def test_devices_other_than_the_cpu_are_refused():
    with pytest.raises(RuntimeError, match="no device 'cuda'"):
        torch.load(GOLDEN / "values.pt", map_location="cuda")


@needs_pytorch
@pytest.mark.parametrize("legacy", [False, True])
def test_pytorch_loads_what_is_saved_here(legacy, tmp_path):
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.randn(5, 3)).square().mean().backward()
    optimizer.step()
    values = torch.load(GOLDEN / "values.pt")
    checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), **values}
    torch.save(checkpoint, tmp_path / "a.pt", _use_new_zipfile_serialization=not legacy)
    maps = [False] if legacy else [False, True]
    for mmap in maps:
        f = pytorch.load(tmp_path / "a.pt", weights_only=True, mmap=mmap)
        assert list(f) == list(checkpoint)
        for name, t in f["model"].items():
            assert t.numpy().tolist() == model.state_dict()[name].numpy().tolist()
        assert f["ints"] == values["ints"] and f["bytes"] == values["bytes"]
        assert f["set"] == {1, 2} and type(f["counter"]) is Counter
        assert f["size"] == pytorch.Size([2, 3]) and f["dtypes"][0] is pytorch.float32
        assert type(f["parameter"]) is pytorch.nn.Parameter
        assert f["text"]._metadata == {"version": 2}
        theirs = pytorch.nn.Sequential(
            pytorch.nn.Linear(3, 4),
            pytorch.nn.BatchNorm1d(4),
            pytorch.nn.ReLU(),
            pytorch.nn.Linear(4, 2),
        )
        theirs.load_state_dict(f["model"])
        adam = pytorch.optim.Adam(theirs.parameters())
        adam.load_state_dict(f["optimizer"])
        theirs(pytorch.ones(4, 3)).sum().backward()
        adam.step()


@needs_pytorch
@pytest.mark.parametrize("new", [True, False])
def test_what_pytorch_saves_is_loaded_here(new, tmp_path):
    generator = np.random.default_rng(0)
    for trial in range(20):
        tensors = {}
        for i in range(5):
            shape = generator.integers(0, 4, generator.integers(0, 5)).tolist()
            dtype = [pytorch.float32, pytorch.float64, pytorch.int64, pytorch.bool][trial % 4]
            t = (pytorch.randn(shape) * 10).to(dtype)
            if t.dim() > 1 and i % 2:
                t = t.transpose(0, 1)
            if t.dim() > 0 and i % 3 == 1:
                t = t[1:]
            tensors[f"t{i}"] = t
        path = tmp_path / "a.pt"
        pytorch.save(tensors, path, _use_new_zipfile_serialization=new)
        for name, t in torch.load(path).items():
            assert tuple(t.shape) == tuple(tensors[name].shape)
            assert t.numpy().tolist() == tensors[name].numpy().tolist()


def test_tensors_of_a_mapped_file_are_views_of_it(tmp_path):
    model = net()
    torch.save({"model": model.state_dict(), "epoch": 3}, tmp_path / "a.pt")
    before = (tmp_path / "a.pt").read_bytes()
    f = torch.load(tmp_path / "a.pt", mmap=True)
    assert f["epoch"] == 3
    for name, t in f["model"].items():
        assert t.equal(model.state_dict()[name]), name
    other = net()
    other.load_state_dict(f["model"])
    assert other(torch.ones(2, 3)).equal(model(torch.ones(2, 3)))
    f["model"]["0.weight"].zero_()
    assert not f["model"]["0.weight"].any()
    assert other.state_dict()["0.weight"].equal(model.state_dict()["0.weight"])
    assert (tmp_path / "a.pt").read_bytes() == before
    with pytest.raises(ValueError, match="must be a file name"):
        torch.load(io.BytesIO(before), mmap=True)


@needs_pytorch
def test_a_file_of_pytorchs_is_mapped(tmp_path):
    x = pytorch.randn(1000)
    pytorch.save({"x": x, "half": x.half(), "part": x[10:20]}, tmp_path / "a.pt")
    f = torch.load(tmp_path / "a.pt", mmap=True)
    assert f["x"].tolist() == x.tolist() and f["part"].tolist() == x[10:20].tolist()
    assert f["half"].tolist() == x.half().tolist()


def test_a_file_that_becomes_shorter_while_it_is_read_is_an_error(tmp_path):
    path = tmp_path / "a.pt"
    program = f"""
import os, sys, threading
import ballast as torch
path = {str(path)!r}
for i in range(30):
    torch.save({{"x": torch.ones(2**20)}}, path)
    cut = threading.Timer(i * 1e-4, os.truncate, (path, 1000))
    cut.start()
    try:
        assert torch.load(path)["x"].sum().item() == 2**20
    except (OSError, RuntimeError):
        pass
    cut.join()
"""
    subprocess.run([sys.executable, "-c", program], check=True)

"""What a PyTorch user reads: error messages and printed objects, worded as PyTorch words them."""

import re

import pytest

import ballast as torch
import ballast.data
import ballast.nn as nn
import ballast.nn.functional as F


def test_wrong_labels_are_told_where_the_loss_is_written():
    x = torch.zeros(2, 3, requires_grad=True)
    with pytest.raises(IndexError, match=r"Target 3 is out of bounds\."):
        F.cross_entropy(x, torch.tensor([0, 3]))
    with pytest.raises(IndexError, match=r"Target -1 is out of bounds\."):
        F.nll_loss(x, torch.tensor([-1, 0]))


def test_a_layer_of_the_wrong_size_names_the_running_mean():
    with pytest.raises(RuntimeError, match="running_mean should contain 3 elements not 4"):
        nn.BatchNorm2d(4)(torch.zeros(2, 3, 4, 4))


def test_a_state_dict_that_does_not_fit():
    net = nn.Linear(2, 1)
    wrong = {"weight": torch.zeros(1, 3), "extra": torch.zeros(1)}
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(wrong)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "extra". \n'
        "\tsize mismatch for weight: copying a param with shape torch.Size([1, 3]) from "
        "checkpoint, the shape in current model is torch.Size([1, 2])."
    )
    result = net.load_state_dict({"weight": torch.zeros(1, 2)}, strict=False)
    assert repr(result) == "_IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])"


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="No such file or directory: '.*net.pt'"):
        torch.load(tmp_path / "net.pt")


def test_printed_values_and_indices():
    values = torch.tensor([[1.0, 3.0]]).max(dim=1)
    assert repr(values) == ("torch.return_types.max(\nvalues=tensor([3.]),\nindices=tensor([1]))")
    assert values[0].item() == values.values.item() == 3


def test_a_printed_module_list_joins_equal_modules():
    modules = nn.ModuleList([nn.ReLU(), nn.Sequential(nn.Tanh()), nn.Sequential(nn.Tanh())])
    assert repr(modules) == (
        "ModuleList(\n  (0): ReLU()\n  (1-2): 2 x Sequential(\n    (0): Tanh()\n  )\n)"
    )
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_printed_optimizer_groups_are_apart():
    groups = [{"params": [torch.zeros(1, requires_grad=True)]} for _ in range(2)]
    text = repr(torch.optim.SGD(groups, lr=0.1))
    assert "\n\nParameter Group 1\n" in text and not text.startswith("SGD (\n\n")


def test_none_as_a_key_adds_a_dimension():
    x = torch.arange(6).reshape(2, 3)
    assert x[None].shape == (1, 2, 3)
    x[None] = torch.zeros(1, 2, 3, dtype=torch.int64)
    assert x.sum().item() == 0


@pytest.mark.parametrize("content", [b"1,\xff,0\n", b"1,\xe2\x82,0\n", b"1,\xed\xa0\x80,0\n"])
def test_bytes_that_are_no_utf8_are_escaped(content, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    shown = "".join(f"\\x{b:02x}" for b in content[2:-3])
    with pytest.raises(OSError, match=re.escape(f'{path}:1:2: "{shown}" is not a number')):
        ballast.data.load(path)

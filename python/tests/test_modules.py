"""Containers, hooks and state dicts behave as PyTorch's."""

import copy
import pickle
from collections import OrderedDict

import pytest

import ballast as torch
import ballast.nn as nn


def names(module):
    return [type(m).__name__ for m in module]


def test_sequential_is_cut_joined_and_changed():
    net = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.ReLU(), c=nn.Linear(3, 1)))
    assert list(net[1:]._modules) == ["b", "c"] and net[-1] is net.c and len(net) == 3
    longer = nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh(), nn.Sigmoid())
    assert names(longer) == ["ReLU", "Tanh", "Sigmoid"] and names(longer * 2)[3:] == names(longer)
    longer.insert(1, nn.ELU())
    assert names(longer) == ["ReLU", "ELU", "Tanh", "Sigmoid"] and longer.pop(0) is not None
    del longer[1:]
    assert names(longer) == ["ELU"] and list(longer._modules) == ["0"]
    with pytest.raises(IndexError, match="index 3 is out of range"):
        longer[3]


def test_parameter_containers():
    values = nn.ParameterList([torch.ones(2, 3), nn.Parameter(torch.zeros(3))])
    assert isinstance(values[0], nn.Parameter) and [n for n, _ in values.named_parameters()] == [
        "0",
        "1",
    ]
    assert repr(values) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2x3]\n"
        "    (1): Parameter containing: [torch.float32 of size 3]\n)"
    )
    named = nn.ParameterDict({"a": torch.ones(2, 3), "b": nn.Parameter(torch.ones(3).double())})
    assert repr(named).splitlines()[2] == (
        "    (b): Parameter containing: [torch.DoubleTensor of size 3]"
    )
    assert list(named.keys()) == ["a", "b"] and named.pop("a").shape == (2, 3) and len(named) == 1
    assert [n for n, _ in named.named_parameters()] == ["b"]


def test_hooks_see_and_change_what_passes():
    layer, seen = nn.Linear(2, 1), []
    with layer.register_forward_pre_hook(lambda m, args: (args[0] * 0,)):
        assert torch.equal(layer(torch.ones(1, 2))[0], layer.bias)
    layer.register_forward_hook(lambda m, args, kwargs, out: seen.append(kwargs), with_kwargs=True)
    layer.register_forward_hook(lambda m, args, out: out + 1)
    layer.register_forward_hook(lambda m, args, out: seen.append("first"), prepend=True)
    out = layer(input=torch.zeros(1, 2))
    assert torch.equal(out[0], layer.bias + 1)
    assert seen[0] == "first" and list(seen[1]) == ["input"]


def test_a_copied_or_pickled_module_stands_alone():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other[0].weight, net[0].weight) and isinstance(
            other[0].weight, nn.Parameter
        )
        with torch.no_grad():
            other[0].weight.zero_()
        assert net[0].weight.abs().sum() > 0 and other[0].weight.abs().sum() == 0


def test_state_dicts_carry_versions_prefixes_and_hooks():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    state = net.state_dict(prefix="net.")
    assert list(state)[:2] == ["net.0.weight", "net.0.bias"]
    assert not state["net.0.weight"].requires_grad
    assert net.state_dict(keep_vars=True)["0.weight"] is net[0].weight
    assert set(state._metadata) == {"net", "net.0", "net.1"}
    net[1].register_state_dict_post_hook(lambda m, s, prefix, meta: s.pop(prefix + "running_mean"))
    assert "1.running_mean" not in net.state_dict()
    net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    assert repr(net.load_state_dict(net.state_dict())) == "<All keys matched successfully>"


def test_loading_changes_everything_or_nothing():
    net, other = nn.Linear(2, 1), nn.Linear(2, 1)
    wrong = {"weight": torch.zeros(1, 2), "bias": torch.zeros(2)}
    with pytest.raises(RuntimeError, match="size mismatch for bias"):
        net.load_state_dict(wrong)
    assert net.weight.abs().sum() > 0
    before = net.weight
    net.load_state_dict(other.state_dict())
    assert net.weight is before and torch.equal(net.weight, other.weight)
    net.load_state_dict(other.state_dict(), assign=True)
    assert net.weight is not before and isinstance(net.weight, nn.Parameter)


class WithExtra(nn.Module):
    def get_extra_state(self):
        return {"epoch": 3}

    def set_extra_state(self, state):
        self.epoch = state["epoch"]


def test_extra_state_is_saved_and_loaded():
    module = WithExtra()
    state = nn.Sequential(module).state_dict()
    assert state["0._extra_state"] == {"epoch": 3}
    nn.Sequential(module).load_state_dict(state)
    assert module.epoch == 3


def test_modules_are_found_and_replaced_by_name():
    net = nn.Sequential(nn.Sequential(nn.BatchNorm1d(2)), nn.ReLU())
    assert net.get_buffer("0.0.running_mean").shape == (2,)
    net.set_submodule("0.0", nn.Tanh())
    assert isinstance(net.get_submodule("0.0"), nn.Tanh)
    with pytest.raises(AttributeError, match="Sequential has no attribute `7`"):
        net.get_submodule("7")


def test_conversion_keeps_the_parameters():
    layer = nn.Linear(2, 1)
    weight = layer.weight
    layer.double()
    assert layer.weight is weight and weight.dtype is torch.float64 and weight.requires_grad
    with pytest.raises(TypeError, match="only accepts floating point"):
        layer.to(torch.int64)

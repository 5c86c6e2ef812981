"""Subclasses of Tensor, and values that stand for tensors, take functions over as in PyTorch."""

import pickle

import pytest

import ballast as torch
from ballast import nn
from ballast.nn import functional as F
from ballast.overrides import DisableTorchFunctionSubclass, has_torch_function


class Named(torch.Tensor):
    """A tensor that computes as any other and keeps its class."""


class Logged:
    """No tensor; answers every function with its name."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, len(args), sorted(kwargs or {})


class Refusing(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return NotImplemented


def test_results_keep_the_subclass():
    x = torch.tensor([1.0, -2.0]).as_subclass(Named)
    for y in (x + 1, 1 - x, x.relu(), torch.relu(x), F.relu(x), x[0], torch.cat([x, x]), x.sum()):
        assert type(y) is Named
    assert all(type(v) is Named for v in x.split(1))
    values, places = x.max(0)
    assert type(values) is Named and type(places) is Named
    assert type(x.tolist()) is list and type(x.sum().item()) is float


def test_a_subclass_shares_memory_and_gradient():
    x = torch.ones(2, requires_grad=True)
    y = x.as_subclass(Named)
    (y * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
    z = torch.zeros(2)
    z.as_subclass(Named).add_(1)
    assert z.tolist() == [1, 1]


def test_a_guard_shows_plain_tensors():
    x = torch.ones(2).as_subclass(Named)
    assert has_torch_function((x,))
    with DisableTorchFunctionSubclass():
        assert type(x + 1) is torch.Tensor and not has_torch_function((x,))
    assert type(x + 1) is Named


def test_values_that_are_no_tensors_take_functions_over():
    assert torch.relu(Logged()) == ("relu", 1, [])
    assert F.conv2d(torch.ones(1, 1, 3, 3), Logged(), padding=1) == ("conv2d", 2, ["padding"])
    assert torch.cat([torch.ones(1), Logged()], dim=0) == ("cat", 1, ["dim"])
    assert torch.ones(2).add(Logged()) == ("add", 2, [])


def test_where_nobody_knows_what_to_do_the_call_is_an_error():
    with pytest.raises(TypeError, match="no implementation found"):
        torch.relu(torch.ones(1).as_subclass(Refusing))


def test_parameters_take_nothing_over():
    p = nn.Parameter(torch.ones(2))
    assert type(p + 1) is torch.Tensor and not has_torch_function((p,))


def test_functions_look_like_functions():
    assert torch.relu.__name__ == "relu" and torch.relu.__doc__
    assert pickle.loads(pickle.dumps(torch.relu)) is torch.relu
    assert pickle.loads(pickle.dumps(F.cross_entropy)) is F.cross_entropy
    F.relu.marked = 1
    assert F.relu.marked == 1
    del F.relu.marked

    class Net:
        act = torch.relu

    assert Net().act(torch.tensor([-1.0])).tolist() == [0]
    assert torch.Tensor.relu(torch.tensor([-1.0])).tolist() == [0]


def test_a_subclass_that_makes_its_instances_takes_its_own_arguments():
    class Box(torch.Tensor):
        def __new__(cls, data, *, format):  # noqa: A002
            made = torch.as_tensor(data).as_subclass(cls)
            made.format = format
            return made

    class Small(Box):
        pass

    for cls in (Box, Small):
        box = cls([1.0, 2.0], format="xy")
        assert type(box) is cls and box.format == "xy" and box.tolist() == [1, 2]

    class Plain(torch.Tensor):
        pass

    assert Plain(torch.ones(2)).tolist() == [1, 1]
    with pytest.raises(TypeError):
        Plain(torch.ones(2), format="xy")

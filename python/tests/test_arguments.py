"""What arguments stand for: types, defaults and values at their ends, as PyTorch takes them."""

import math
import warnings

import numpy as np
import pytest

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F

NAN = float("nan")


def test_a_bool_is_no_dimension():
    x = torch.tensor([1.0, 2.0, 4.0])
    assert x.std(False).item() == pytest.approx(1.247219)
    assert torch.std(x, True).item() == pytest.approx(1.527525)
    assert x.var(True).dim() == 0
    for wrong in (lambda: x.sum(True), lambda: x.softmax(True), lambda: torch.zeros(True)):
        with pytest.raises(TypeError):
            wrong()


def test_numbers_of_numpy_and_tensors_without_dimensions_are_numbers():
    x = torch.ones(2, 3)
    for dim in (np.int64(1), np.int32(1), torch.tensor(1)):
        assert x.sum(dim).tolist() == [3.0, 3.0]
        assert x.cumsum(dim).shape == (2, 3)
    assert F.leaky_relu(-x, np.float32(0.5))[0, 0].item() == -0.5
    assert F.leaky_relu(-x, torch.tensor(0.5))[0, 0].item() == -0.5
    for wrong in (torch.tensor([1]), torch.tensor(1.0), "1", 1.0, torch.tensor(True)):
        with pytest.raises(TypeError):
            x.cumsum(wrong)
    for wrong in (torch.ones(1), "0.5", torch.tensor(0.5, requires_grad=True)):
        with pytest.raises(TypeError):
            F.leaky_relu(x, wrong)


@pytest.mark.parametrize("device", ["foo", "cpu:x", "", "gpu:0"])
def test_devices_that_are_none(device):
    makers = [torch.zeros, torch.ones, torch.empty, torch.rand, torch.randn]
    for make in makers:
        with pytest.raises(RuntimeError):
            make(2, device=device)
    with pytest.raises(RuntimeError):
        torch.ones(2).to(device)
    with pytest.raises(RuntimeError):
        torch.device(device)


@pytest.mark.parametrize("wrong", [[], {}, object(), type(None)])
def test_to_takes_types_devices_and_tensors(wrong):
    with pytest.raises(TypeError):
        torch.ones(2).to(wrong)


def test_beta_of_zero_keeps_nan_out():
    bad, one = torch.full((2, 2), NAN), torch.ones(2)
    square, batch = torch.ones(2, 2), torch.ones(1, 2, 2)
    assert torch.addr(bad, one, one, beta=0).tolist() == [[1, 1], [1, 1]]
    assert torch.addmv(bad[0], square, one, beta=0).tolist() == [2, 2]
    assert torch.addbmm(bad, batch, batch, beta=0).tolist() == [[2, 2], [2, 2]]
    assert torch.addmm(bad, square, square, beta=0).tolist() == [[2, 2], [2, 2]]
    assert torch.baddbmm(bad.view(1, 2, 2), batch, batch, beta=0).tolist() == [[[2, 2], [2, 2]]]
    truths = torch.tensor([True, False])
    assert torch.addr(truths.outer(truths), truths, truths).dtype == torch.bool


@pytest.mark.parametrize(
    ("sides", "wanted"),
    [
        ((-2, 3), [2, 3, 4, 5, 2, 3, 4]),
        ((3, -2), [1, 2, 3, 0, 1, 2, 3]),
        ((-2, -1), [2, 3, 4]),
        ((2, 1), [4, 5, 0, 1, 2, 3, 4, 5, 0]),
    ],
)
def test_circular_padding_repeats_what_cuts_leave(sides, wanted):
    x = torch.arange(6.0).view(1, 1, 6).requires_grad_()
    y = F.pad(x, sides, "circular")
    assert y.flatten().tolist() == wanted
    y.sum().backward()
    assert x.grad.flatten().tolist() == [wanted.count(i) for i in range(6)]


def test_a_range_of_whole_numbers_drops_fractions_first():
    whole = torch.int64
    assert torch.arange(0.5, 5, dtype=whole).tolist() == [0, 1, 2, 3, 4]
    assert torch.arange(0, 5, 0.5, dtype=whole).tolist() == [0] * 10
    assert torch.arange(0.5, 5.5, 1.5, dtype=whole).tolist() == [0, 1, 2, 3]
    assert torch.arange(0.0, 5.9, 1.9, dtype=torch.uint8).tolist() == [0, 1, 2, 3]


def test_logit_with_bounds_that_cross():
    x = torch.tensor([0.1, 0.9, 0.5])
    got = torch.logit(x, 0.8).tolist()
    assert got == pytest.approx([1.386294, -1.386294, 1.386294], rel=1e-5)
    assert torch.logit(x, -0.8).tolist() == pytest.approx([-2.197225, 2.197225, 0], abs=1e-6)


def test_quantile_has_a_gradient_by_q():
    q = torch.tensor([0.25, 0.5], requires_grad=True)
    torch.quantile(torch.tensor([1.0, 3.0, 7.0]), q).sum().backward()
    assert q.grad.tolist() == [4, 0]


def test_reductions_of_tensors_without_dimensions():
    x = torch.tensor(2.0)
    for dim in (0, -1):
        assert [t.item() for t in x.cummax(dim)] == [2, 0]
        assert [t.item() for t in x.cummin(dim)] == [2, 0]
        assert x.cumsum(dim).item() == 2
    assert [t.item() for t in x.kthvalue(1)] == [2, 0]
    assert x.masked_select(torch.tensor(True)).tolist() == [2]
    assert x.masked_select(torch.tensor(False)).tolist() == []
    with pytest.raises(IndexError):
        x.cummax(1)


def test_take_along_no_dimension_flattens():
    x = torch.arange(6.0).view(2, 3)
    assert torch.take_along_dim(x, torch.tensor([[5, 1]])).tolist() == [5, 1]


def test_statistics_of_one_row():
    x = torch.tensor([[1.0, 2.0, 4.0]])
    assert torch.corrcoef(x).item() == 1
    assert torch.cov(x).dim() == 0
    both = torch.var_mean(torch.ones(2, 3), dim=None, keepdim=True)
    assert [t.tolist() for t in both] == [[[0]], [[1]]]


def test_types_of_results():
    i, b = torch.tensor([1, 2]), torch.tensor([True, False])
    assert torch.copysign(i, -1).tolist() == [-1.0, -2.0]
    assert torch.copysign(i, torch.tensor([-1, 1])).dtype == torch.float32
    assert torch.square(b).dtype == torch.int64
    assert torch.clamp_min(b, b).dtype == torch.bool
    assert torch.bincount(i, i).dtype == torch.float64
    assert torch.bincount(i, torch.tensor([1.0, 2.0])).dtype == torch.float32


def test_einsum_of_a_diagonal_wants_a_square():
    with pytest.raises(RuntimeError, match="subscript i is repeated"):
        torch.einsum("ii->", torch.ones(2, 3))
    with pytest.raises(TypeError):
        torch.einsum(1, torch.ones(2))


def test_numbers_that_do_not_fit_a_type():
    byte = torch.uint8
    for wrong in (300, [1, 300], NAN, 1e9, -1.5, -256):
        with pytest.raises(RuntimeError, match="overflow"):
            torch.tensor(wrong, dtype=byte)
    for wrong in (300, -256, -1.5, NAN):
        with pytest.raises(RuntimeError, match="overflow"):
            torch.full((2,), wrong, dtype=byte)
    assert torch.tensor([-1, 255], dtype=byte).tolist() == [255, 255]
    assert torch.full((1,), -1, dtype=byte).tolist() == [255]
    with pytest.raises(RuntimeError, match="overflow"):
        torch.tensor(1e30, dtype=torch.int64)


def test_repeats_and_strides_and_groups():
    x = torch.rand(1, 4, 4, 4)
    for wrong in (
        lambda: F.max_pool2d(x, 2, 0),
        lambda: F.avg_pool2d(x, 2, 0),
        lambda: F.max_pool1d(x[0], 2, 0),
        lambda: torch.ones(2).repeat_interleave(torch.tensor([1, -1])),
        lambda: F.group_norm(torch.ones(2, 0, 3), 1),
        lambda: torch.movedim(x, (0, 0), (1, 2)),
        lambda: torch.movedim(x, (0, 1), (1, 1)),
        lambda: torch.zeros(-1),
    ):
        with pytest.raises(RuntimeError):
            wrong()


def test_instance_norm_of_one_channel_and_of_no_sample():
    layer = nn.InstanceNorm2d(1, track_running_stats=True)
    x = torch.arange(48.0).view(3, 1, 4, 4)
    layer(x).sum().item()
    assert layer.running_mean.item() == pytest.approx(2.35)
    empty = torch.zeros(0, 3, 4, 4, requires_grad=True)
    y = nn.InstanceNorm2d(3)(empty)
    y.sum().backward()
    assert y.shape == empty.grad.shape == (0, 3, 4, 4)
    with pytest.raises(ValueError, match="Expected more than 1 spatial element"):
        nn.InstanceNorm2d(3)(torch.ones(2, 3, 1, 1))


def test_an_optimizer_keeps_what_is_put_beside_its_state():
    p = nn.Parameter(torch.ones(1))
    for make in (torch.optim.SGD, torch.optim.Adam, torch.optim.Adagrad):
        optimizer = make([p], lr=0.1)
        p.grad = torch.ones(1)
        optimizer.step()
        optimizer.state[p]["mark"] = 1
        optimizer.step()
        assert optimizer.state[p]["mark"] == 1


def test_a_parameter_twice_in_a_group_is_warned_of():
    p = torch.zeros(2, requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.optim.SGD([p, p], 0.1)
    assert any("duplicate parameters" in str(w.message) for w in caught)


def test_no_modules_are_not_added():
    class Fixed(nn.ModuleDict):
        def update(self, modules):
            raise ValueError

    assert len(Fixed()) == 0


def test_a_wrong_argument_is_named():
    with pytest.raises(TypeError, match="argument 'mask' .*must be Tensor, not int"):
        torch.masked_select(torch.ones(2), 1)
    with pytest.raises(TypeError, match="argument 'dim' .*must be int, not float"):
        torch.unbind(torch.ones(2), 1.5)
    assert math.isfinite(torch.renorm(torch.ones(2, 2), 2, torch.tensor(0), 1).sum().item())

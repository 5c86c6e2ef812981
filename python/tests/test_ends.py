"""Numbers at their ends: huge, tiny, infinite and undefined ones. Values are PyTorch's."""

import math
import pickle

import pytest

import ballast as torch
import ballast.nn as nn
import ballast.nn.functional as F
from ballast.backends import winograd

inf, nan = math.inf, math.nan
least = -(2**63)


def same(x, expected):
    """Whether the elements are these; NaN is NaN."""
    got = x.tolist()
    return got == expected or all(
        g == e or (g != g and e != e) for g, e in zip(got, expected, strict=True)
    )


def test_the_least_whole_number_divided_by_minus_one():
    x, by = torch.tensor([least]), torch.tensor([-1])
    for y in (
        x // -1,
        x // by,
        torch.floor_divide(x, by),
        x.clone().floor_divide_(-1),
        least // by,
    ):
        assert y.tolist() == [least]
    for y in (x % -1, x % by, torch.fmod(x, -1), x.clone().remainder_(-1), least % by):
        assert y.tolist() == [0]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        (x // 0).tolist()


def test_shifts_beyond_the_width():
    by = torch.tensor([63, 64, 65, -64, least])
    assert (torch.tensor(3) << by).tolist() == [least, 0, 0, 0, 0]
    assert (torch.tensor(-8) >> by).tolist() == [-1] * 5
    assert (torch.tensor(8) >> by).tolist() == [0] * 5
    assert (torch.tensor(200, dtype=torch.uint8) >> 8).item() == 0
    assert (torch.tensor(8, dtype=torch.uint8) << 7).item() == 0
    with pytest.raises(NotImplementedError, match="lshift_cpu"):
        torch.tensor(1.0) << 2


def test_quotients_of_fractions_rounded_down():
    a = torch.tensor([1.0, -5.0, 5.0, 5.0, -5.0, 0.0, inf, -0.0])
    b = torch.tensor([0.1, inf, -inf, 0.0, 0.0, 0.0, 2.0, 2.0])
    assert same(a // b, [9, -1, -1, inf, -inf, nan, nan, 0])
    assert same(torch.tensor([1.0, -5.0, 5.0]) % torch.tensor([0.0, inf, -inf]), [nan, inf, -inf])


def test_bounds_that_are_no_numbers():
    x = torch.tensor([1.0, nan])
    for low, high in ((nan, nan), (nan, 2), (0, nan), (nan, None)):
        assert x.clamp(low, high).isnan().all()
    assert same(x.clamp(0, 1), [1, nan]) and x[:1].clamp(3, 2).item() == 2


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x.clamp(-1, 1), [0, 0, 1, 0, 0]),
        (lambda x: x.clamp(-inf, inf), [0, 1, 1, 1, 0]),
        (lambda x: x.clamp(min=-inf), [0, 1, 1, 1, 1]),
        (lambda x: x.clamp(max=inf), [1, 1, 1, 1, 0]),
        (lambda x: x.clamp(min=0), [0, 0, 0, 1, 1]),
        (lambda x: x.clamp(1, -1), [0, 0, 0, 0, 0]),
        (F.relu6, [0, 0, 0, 1, 0]),
    ],
)
def test_gradients_of_bounds_at_infinity(function, expected):
    for dtype in (torch.float32, torch.float64):
        x = torch.tensor([-inf, -1.0, 0.0, 1.0, inf], dtype=dtype, requires_grad=True)
        function(x).sum().backward()
        assert x.grad.tolist() == expected


def test_roots_of_sums_of_huge_squares():
    a, b = torch.tensor([1e30, 1e-30, inf, nan]), torch.tensor([1e30, 1e-30, nan, inf])
    y = torch.hypot(a, b)
    assert same(y[2:], [inf, inf])
    assert torch.allclose(y[:2] / a[:2], torch.full((2,), 2**0.5))
    assert torch.tensor([1e19, 3e19, 5e19]).std().item() == pytest.approx(2e19)
    assert torch.tensor([1e25, -1e25]).var().item() == inf
    x = torch.tensor([[1e38, 1.0], [-1e38, 3.0]], requires_grad=True)
    y = x.std(0)
    assert torch.allclose(y, torch.tensor([1.4142135e38, 1.4142135]))
    y.sum().backward()
    assert torch.allclose(x.grad, torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) * 0.5**0.5)


@pytest.mark.parametrize("dims", [(), (0,), (1,), (2,), (0, 2), (0, 1), (1, 2)])
def test_variances_along_any_dimensions(dims):
    x = (torch.randn(3, 17, 5) + 100).requires_grad_()
    wide = x.detach().double().requires_grad_()
    away = wide - wide.mean(dims or (0, 1, 2), keepdim=True)
    n = wide.numel() // max(wide.mean(dims or (0, 1, 2)).numel(), 1)
    expected = away.square().sum(dims or (0, 1, 2)) / (n - 1)
    got = x.var(dims) if dims else x.var()
    assert torch.allclose(got.double(), expected, rtol=1e-6)
    got.sum().backward()
    expected.sum().backward()
    assert torch.allclose(x.grad.double(), wide.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softmax_beside_infinity_and_huge_logits(dtype):
    x = torch.tensor([[1.0, inf], [-inf, -inf]], dtype=dtype)
    assert x.softmax(1).isnan().all() and x.log_softmax(1).isnan().all()
    assert same(x.logsumexp(1), [inf, -inf])
    for big in (1e30, 3e38):
        x = torch.full((2, 3), big, dtype=dtype, requires_grad=True)
        loss = F.cross_entropy(x, torch.tensor([0, 2]))
        assert loss.item() == pytest.approx(math.log(3))
        loss.backward()
        third = 1 / 6
        expected = torch.tensor([[-2, 1, 1], [1, 1, -2]], dtype=dtype) * third
        assert torch.allclose(x.grad, expected)
    x = torch.tensor([[1.0, inf]], dtype=dtype)
    assert F.cross_entropy(x, torch.tensor([0])).isnan().item()


def test_interpolation_of_doubles_is_exact():
    x = torch.arange(7.0, dtype=torch.float64).view(1, 1, 7) / 7
    y = F.interpolate(x, size=11, mode="linear", align_corners=True).flatten()
    assert (y - torch.arange(11, dtype=torch.float64) * 6 / 10 / 7).abs().max().item() < 1e-14


def test_batch_norm_refuses_to_divide_by_nothing():
    with pytest.raises(
        ValueError, match="batch_norm eps must be positive during training, but got"
    ):
        F.batch_norm(torch.ones(2, 2), None, None, training=True, eps=0)


def test_instance_norm_of_an_empty_batch():
    x = torch.ones(0, 3, 4, 4, requires_grad=True)
    y = nn.InstanceNorm2d(3)(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == (0, 3, 4, 4)


def test_denormals_are_flushed_where_asked():
    tiny = torch.full((64,), 1e-40)
    try:
        assert torch.set_flush_denormal(True)
        assert (tiny * 1.0).max().item() == 0
        w = torch.full((64, 64), 1e-40)
        assert F.linear(tiny.expand(256, 64), w).abs().max().item() == 0
    finally:
        assert torch.set_flush_denormal(False)
    assert (tiny * 1.0).min().item() > 0


def test_winograd_is_switched_by_process_and_layer():
    torch.manual_seed(0)
    x = torch.randn(2, 16, 32, 32)
    x[0, 0, 5, 4] = 1e6
    layer = nn.Conv2d(16, 16, 3, padding=1)
    exact = F.conv2d(x.double(), layer.weight.double(), layer.bias.double(), padding=1)

    def error():
        away = (layer(x).double() - exact).abs()
        away[0, :, 4:7, 3:6] = 0
        return away.max().item()

    assert winograd.enabled and error() > 1e-3
    with winograd.flags(enabled=False):
        assert not winograd.enabled and error() < 1e-4
    winograd.enabled = False
    assert error() < 1e-4
    winograd.enabled = True
    assert error() > 1e-3
    layer.winograd = False
    assert error() < 1e-4
    up = nn.ConvTranspose2d(16, 16, 3, padding=1)
    up.weight.data.copy_(layer.weight.detach().transpose(0, 1).flip(2).flip(3))
    up.bias.data.copy_(layer.bias.detach())
    layer = up
    assert error() > 1e-3
    up.winograd = False
    assert error() < 1e-4


def test_a_scaler_scales_skips_shrinks_and_grows():
    w = nn.Parameter(torch.tensor([1.0, 2.0]))
    opt = torch.optim.SGD([w], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    assert scaler.is_enabled() and scaler.get_scale() == 8
    with pytest.raises(AssertionError, match="Attempted step but _scale is None"):
        scaler.step(opt)

    def step(x):
        opt.zero_grad()
        scaler.scale((w * x).sum()).backward()
        scaler.step(opt)
        scaler.update()

    step(torch.tensor([inf, 1.0]))
    assert w.tolist() == [1, 2] and scaler.get_scale() == 4
    step(torch.tensor([1.0, 2.0]))
    assert w.tolist() == [0.5, 1] and scaler.state_dict()["_growth_tracker"] == 1
    step(torch.tensor([1.0, 2.0]))
    assert w.tolist() == [0, 0] and scaler.get_scale() == 8
    state = scaler.state_dict()
    assert state == {
        "scale": 8.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2,
        "_growth_tracker": 0,
    }
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state == pickle.loads(pickle.dumps(scaler)).state_dict()
    opt.zero_grad()
    both = scaler.scale([w.sum(), (w * 2).sum()])
    (both[0] + both[1]).backward()
    scaler.unscale_(opt)
    assert w.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called"):
        scaler.unscale_(opt)
    scaler.step(opt)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called"):
        scaler.step(opt)
    scaler.update(2.0)
    assert scaler.get_scale() == 2
    with pytest.warns(UserWarning, match="CUDA is not available"):
        off = torch.cuda.amp.GradScaler()
    assert not off.is_enabled() and off.scale(w) is w and off.state_dict() == {}


def test_a_parameter_listed_twice_warns():
    p = torch.zeros(2, requires_grad=True)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        opt = torch.optim.SGD([p, p], lr=0.1)
    p.grad = torch.ones(2)
    opt.step()
    assert torch.allclose(p, torch.full((2,), -0.1))

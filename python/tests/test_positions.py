"""Reductions at positions, order, special functions, copies of views."""

import math

import numpy as np
import pytest

import ballast as torch
from ballast.autograd import gradcheck, gradgradcheck


def values(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).requires_grad_()


def close(got, want, rtol=1e-9):
    np.testing.assert_allclose(got.detach().numpy(), want, rtol=rtol, atol=1e-12)


REDUCTIONS = {"sum": np.sum, "prod": np.prod, "mean": np.mean, "amax": np.max, "amin": np.min}


@pytest.mark.parametrize("self", [True, False])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_elements_for_one_place_are_reduced(name, self):
    x, src = values(3, 4), values(5, 4, seed=1)
    index = torch.tensor(np.random.default_rng(2).integers(0, 3, (5, 4)))
    got = x.scatter_reduce(0, index, src, name, include_self=self)
    want = x.detach().numpy().copy()
    for i in range(3):
        for j in range(4):
            there = src.detach().numpy()[index.numpy()[:, j] == i, j]
            if there.size:
                own = [want[i, j]] if self else []
                want[i, j] = REDUCTIONS[name](np.array([*own, *there]))
    close(got, want)
    assert gradcheck(lambda x, s: x.scatter_reduce(0, index, s, name, include_self=self), (x, src))
    if name != "sum":
        rows = torch.tensor([2, 0, 2, 1, 2])
        wide = rows.unsqueeze(1).expand(5, 4)
        got = x.index_reduce(0, rows, src, name, include_self=self)
        close(got, x.scatter_reduce(0, wide, src, name, include_self=self).detach().numpy())


def test_products_with_zeros_have_derivatives():
    x = torch.tensor([2.0, 3, 0], dtype=torch.float64, requires_grad=True)
    src = torch.tensor([0.0, 5, 0, 0, 4], dtype=torch.float64, requires_grad=True)
    index = torch.tensor([0, 0, 1, 1, 2])
    assert gradcheck(lambda x, s: x.scatter_reduce(0, index, s, "prod"), (x, src))


def test_whole_numbers_are_reduced():
    x, index = torch.tensor([5, 7]), torch.tensor([0, 0, 1])
    src = torch.tensor([-9, 1, -2])
    got = {n: x.scatter_reduce(0, index, src, n).tolist() for n in REDUCTIONS}
    want = {"sum": [-3, 5], "prod": [-45, -14], "mean": [-1, 2], "amax": [5, 7], "amin": [-9, -2]}
    assert got == want
    with pytest.raises(RuntimeError, match="reduce"):
        x.scatter_reduce(0, index, src, "other")


def test_put_writes_to_the_flattened_tensor():
    x = torch.arange(6.0).reshape(2, 3)
    assert x.put(torch.tensor([1, -1]), torch.tensor([7.0, 8])).tolist() == [[0, 7, 2], [3, 4, 8]]
    again = torch.tensor([0, 0])
    assert x.put(again, torch.ones(2), accumulate=True)[0, 0] == 2
    x.put_(again[:1], torch.tensor([9.0]))
    assert x[0, 0] == 9
    at = (torch.tensor([0, 0, 1]), torch.tensor([1, 1, 2]))
    y, v = values(2, 3), values(3, seed=1)
    assert gradcheck(lambda y, v: y.index_put(at, v, accumulate=True), (y, v))
    close(y.index_put(at, v, accumulate=True)[0, 1], (y[0, 1] + v[0] + v[1]).item())


def test_different_slices():
    x = torch.tensor([[3, 1], [0, 2], [3, 1], [0, 1]])
    rows, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True, dim=0)
    assert rows.tolist() == [[0, 1], [0, 2], [3, 1]]
    assert inverse.tolist() == [2, 1, 2, 0] and counts.tolist() == [1, 1, 2]
    assert torch.unique(x.t(), dim=1).tolist() == [[0, 0, 3], [1, 2, 1]]
    runs = torch.unique_consecutive(torch.tensor([1, 1, 2, 1]), return_counts=True)
    assert [t.tolist() for t in runs] == [[1, 2, 1], [2, 1, 1]]
    assert torch.unique_consecutive(x[[0, 2, 1]], dim=0).tolist() == [[3, 1], [0, 2]]


def test_modes_and_medians():
    x = torch.tensor([[2.0, 1, 2, 3], [4, 4, 1, 1]])
    assert [t.tolist() for t in torch.mode(x)] == [[2, 1], [2, 3]]
    nan = torch.tensor([[math.nan, 3, 1, 2], [math.nan] * 4])
    got = nan.nanmedian(1)
    assert got.values[0] == 2 and got.values[1].isnan()
    assert nan.nanmedian() == 2
    y = values(3, 5)
    assert gradcheck(lambda y: (y.mode(1)[0], y.nanmedian(0)[0]), (y,))


@pytest.mark.parametrize("way", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(way):
    x = values(4, 7)
    q = torch.tensor([0.0, 0.21, 0.5, 1.0], dtype=torch.float64)
    close(x.quantile(q, 1, interpolation=way), np.quantile(x.detach(), q, 1, method=way))
    close(x.quantile(0.3, 0, True), np.quantile(x.detach(), 0.3, 0, keepdims=True))
    close(x.quantile(q), np.quantile(x.detach(), q))
    holes = x.detach().clone()
    holes[0, 2] = holes[1, 1] = math.nan
    close(holes.nanquantile(q, 1, interpolation=way), np.nanquantile(holes, q, 1, method=way))
    assert holes.quantile(0.5, 1).isnan().tolist() == [True, True, False, False]
    inner = torch.tensor([0.21, 0.6], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x, q: x.quantile(q, 1, interpolation=way), (x, inner))


def test_histograms():
    x = torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0, 2.0], dtype=torch.float64)
    for options in ({}, {"range": (0.0, 1.0)}, {"range": (0.0, 1.0), "density": True}):
        got = torch.histogram(x, 4, **options)
        want = np.histogram(x, 4, **options)
        close(got.hist, want[0])
        close(got.bin_edges, want[1])
    edges = torch.tensor([0.0, 0.2, 1.0], dtype=torch.float64)
    weight = torch.arange(6.0, dtype=torch.float64)
    close(torch.histogram(x, edges, weight=weight).hist, np.histogram(x, edges, weights=weight)[0])
    points = values(20, 2).detach()
    got = torch.histogramdd(points, (3, 4))
    want = np.histogramdd(points.numpy(), (3, 4))
    close(got.hist, want[0])


def test_running_reductions():
    x = values(3, 4)
    close(x.logcumsumexp(1), np.logaddexp.accumulate(x.detach().numpy(), 1))
    assert torch.tensor([-math.inf, -math.inf, 1e4]).logcumsumexp(0).tolist() == [
        *(-math.inf, -math.inf, 1e4)
    ]
    assert gradcheck(lambda x: x.logcumsumexp(0), (x,))
    assert gradgradcheck(lambda x: x.logcumsumexp(0), (x,))
    found = torch.tensor([1.0, 3, 2, 3, math.nan, 5]).cummax(0)
    assert found.indices.tolist() == [0, 1, 1, 3, 4, 4]
    assert torch.tensor([2, 3, 1, 1]).cummin(0).indices.tolist() == [0, 0, 2, 3]
    assert gradcheck(lambda x: (x.cummax(1)[0], x.cummin(0)[0]), (x,))
    y = torch.tensor([1.0, 2, 4])
    assert torch.cumulative_trapezoid(y).tolist() == [1.5, 4.5]
    assert torch.trapezoid(y) == 4.5


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_from_neighbours(order):
    x = values(4, 5)
    uneven = torch.tensor([0.0, 1, 3, 4, 9], dtype=torch.float64)
    got = torch.gradient(x, spacing=(2.0, uneven), edge_order=order)
    want = np.gradient(x.detach().numpy(), 2.0, uneven.numpy(), edge_order=order)
    for g, w in zip(got, want, strict=True):
        close(g, w)


# Special functions: values from Abramowitz & Stegun and from series summed with 40 digits.

KNOWN = [
    (torch.erfinv, 0.5, 0.47693627620446987),
    (torch.erfinv, -0.999999999, -4.320005388105362),
    (torch.i0, 1.0, 1.2660658777520084),
    (torch.i0, -40.0, 1.4894774793419902e16),
    (lambda x: torch.polygamma(1, x), 1.0, math.pi**2 / 6),
    (lambda x: torch.polygamma(2, x), 1.0, -2.4041138063191885),
    (lambda x: torch.polygamma(3, x), 0.5, math.pi**4),
    (lambda x: torch.polygamma(1, x), -1.5, math.pi**2 / 2 + 40 / 9),
    (lambda x: torch.mvlgamma(x, 2), 3.0, 0.5723649429247001 + math.lgamma(3) + math.lgamma(2.5)),
]


@pytest.mark.parametrize(("f", "at", "want"), KNOWN)
def test_known_values(f, at, want):
    np.testing.assert_allclose(f(torch.tensor(at, dtype=torch.float64)).item(), want, rtol=1e-13)


def test_incomplete_gamma_functions():
    x = torch.tensor([0.1, 1, 5, 20], dtype=torch.float64, requires_grad=True)
    one, half = torch.ones(4, dtype=torch.float64), torch.full((4,), 0.5, dtype=torch.float64)
    close(torch.igamma(one, x), 1 - np.exp(-x.detach().numpy()))
    close(torch.igammac(half, x), [math.erfc(math.sqrt(v)) for v in x.tolist()])
    close(torch.igamma(one, x) + torch.igammac(one, x), np.ones(4))
    assert gradcheck(lambda x: torch.igamma(half, x), (x,))
    assert gradcheck(lambda x: torch.igammac(half * 5, x), (x,))


def test_derivatives_of_special_functions():
    x = torch.tensor([-0.9, -0.3, 0.2, 0.7], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.4, 1.3, 2.2, 6.5, 35], dtype=torch.float64, requires_grad=True)
    for f, at in (
        (torch.erfinv, x),
        (torch.i0, x * 3),
        (lambda v: torch.polygamma(1, v), y),
        (lambda v: torch.polygamma(3, v), y),
        (torch.digamma, y),
        (lambda v: torch.mvlgamma(v + 2, 3), y),
    ):
        at = at.detach().requires_grad_()
        assert gradcheck(f, (at,))
        assert gradgradcheck(f, (at,))


def test_parts_of_floating_point_numbers():
    x = torch.tensor([0.0, 1, -6.5, 2**-140], requires_grad=True)
    mantissa, exponent = torch.frexp(x)
    want = np.frexp(x.detach().numpy())
    assert mantissa.tolist() == want[0].tolist() and exponent.tolist() == want[1].tolist()
    assert torch.nextafter(torch.tensor(1.0), torch.tensor(2.0)) == 1 + 2**-23
    assert torch.angle(torch.tensor([-1.0, 2])).tolist() == [np.float32(math.pi), 0]


# Views, copied and written.


def test_copies_of_views_share_nothing():
    x = torch.arange(6.0).reshape(2, 3)
    for name, args in {
        "diagonal_copy": (),
        "view_copy": ((3, 2),),
        "t_copy": (),
        "select_copy": (0, 1),
        "unbind_copy": (),
        "as_strided_copy": ((2, 2), (1, 2)),
        "split_with_sizes_copy": ((1, 2), 1),
        "alias_copy": (),
    }.items():
        out = getattr(torch, name)(x, *args)
        for part in out if isinstance(out, tuple) else (out,):
            part.fill_(-1)
    assert x.flatten().tolist() == [0, 1, 2, 3, 4, 5]


def test_parts_are_replaced():
    x, v = values(3, 3), values(2, seed=1)
    out = x.diagonal_scatter(v, 1)
    close(out.diagonal(1), v.detach().numpy())
    assert gradcheck(lambda x, v: x.diagonal_scatter(v, 1), (x, v))
    assert gradcheck(lambda x, v: x.as_strided_scatter(v, (2,), (4,), 1), (x, v))
    with pytest.raises(RuntimeError, match="size"):
        x.diagonal_scatter(values(3), 1)


def test_sizes_change_in_place():
    x = torch.arange(6)
    assert x.resize_(2, 2).tolist() == [[0, 1], [2, 3]]
    assert x.resize_(5).shape == (5,) and x[:4].tolist() == [0, 1, 2, 3]
    assert x.resize_as_(torch.ones(1, 3)).shape == (1, 3)
    assert torch.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert torch.empty_permuted((2, 3), (1, 0)).stride() == (1, 2)
    assert torch.nonzero_static(torch.tensor([0, 3, 4]), size=3).tolist() == [[1], [2], [-1]]

"""Forms and types of operators: what PyTorch makes of them, by plain loops in NumPy."""

import itertools

import numpy as np
import pytest

import ballast as torch
import ballast.nn.functional as F

RNG = np.random.default_rng(0)
WHOLE = ("int64", "int32", "int16", "int8", "uint8")


def numbers(*shape: int, dtype: str = "int64") -> np.ndarray:
    low = 0 if dtype == "uint8" else -9
    return RNG.integers(low, 10, shape).astype(dtype)


# --- Products added to a tensor

PRODUCTS = {
    "addmm": ((3, 4), (3, 2), (2, 4), lambda a, b: a @ b),
    "addmv": ((3,), (3, 2), (2,), lambda a, b: a @ b),
    "addbmm": ((3, 4), (5, 3, 2), (5, 2, 4), lambda a, b: (a @ b).sum(0)),
    "baddbmm": ((5, 3, 4), (5, 3, 2), (5, 2, 4), lambda a, b: a @ b),
    "addr": ((3, 4), (3,), (4,), np.multiply.outer),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("dtype", [*WHOLE, "float32", "float64"])
@pytest.mark.parametrize("factors", [(1, 1), (3, -2), (2.5, 1.5), (0.6, 0.2), (0, 2), (2, 0)])
def test_sums_of_products_keep_their_type(name, dtype, factors):
    *shapes, product = PRODUCTS[name]
    c, a, b = (numbers(*s, dtype=dtype) for s in shapes)
    operands = [torch.from_numpy(v.copy()) for v in (c, a, b)]
    beta, alpha = factors
    call = {"beta": beta, "alpha": alpha}
    whole = not dtype.startswith("float")
    if whole and name == "addr" and any(isinstance(f, float) for f in factors):
        with pytest.raises(RuntimeError, match="integral"):
            torch.addr(*operands, **call)
        return
    if whole:
        beta, alpha = int(beta), int(alpha)
    wide = [v.astype("int64" if whole else "float64") for v in (c, a, b)]
    expected = (beta * wide[0] + alpha * product(*wide[1:])).astype(dtype)
    for out in (
        getattr(torch, name)(*operands, **call),
        getattr(operands[0], name)(*operands[1:], **call),
        getattr(operands[0].clone(), name + "_")(*operands[1:], **call),
    ):
        assert str(out.dtype) == f"torch.{dtype}"
        np.testing.assert_allclose(out.numpy(), expected, 1e-5, 1e-5)


@pytest.mark.parametrize("name", PRODUCTS)
def test_nothing_of_a_tensor_without_weight_comes_through(name):
    *shapes, product = PRODUCTS[name]
    a, b = (numbers(*s, dtype="float64") for s in shapes[1:])
    c = torch.full(shapes[0], float("nan"), dtype=torch.float64)
    out = getattr(torch, name)(c, torch.from_numpy(a), torch.from_numpy(b), beta=0)
    np.testing.assert_allclose(out.numpy(), product(a, b))


def test_outer_products_of_bools_are_bools():
    for c, a, b in itertools.product((False, True), repeat=3):
        for beta, alpha in itertools.product((0, 3, True), (0, 2, True)):
            out = torch.addr(
                torch.tensor([[c]]), torch.tensor([a]), torch.tensor([b]), beta=beta, alpha=alpha
            )
            assert out.dtype is torch.bool
            assert out.item() == ((bool(beta) and c) or (bool(alpha) and a and b))


# --- Results of the type that is asked for


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod", "nansum"])
@pytest.mark.parametrize("dtype", [*WHOLE, "float16", "float32", "float64"])
def test_results_are_of_the_type_that_is_asked_for(name, dtype):
    x = torch.from_numpy(RNG.integers(1, 4, (2, 5)))
    wide = getattr(np, name)(x.numpy(), 1)
    out = getattr(torch, name)(x, 1, dtype=getattr(torch, dtype))
    assert str(out.dtype) == f"torch.{dtype}"
    np.testing.assert_array_equal(out.numpy(), wide.astype(dtype))


@pytest.mark.parametrize("name", ["sum", "prod"])
def test_truths_are_summed_to_a_truth(name):
    x = torch.tensor([[True, False], [True, True]])
    expected = {"sum": [True, True], "prod": [False, True]}[name]
    assert getattr(x, name)(1, dtype=torch.bool).tolist() == expected
    assert getattr(x, name)(dtype=torch.bool).item() is (name == "sum")


# --- Whole numbers in pools and convolutions


def pooled(x, kernel, stride, padding, ceil, include, divisor):
    """Means of an int64 plane's windows, rounded towards zero."""
    rows, columns = ([*windows(n, kernel, stride, padding, ceil)] for n in x.shape)
    out = np.zeros((len(rows), len(columns)), np.int64)
    for (i, r), (j, c) in itertools.product(enumerate(rows), enumerate(columns)):
        inside = x[max(r[0], 0) : r[1], max(c[0], 0) : c[1]]
        count = (r[1] - r[0]) * (c[1] - c[0]) if include else inside.size
        out[i, j] = int(inside.sum() / (divisor or count))
    return out


def windows(n, kernel, stride, padding, ceil):
    begin = -padding
    while begin + kernel <= n + padding or (ceil and begin < n and begin + stride > -padding):
        yield begin, min(begin + kernel, n + padding)
        begin += stride


@pytest.mark.parametrize("kernel, stride, padding", [(2, 1, 0), (3, 2, 1), (3, 1, 1), (2, 2, 0)])
@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("divisor", [None, 2, -3])
def test_means_of_whole_numbers_are_whole(kernel, stride, padding, include, divisor):
    x = numbers(5, 7)
    expected = pooled(x, kernel, stride, padding, False, include, divisor)
    plane = torch.from_numpy(x).reshape(1, 1, 5, 7)
    out = F.avg_pool2d(plane, kernel, stride, padding, False, include, divisor)
    assert out.dtype is torch.int64 and np.array_equal(out[0, 0].numpy(), expected)
    # The same windows in a volume of one slice.
    flat = F.avg_pool3d(
        plane.unsqueeze(2),
        (1, kernel, kernel),
        (1, stride, stride),
        (0, padding, padding),
        False,
        include,
        divisor,
    )
    assert np.array_equal(flat[0, 0, 0].numpy(), expected)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}])
def test_transposed_convolutions_of_whole_numbers(rank, options):
    call = f"conv_transpose{rank}d"
    x, w, b = numbers(2, 3, *[4] * rank), numbers(3, 2, *[3] * rank), numbers(2)
    whole = getattr(F, call)(*map(torch.from_numpy, (x, w, b)), **options)
    real = getattr(F, call)(*(torch.from_numpy(v.astype("d")) for v in (x, w, b)), **options)
    assert whole.dtype is torch.int64 and np.array_equal(whole.numpy(), real.numpy())
    with pytest.raises(NotImplementedError):
        getattr(F, call)(*(torch.from_numpy(v.astype("int32")) for v in (x, w)), **options)


def test_response_norm_of_whole_numbers_averages_whole_squares():
    x = numbers(1, 6, 3)
    squares = np.pad(x**2, ((0, 0), (1, 1), (0, 0)))
    means = np.stack([squares[:, c : c + 3].sum(1) // 3 for c in range(6)], 1)
    out = F.local_response_norm(torch.from_numpy(x), 3, 2.0, 0.5, 1.0)
    np.testing.assert_allclose(out.numpy(), x / np.sqrt(means * 2.0 + 1), 1e-6)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "bilinear", "bicubic"])
def test_whole_numbers_are_not_resized(mode):
    for dtype in (torch.int64, torch.int32):
        with pytest.raises(NotImplementedError):
            F.interpolate(torch.ones(1, 1, 3, 3, dtype=dtype), 5, mode=mode)


@pytest.mark.parametrize("padding", ["same", "valid", 1])
def test_convolutions_take_the_same_padding_by_all_names(padding):
    x, w = (torch.from_numpy(numbers(*s, dtype="float32")) for s in ((1, 2, 6, 6), (3, 2, 3, 3)))
    assert torch.equal(torch.conv2d(x, w, padding=padding), F.conv2d(x, w, padding=padding))


# --- Positions

INDEXED = {
    "gather": lambda x, i: x.gather(0, i),
    "scatter": lambda x, i: x.scatter(0, i, x),
    "scatter_add": lambda x, i: x.scatter_add(0, i, x),
    "scatter_reduce": lambda x, i: x.scatter_reduce(0, i, x, "amax"),
    "scatter add": lambda x, i: x.scatter(0, i, x, reduce="add"),
}


@pytest.mark.parametrize("name", INDEXED)
@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool", "float32"])
def test_positions_are_of_both_types_or_none(name, dtype):
    x = torch.arange(4.0, requires_grad=True)
    call = INDEXED[name]
    empty = call(x, torch.zeros(0, dtype=getattr(torch, dtype)))
    assert empty.tolist() == ([] if name == "gather" else x.tolist()) and empty.requires_grad
    index = torch.tensor([3, 0]).to(getattr(torch, dtype))
    if dtype in ("int64", "int32"):
        assert torch.equal(call(x, index), call(x, torch.tensor([3, 0])))
    else:
        with pytest.raises(RuntimeError, match="int32/int64"):
            call(x, index)


@pytest.mark.parametrize("name", INDEXED)
def test_a_tensor_without_dimensions_is_indexed_as_a_vector(name):
    x, one = torch.tensor(3.0), torch.tensor([0])
    assert INDEXED[name](x, torch.tensor(0)).tolist() == INDEXED[name](x, one).sum().item()
    assert INDEXED[name](x.reshape(1), torch.tensor(0)).sum() == INDEXED[name](x, one).sum()


def test_take_along_dim_counts_around_the_end():
    x = numbers(4, 5)
    at = RNG.integers(-20, 20, (4, 3))
    out = torch.take_along_dim(torch.from_numpy(x), torch.from_numpy(at), 1)
    assert np.array_equal(out.numpy(), np.take_along_axis(x, at % 5, 1))


@pytest.mark.parametrize("rows, n, m", [((0,), 0, 0), ((2,), 0, 3), ((0,), 3, 3), ((2, 3), 4, 0)])
def test_searchsorted_in_rows_without_elements(rows, n, m):
    out = torch.searchsorted(torch.zeros(*rows, n), torch.zeros(*rows, m))
    assert tuple(out.shape) == (*rows, m) and not out.any()


# --- Ends


def test_reductions_of_nothing_pass_gradients():
    x = torch.ones(2, 0, requires_grad=True)
    for out in (x.prod(), x.prod(1), torch.linalg.norm(x, 2), x.norm(0)):
        (g,) = torch.autograd.grad(out.sum(), x)
        assert g.shape == x.shape
    assert x.prod(1).tolist() == [1, 1] and torch.linalg.norm(x, 2).item() == 0
    y = torch.tensor([0.0, 3.0, float("nan")], requires_grad=True)
    count = torch.linalg.norm(y, 0)
    assert count.item() == 2 and torch.autograd.grad(count, y)[0].tolist() == [0, 0, 0]


def test_copies_of_views_return_nothing_where_they_write():
    x = torch.arange(6.0).reshape(3, 2)
    outs = [torch.empty(2) for _ in range(3)]
    assert torch.unbind_copy(x, out=outs) is None and torch.equal(torch.stack(outs), x)
    outs = [torch.empty(1, 2), torch.empty(2, 2)]
    assert torch.split_with_sizes_copy(x, (1, 2), out=outs) is None
    assert torch.equal(torch.cat(outs), x)
    with pytest.raises(TypeError):
        torch.nonzero(x, as_tuple=True, out=(torch.empty(0), torch.empty(0)))


def test_float_power_in_place_is_of_float64():
    assert torch.tensor([3.0], dtype=torch.float64).float_power_(2).item() == 9
    for dtype in (torch.float32, torch.int64):
        with pytest.raises(RuntimeError, match="float64"):
            torch.ones(2).to(dtype).float_power_(2)


def test_nothing_has_no_channels_to_normalize():
    for training in (True, False):
        out = F.batch_norm(torch.zeros(0), torch.zeros(0), torch.zeros(0), training=training)
        assert out.shape == (0,)


@pytest.mark.parametrize("targets", [[[1, 2], [3, 9]], [[1, 2], [0, 1]], [[1, -1], [2, 2]]])
@pytest.mark.parametrize("rows", [True, False])
def test_labels_of_ctc_loss_are_checked_by_the_call(targets, rows):
    p = torch.randn(5, 2, 4).log_softmax(2)
    t = torch.tensor(targets)
    with pytest.raises(RuntimeError, match="labels"):
        F.ctc_loss(p, t if rows else t.reshape(-1), [5, 5], [2, 2])


def test_labels_behind_a_target_do_not_count():
    p = torch.randn(5, 2, 4).log_softmax(2)
    padded = F.ctc_loss(p, torch.tensor([[1, 77], [3, 2]]), [5, 5], [1, 2])
    assert padded.item() == F.ctc_loss(p, torch.tensor([1, 3, 2]), [5, 5], [1, 2]).item()

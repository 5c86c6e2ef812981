"""PyTorch's further spellings of calls: `out=`, NumPy's names of arguments, rare options."""

import numpy as np
import pytest

import ballast as torch


def numbers(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def same(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["sin", "abs", "relu_", "logit", "deg2rad", "cumsum", "sum"])
def test_out_takes_the_result_where_the_function_has_it(name):
    x, function = numbers(3, 4), getattr(torch, name)
    args = (1,) if name in ("cumsum", "sum") else ()
    if name == "relu_":
        with pytest.raises(TypeError):
            function(x, out=torch.empty(3, 4))
        return
    wanted = function(x, *args)
    for shape in (wanted.shape, (0,)):
        out = torch.empty(shape, dtype=torch.float64)
        assert function(x, *args, out=out) is out
        same(out, wanted)


def test_out_takes_several_results():
    x = numbers(3, 4)
    values, indices = torch.empty(3, dtype=torch.float64), torch.empty(3, dtype=torch.int64)
    found = torch.max(x, 1, out=(values, indices))
    assert found.values is values and found.indices is indices
    same(values, x.max(1).values)
    same(indices, x.max(1).indices)


def test_out_is_written_where_it_lies():
    whole = torch.zeros(2, 3, dtype=torch.float64)
    torch.add(numbers(3), 1, out=whole[1])
    same(whole[1], numbers(3) + 1)
    assert not whole[0].numpy().any()


def test_out_refuses_types_gradients_and_views():
    x = numbers(3)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.sin(x, out=torch.empty(3, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="automatic differentiation"):
        torch.sin(x.requires_grad_(), out=torch.empty(3, dtype=torch.float64))
    with pytest.raises(TypeError):
        torch.reshape(numbers(3), (3, 1), out=torch.empty(3, 1, dtype=torch.float64))
    with pytest.warns(UserWarning, match="was resized"):
        torch.sin(numbers(3), out=torch.empty(5, dtype=torch.float64))


def test_names_of_numpy():
    x = numbers(3, 4)
    same(x.sum(axis=1, keepdims=True), x.sum(1, True))
    same(torch.mean(x, axis=0), x.mean(0))
    same(torch.add(x1=x, x2=x), x + x)
    same(torch.diff(x, axis=0), x.diff(dim=0))
    with pytest.raises(TypeError):
        x.sum(dim=1, axis=1)


def test_sizes_by_name():
    x = numbers(2, 3)
    assert x.view(size=(3, 2)).shape == (3, 2)
    assert x.reshape(shape=(6,)).shape == (6,)
    assert x.permute(dims=(1, 0)).shape == (3, 2)
    same(x.flip(dims=(0,)), x.flip(0))


def test_rare_options():
    x = numbers(3, 4)
    same(torch.div(x, 0.3, rounding_mode="floor"), (x / 0.3).floor())
    same(torch.div(x, 0.3, rounding_mode="trunc"), (x / 0.3).trunc())
    whole = torch.tensor([-7, 7, -(2**62), 5])
    assert torch.div(whole, 2, rounding_mode="trunc").tolist() == [-3, 3, -(2**61), 2]
    assert torch.div(whole, 2, rounding_mode="floor").tolist() == [-4, 3, -(2**61), 2]
    same(x.sort(stable=True, dim=1)[0], x.sort(1)[0])
    same(torch.logsumexp(x, (0, 1)), x.exp().sum().log())
    same(x.cumsum(0, dtype=torch.float32), x.to(torch.float32).cumsum(0))
    same(x.masked_fill(x > 0, torch.tensor(2.0)), x.clamp(max=0) + 2 * (x > 0))
    for correction in (0, 1, 2.5):
        wanted = np.var(x.numpy(), 1) * 4 / (4 - correction)
        np.testing.assert_allclose(x.var(1, correction=correction).numpy(), wanted)
    assert [t.tolist() for t in torch.where(torch.tensor([0, 3, 4]))] == [[1, 2]]
    assert torch.squeeze(numbers(1, 2, 1), (0, 2)).shape == (2,)


def test_in_place_forms_take_what_the_functions_take():
    x, y = numbers(3, 4), numbers(3, 4, seed=1)
    same(x.clone().clamp_(y, y + 1), x.clamp(y, y + 1))
    same(x.abs().pow_(y), x.abs().pow(y))
    same(x.clone().lerp_(y, y), x.lerp(y, y))
    same(x.clone().div_(y, rounding_mode="floor"), x.div(y, rounding_mode="floor"))
    z = x.abs()
    kept = z
    z **= y
    assert z is kept
    same(z, x.abs().pow(y))
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.ones(3, dtype=torch.int64).sin_()


def test_a_call_that_fits_nothing_says_what_would():
    with pytest.raises(TypeError, match="supported"):
        numbers(3).sort(nonsense=1)


MAKERS = {
    "zeros": (2,),
    "ones": (2,),
    "empty": (2,),
    "full": ((2,), 1),
    "arange": (3,),
    "linspace": (0, 1, 3),
    "eye": (2,),
    "rand": (2,),
    "randn": (2,),
    "randint": (0, 3, (2,)),
    "randperm": (3,),
    "zeros_like": (torch.ones(2),),
    "full_like": (torch.ones(2), 3),
    "rand_like": (torch.ones(2),),
}


@pytest.mark.parametrize("name", MAKERS)
def test_layouts_of_new_tensors(name):
    made = getattr(torch, name)(*MAKERS[name], layout=torch.strided, pin_memory=False)
    assert made.shape == getattr(torch, name)(*MAKERS[name]).shape
    for option in ({"layout": torch.sparse_coo}, {"pin_memory": True}):
        with pytest.raises(NotImplementedError, match="tensors lie row by row"):
            getattr(torch, name)(*MAKERS[name], **option)


def test_only_new_tensors_take_a_layout():
    assert torch.ones(1).new_zeros(2, layout=torch.strided).tolist() == [0, 0]
    for f in (torch.relu, torch.abs):
        with pytest.raises(TypeError):
            f(torch.ones(2), layout=torch.strided)


def test_tensor_split_takes_positions_and_sections_by_name():
    x = torch.arange(5)
    for parts in (torch.tensor_split(x, indices=(2,)), x.tensor_split(indices=[2], dim=0)):
        assert [p.tolist() for p in parts] == [[0, 1], [2, 3, 4]]
    assert [p.tolist() for p in torch.tensor_split(x, sections=2)] == [[0, 1, 2], [3, 4]]
    for wrong in ({}, {"sections": 2, "indices": (1,)}):
        with pytest.raises(TypeError):
            torch.tensor_split(x, **wrong)

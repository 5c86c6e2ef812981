import copy
import pickle

import numpy as np
import pytest

import ballast as torch


def test_prints_as_pytorch_does():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert repr(x) == "tensor([[1., 2.],\n        [3., 4.]], requires_grad=True)"
    assert repr(x.shape) == "torch.Size([2, 2])"
    assert repr(x.dtype) == "torch.float32"
    assert str(x.device) == "cpu"
    assert repr(torch.tensor([1.5], dtype=torch.float64)) == "tensor([1.5000], dtype=torch.float64)"


def test_types_of_python_numbers():
    assert torch.tensor(1).dtype is torch.int64
    assert torch.tensor(1.0).dtype is torch.float32
    assert torch.tensor([True]).dtype is torch.bool
    assert torch.tensor([1, 2.5]).tolist() == [1.0, 2.5]
    assert torch.tensor([[1, 2]], dtype=float).dtype is torch.float32
    assert torch.tensor(np.ones(2)).dtype is torch.float64


def test_arithmetic_with_numbers_on_both_sides():
    x = torch.tensor([1.0, 2.0, 4.0])
    assert (2 * x + 1 - x / 2).tolist() == [2.5, 4.0, 7.0]
    assert (1 - x).tolist() == [0.0, -1.0, -3.0]
    assert (8 / x).tolist() == [8.0, 4.0, 2.0]
    assert (x**2).tolist() == [1.0, 4.0, 16.0]
    assert (-x).abs().tolist() == x.tolist()
    assert (x > 1.5).tolist() == [False, True, True]
    assert ((x == 2) | ~(x < 4)).tolist() == [False, True, True]
    assert (torch.tensor([1, 2]) + 1).dtype is torch.int64
    with pytest.raises(TypeError):
        x + "1"


KEYS = [
    0,
    -1,
    slice(1, None),
    slice(None, None, 2),
    (slice(None), 1),
    (0, 1, 2),
    (Ellipsis, 0),
    (None, 0),
    (slice(None), None, slice(0, 2)),
    (slice(0, 1), Ellipsis, slice(1, 3)),
    [2, 0],
    (slice(None), [1, 0, 1]),
    ([0, 1], [2, 1]),
    ([0, 1], slice(None), [3, 0]),
    slice(2, 1),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_agrees_with_numpy(key):
    a = np.arange(60, dtype=np.float32).reshape(3, 5, 4)
    assert np.array_equal(torch.tensor(a)[key].numpy(), a[key])
    assert np.array_equal(torch.from_numpy(a)[key].numpy(), a[key])
    t = torch.tensor(a)
    t[key] = -1.0
    b = a.copy()
    b[key] = -1
    assert np.array_equal(t.numpy(), b)


def test_masks_read_and_write():
    x = torch.tensor([[1.0, -2.0], [-3.0, 4.0]])
    assert x[x > 0].tolist() == [1.0, 4.0]
    x[x < 0] = 0
    assert x.tolist() == [[1.0, 0.0], [0.0, 4.0]]
    with pytest.raises(IndexError, match="shape of the mask"):
        x[torch.tensor([True, False, True])]


def test_index_errors_are_pytorchs():
    x = torch.zeros(2, 3)
    with pytest.raises(IndexError, match="index 2 is out of bounds for dimension 0 with size 2"):
        x[2]
    with pytest.raises(IndexError, match="index -3 is out of bounds for dimension 0 with size 2"):
        x[torch.tensor([0, -3])]
    with pytest.raises(IndexError, match="too many indices for tensor of dimension 2"):
        x[0, 0, 0]
    with pytest.raises(TypeError, match="0-d tensor"):
        len(torch.tensor(1.0))


def test_writing_is_differentiable():
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    y[1] = 5.0
    y.sum().backward()
    assert y.tolist() == [2.0, 5.0, 2.0]
    assert x.grad.tolist() == [2.0, 0.0, 2.0]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        x[0] = 1.0


def test_gradients_accumulate():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    (x * x).sum().backward()
    assert x.grad.tolist() == [4.0, 8.0]
    x.grad.zero_()
    assert x.grad.tolist() == [0.0, 0.0]
    x.grad = None
    assert x.grad is None


def test_autograd_grad_leaves_grad_alone():
    x = torch.tensor(3.0, requires_grad=True)
    (g,) = torch.autograd.grad(x**3, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert (g.item(), h.item()) == (27.0, 18.0)
    assert x.grad is None


def test_no_grad_as_context_and_decorator():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad

    @torch.no_grad()
    def evaluate():
        return x * 2

    assert not evaluate().requires_grad
    assert (x * 2).requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_in_place_updates_of_a_leaf():
    w = torch.ones(2, requires_grad=True)
    (w * 3).sum().backward()
    with torch.no_grad():
        w -= 0.5 * w.grad
        w.mul_(2)
    assert w.tolist() == [-1.0, -1.0]
    assert w.is_leaf and w.requires_grad
    w.data.fill_(4.0)
    assert w.tolist() == [4.0, 4.0]
    with pytest.raises(RuntimeError, match="leaf Variable"):
        w.add_(1)


def test_numpy_shares_memory_both_ways():
    a = np.arange(4, dtype=np.float32)
    t = torch.from_numpy(a)
    later = t + 0  # reads the array as it is now
    a[0] = 9
    assert t[0].item() == 9.0
    assert later[0].item() == 0.0
    b = torch.ones(3).numpy()
    assert b.sum() == 3
    assert t.numpy().ctypes.data == a.ctypes.data
    assert np.asarray(torch.ones(2)).dtype == np.float32


def test_arrays_of_parameters_write_to_them():
    w = torch.ones(2, requires_grad=True)
    product = w * 1
    w.detach().numpy()[0] = 5
    assert w.tolist() == [5.0, 1.0]
    assert product.tolist() == [1.0, 1.0]


def test_arrays_write_to_no_other_tensor():
    x = torch.tensor([1.0, 2.0])
    y, z = x.clone(), torch.zeros(2)
    z.copy_(x)
    doubled = x * 2
    x.numpy()[:] = 9
    assert x.tolist() == [9.0, 9.0]
    assert y.tolist() == z.tolist() == [1.0, 2.0]
    assert doubled.tolist() == [2.0, 4.0]


def test_results_become_arrays_without_a_copy():
    y = (torch.ones(4) * 2).relu()
    assert y.numpy().ctypes.data == y.data_ptr()


def test_the_old_constructor():
    assert torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor(2, 3).shape == (2, 3)


def test_numpy_layouts_that_cannot_be_shared_are_copied():
    a = np.arange(6.0).reshape(2, 3).T
    assert torch.from_numpy(a).tolist() == a.tolist()
    assert torch.from_numpy(np.arange(3, dtype=np.int32)).dtype is torch.int32
    with pytest.raises(TypeError, match="complex"):
        torch.from_numpy(np.zeros(2, dtype=np.complex64))
    with pytest.raises(RuntimeError, match="Use tensor.detach"):
        torch.ones(1, requires_grad=True).numpy()


def test_dlpack_both_ways():
    t = torch.arange(3)
    assert np.from_dlpack(t).tolist() == [0, 1, 2]
    a = np.ones((2, 2))
    u = torch.from_dlpack(a)
    a[0, 0] = 5
    assert u.tolist() == [[5.0, 1.0], [1.0, 1.0]]


def test_copies_and_pickles():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = copy.deepcopy(x)
    z = pickle.loads(pickle.dumps(x))
    with torch.no_grad():
        x.zero_()
    assert y.tolist() == z.tolist() == [1.0, 2.0]
    assert y.requires_grad and z.requires_grad


def test_conversions():
    x = torch.tensor([2.5])
    assert float(x) == 2.5 and int(x) == 2 and bool(x)
    assert f"{x.sum():.1f}" == "2.5"
    assert x.long().dtype is torch.int64
    assert x.to(torch.float64).dtype is torch.float64
    assert x.to("cpu") is x
    with pytest.raises(RuntimeError, match="ambiguous"):
        bool(torch.zeros(2))
    with pytest.raises(RuntimeError, match="cannot be converted to Scalar"):
        torch.zeros(2).item()
    with pytest.raises(RuntimeError, match="CPU"):
        x.to("cuda")


def test_tensors_are_keys():
    x, y = torch.ones(2), torch.ones(2)
    names = {x: "x", y: "y"}
    assert names[x] == "x" and names[y] == "y"


def test_named_results():
    m = torch.max(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    assert m.values.tolist() == [5.0, 7.0]
    values, indices = m
    assert indices.tolist() == [1, 0]


def test_same_seed_same_numbers():
    torch.manual_seed(0)
    assert repr(torch.rand(3)) == "tensor([0.4963, 0.7682, 0.0885])"
    g = torch.Generator().manual_seed(0)
    assert repr(torch.rand(3, generator=g)) == "tensor([0.4963, 0.7682, 0.0885])"


def test_iterating():
    assert [row.tolist() for row in torch.arange(4).reshape(2, 2)] == [[0, 1], [2, 3]]
    a, b = torch.tensor([1.0, 2.0])
    assert b.item() == 2.0


def test_division_rounds_down_as_python_does():
    a = np.array([-7, -1, 0, 3, 8])
    t = torch.from_numpy(a)
    assert (t % 3).tolist() == (a % 3).tolist()
    assert (t // 3).tolist() == (a // 3).tolist()
    assert (t // 3).dtype is torch.int64
    assert (torch.tensor([-0.5, 2.5]) % 1).tolist() == [0.5, 0.5]


def test_taking_apart():
    x = torch.arange(8).reshape(2, 4)
    assert [p.shape[1] for p in x.split(3, dim=1)] == [3, 1]
    assert [p.shape[1] for p in torch.split(x, [1, 3], 1)] == [1, 3]
    assert [p.tolist() for p in x.chunk(2)] == [[[0, 1, 2, 3]], [[4, 5, 6, 7]]]


def test_positions_and_choices():
    x = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert torch.where(x > 0, 1.0, 0.0).tolist() == [[0, 1], [1, 0]]
    assert x.clamp_max(2).tolist() == [[0, 2], [2, 0]]
    assert x.stride() == (2, 1)
    assert x.type() == "torch.FloatTensor"

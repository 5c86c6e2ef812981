"""Memory shared with NumPy and, where it is installed, PyTorch."""

import numpy as np
import pytest

import ballast as torch

try:
    import torch as pytorch
except ImportError:
    pytorch = None

needs_pytorch = pytest.mark.skipif(pytorch is None, reason="PyTorch is not installed")
TYPES = ["float32", "float64", "int64", "uint8", "bool"]


@pytest.mark.parametrize("dtype", TYPES)
def test_dlpack_shares_memory_with_numpy_both_ways(dtype):
    a = np.arange(6).reshape(2, 3).astype(dtype)
    t = torch.from_dlpack(a)
    assert t.dtype is getattr(torch, dtype) and t.tolist() == a.tolist()
    a[0, 0] = 1
    assert t[0, 0].item() == 1
    b = np.from_dlpack(t)
    assert b.dtype == dtype and b.ctypes.data == a.ctypes.data == t.data_ptr()


def test_an_operation_reads_shared_memory_as_it_was_when_it_was_called():
    a = np.ones(3, np.float32)
    for t in (torch.from_dlpack(a), torch.from_numpy(a)):
        a[:] = 1
        y = t + 1
        a[:] = 5
        assert y.tolist() == [2, 2, 2] and t.tolist() == [5, 5, 5]


def test_arrays_of_other_layouts_and_types_are_copied():
    a = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert torch.from_dlpack(a).tolist() == a.tolist()
    b = np.arange(3, dtype=np.int32)
    assert torch.from_dlpack(b).dtype is torch.int32 and torch.from_dlpack(b).tolist() == [0, 1, 2]
    c = np.ones(3, np.float32)
    c.flags.writeable = False
    assert torch.tensor(c).tolist() == [1, 1, 1]


def test_shapes_without_dimensions_or_elements():
    for shape in [(), (0,), (2, 0, 3), (1, 1)]:
        a = np.zeros(shape, np.float32)
        assert torch.from_dlpack(a).shape == shape
        assert np.from_dlpack(torch.zeros(*shape)).shape == shape if shape else True


def test_memory_lives_as_long_as_anyone_reads_it():
    b = np.from_dlpack(torch.arange(1000) * 2)
    t = torch.from_dlpack(np.arange(1000) * 2)
    assert (b == t.numpy()).all()


def test_arrays_by_protocol():
    t = torch.arange(3)
    assert np.asarray(t).ctypes.data == t.data_ptr()
    assert np.asarray(t, dtype=np.float32).tolist() == [0, 1, 2]
    assert np.array(t).ctypes.data != t.data_ptr()
    assert t.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(1, requires_grad=True).__dlpack__()
    with pytest.raises(TypeError):
        torch.from_dlpack([1, 2])


@needs_pytorch
@pytest.mark.parametrize("dtype", TYPES)
def test_pytorch_shares_memory_both_ways(dtype):
    theirs = pytorch.arange(6).reshape(2, 3).to(getattr(pytorch, dtype))
    ours = torch.from_dlpack(theirs)
    assert ours.data_ptr() == theirs.data_ptr() and ours.tolist() == theirs.tolist()
    back = pytorch.from_dlpack(torch.ones(2, 2).to(getattr(torch, dtype)))
    assert back.dtype is getattr(pytorch, dtype) and back.sum().item() == 4
    assert pytorch.from_dlpack(ours).data_ptr() == theirs.data_ptr()


@needs_pytorch
def test_pytorchs_views_are_copied():
    theirs = pytorch.arange(6.0).reshape(2, 3).t()
    assert torch.from_dlpack(theirs).tolist() == theirs.tolist()

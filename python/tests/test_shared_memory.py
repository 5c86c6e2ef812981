"""Tensors, their views and arrays that share memory show each other's writes, as in NumPy.

Random programs make views of views of one memory, lend it, write to any of them and look at all.
The oracle is NumPy: the same program on arrays and their views.
"""

import gc
import random

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import ballast as torch
import ballast.nn as nn

TYPES = ("float32", "float64", "float16", "int64", "int32", "int8", "uint8", "bool")


def windows(array: np.ndarray, dim: int, size: int, step: int) -> np.ndarray:
    """Show an array as `unfold` shows a tensor."""
    shape, strides = list(array.shape), list(array.strides)
    shape[dim] = (shape[dim] - size) // step + 1
    strides.append(strides[dim])
    strides[dim] *= step
    return as_strided(array, (*shape, size), strides)


def same_elements(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Show an array under another shape; raises AttributeError where that needs a copy."""
    out = array.view()
    out.shape = shape
    return out


def a_slice(r: random.Random, n: int) -> slice:
    start = r.randrange(n)
    return slice(start, r.randint(start, n) if r.random() < 0.7 else None, r.choice((1, 1, 2, 3)))


def a_key(r: random.Random, shape) -> tuple:
    key = [a_slice(r, n) if r.random() < 0.6 else r.randrange(-n, n) for n in shape]
    return (*key[: r.randint(1, len(key))], *r.choice(((), (None,))))


def a_shape(r: random.Random, n: int) -> tuple[int, ...]:
    rows = r.choice([d for d in range(1, n + 1) if n % d == 0])
    return r.choice(((n,), (rows, n // rows), (1, rows, n // rows)))


def view_of(r: random.Random, t, a: np.ndarray):
    """Make a random view of a tensor, and of the array that stands for it."""
    names = ["detach", "unsqueeze", "expand", "same", "as_strided"]
    if a.ndim:
        names += ["key", "key", "slice", "select", "narrow", "squeeze"]
        names += ["unfold", "permute", "view", "flatten"]
        if not t.requires_grad:  # else their parts must not be written to
            names += ["unbind", "split", "chunk"]
    if a.ndim > 1:
        names += ["t", "transpose", "diagonal", "T"]
    name = r.choice(names) if 0 not in a.shape else "detach"
    d = r.randrange(a.ndim) if a.ndim else 0
    n = a.shape[d] if a.ndim else 1
    if name == "detach":
        return t.detach(), a
    if name == "same":
        return t[...], a
    if name == "unsqueeze":
        return t.unsqueeze(d), np.expand_dims(a, d)
    if name == "expand":
        shape = (2, *[3 if s == 1 else s for s in a.shape])
        steps = (0, *[0 if n == 1 else s for n, s in zip(a.shape, a.strides, strict=True)])
        return t.expand(shape), as_strided(a, shape, steps)
    if name == "as_strided":
        # The first elements of the memory, however many there surely are.
        if any(s < 0 for s in a.strides) or a.size < 2:
            return t.detach(), a
        steps = [s // a.itemsize for s in a.strides]
        shape = [r.randint(1, s) for s in a.shape]
        offset = t.storage_offset()
        try:
            return t.as_strided(shape, steps, offset), a[tuple(slice(s) for s in shape)]
        except RuntimeError:  # the last view of a computed tensor that is gone
            return t.detach(), a
    if name == "key":
        key = a_key(r, a.shape)
        return t[key], a[(*key, ...)]
    if name == "slice":
        key = (*[slice(None)] * d, a_slice(r, n))
        return t[key], a[key]
    if name in ("select", "unbind"):
        i = r.randrange(n)
        shown = np.moveaxis(a, d, 0)[i, ...]
        return t.select(d, i - n) if name == "select" else t.unbind(d)[i], shown
    if name == "narrow":
        start = r.randrange(n)
        length = r.randint(1, n - start)
        return t.narrow(d, start, length), a[(*[slice(None)] * d, slice(start, start + length))]
    if name in ("split", "chunk"):
        size = r.randint(1, n)
        parts = t.split(size, d) if name == "split" else t.chunk(-(-n // size), d)
        i = r.randrange(len(parts))
        start = sum(p.shape[d] for p in parts[:i])
        stop = start + parts[i].shape[d]
        return parts[i], a[(*[slice(None)] * d, slice(start, stop))]
    if name == "squeeze":
        return t.squeeze(), a[tuple(0 if s == 1 else slice(None) for s in a.shape) + (...,)]
    if name == "unfold":
        size, step = r.randint(1, n), r.randint(1, 2)
        return t.unfold(d, size, step), windows(a, d, size, step)
    if name == "permute":
        order = r.sample(range(a.ndim), a.ndim)
        return t.permute(*order), a.transpose(order)
    if name in ("view", "flatten"):
        shape = a_shape(r, a.size) if name == "view" else (a.size,)
        try:
            return t.view(*shape), same_elements(a, shape)
        except (AttributeError, RuntimeError):
            return t.detach(), a
    if name == "diagonal":
        return t.diagonal(), as_strided(
            a,
            (*a.shape[2:], min(a.shape[:2])),
            (*a.strides[2:], a.strides[0] + a.strides[1]),
        )
    if name == "t" and a.ndim == 2:
        return t.t(), a.T
    if name == "T":
        return t.permute(*reversed(range(a.ndim))), a.T
    return t.transpose(0, d), a.swapaxes(0, d)


def overlaps(a: np.ndarray) -> bool:
    """Whether several elements of an array may be one in memory."""
    span = 1 + sum((n - 1) * abs(s) // a.itemsize for n, s in zip(a.shape, a.strides, strict=True))
    return span < a.size or 0 in a.strides


class Program:
    """One memory with everything that shows it, here and in NumPy."""

    def __init__(self, seed: int):
        self.r = random.Random(seed)
        self.random = np.random.default_rng(seed)
        self.type = self.r.choice(TYPES)
        shape = self.r.choice(((6,), (4, 3), (2, 3, 4), (3, 3), (1, 5), (2, 1, 3), ()))
        start = self.values(shape)
        self.expected = start.copy()
        self.memory = self.expected
        self.arrays = []
        self.optimizer = None
        base = self.source(start)
        self.tensors = [(base, self.memory)]

    def values(self, shape) -> np.ndarray:
        return self.random.integers(0, 2 if self.type == "bool" else 50, shape).astype(self.type)

    def source(self, start: np.ndarray):
        kind = self.r.choice(("array", "strided", "parameter", "computed"))
        if kind == "array":
            self.arrays.append((start, self.memory))
            return torch.from_numpy(start)
        if kind == "strided" and start.ndim > 1:
            key = tuple(a_slice(self.r, n) for n in start.shape)
            self.arrays.append((start, self.expected))
            self.memory = self.expected[key].T
            return torch.from_numpy(start[key].T)
        if kind == "parameter" and self.type in ("float32", "float64"):
            p = nn.Parameter(torch.tensor(start))
            self.optimizer = torch.optim.SGD([p], lr=1.0)
            self.parameter = p
            if self.r.random() < 0.5:
                self.arrays.append((p.detach().numpy(), self.memory))
            return p
        return torch.tensor(start) + torch.zeros(start.shape, dtype=torch.tensor(start).dtype)

    def view(self):
        t, a = self.r.choice(self.tensors)
        made = view_of(self.r, t, a)
        assert tuple(made[0].shape) == made[1].shape
        if made[1].size < 200:
            self.tensors.append(made)

    def lend(self):
        t, a = self.r.choice(self.tensors)
        self.arrays.append((t.detach().numpy(), a))

    def forget(self):
        if len(self.tensors) > 1:
            self.tensors.pop(self.r.randrange(len(self.tensors)))
        if self.arrays and self.r.random() < 0.3:
            self.arrays.pop(self.r.randrange(len(self.arrays)))
        gc.collect(0)

    def write_array(self):
        if not self.arrays:
            return
        got, expected = self.r.choice(self.arrays)
        got[...] = expected[...] = self.values(() if overlaps(expected) else expected.shape)

    @torch.no_grad()
    def write_tensor(self):
        t, a = self.r.choice(self.tensors)
        if t.requires_grad and t.is_leaf and self.r.random() < 0.5:
            t = t.data
        if overlaps(a):
            value = self.values(())
            t.fill_(value.item())
            a[...] = value
            return
        value = self.values(a.shape)
        how = self.r.choice(("fill_", "copy_", "set", "zero_", "add_", "part", "from"))
        if how == "fill_":
            value = self.values(())
            t.fill_(value.item())
            a[...] = value
        elif how == "zero_":
            t.zero_()
            a[...] = 0
        elif how == "add_" and self.type != "bool":
            t.add_(3)
            a += np.asarray(3, self.type)
        elif how == "part" and a.ndim and a.size:
            key = a_key(self.r, a.shape)
            t[key] = 1
            a[key] = 1
        elif how == "from":
            other, b = self.r.choice(self.tensors)
            if b.shape == a.shape:
                t.copy_(other.clone())
                a[...] = b.copy()
        elif how == "set":
            t[...] = torch.tensor(value)
            a[...] = value
        else:
            t.copy_(torch.tensor(value))
            a[...] = value

    def step(self):
        if self.optimizer is None:
            return
        gradient = self.values(self.memory.shape)
        self.parameter.grad = torch.tensor(gradient)
        self.optimizer.step()
        self.memory -= gradient

    def look(self):
        for got, expected in self.arrays:
            np.testing.assert_array_equal(got, expected)
        for t, a in self.tensors:
            how = self.r.randrange(5)
            if how == 0 and self.type != "bool":
                got = (t.detach() + 0).numpy()
            elif how == 1:
                got = np.asarray(t.tolist(), self.type).reshape(a.shape)
            elif how == 2:
                got = t.detach().clone().numpy()
            elif how == 3:
                got = torch.stack([t.detach()])[0].numpy()
            else:
                got = t.detach().contiguous().reshape(-1).clone().numpy().reshape(a.shape)
            np.testing.assert_array_equal(got, a)

    def run(self, steps: int = 14):
        actions = [self.view, self.view, self.view, self.write_array, self.write_tensor]
        actions += [self.write_tensor, self.step, self.lend, self.forget, self.look]
        for _ in range(steps):
            self.r.choice(actions)()
        self.look()


@pytest.mark.parametrize("start", range(0, 800, 100))
def test_random_programs_agree_with_numpy(start):
    for seed in range(start, start + 100):
        try:
            Program(seed).run()
        except Exception as error:
            raise AssertionError(f"program {seed}: {error}") from error


def test_arrays_of_a_parameter_show_what_optimizers_write():
    for make in (torch.optim.SGD, torch.optim.Adam, torch.optim.RMSprop):
        p, q = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))
        array = p.data.numpy()
        ours, theirs = make([p], lr=0.1), make([q], lr=0.1)
        for _ in range(3):
            for parameter, optimizer in ((p, ours), (q, theirs)):
                optimizer.zero_grad()
                (parameter**2).sum().backward()
                optimizer.step()
            assert array.tolist() == p.tolist() == q.tolist()


def test_a_parameter_in_an_array_is_trained_there():
    array = np.ones((3, 4), "f")
    for view in (lambda x: x, lambda x: x.t(), lambda x: x[:, 1:3], lambda x: x[1]):
        array[:] = 1
        p = view(torch.from_numpy(array)).requires_grad_()
        p.sum().backward()
        torch.optim.SGD([p], lr=1.0).step()
        assert (p == 0).all() and array.sum() == 12 - p.numel()


def test_arrays_show_running_statistics_and_accumulated_gradients():
    norm = nn.BatchNorm1d(2)
    mean, count = norm.running_mean.numpy(), norm.num_batches_tracked.numpy()
    norm(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    np.testing.assert_allclose(mean, [0.2, 0.4], rtol=1e-6)
    assert count == 1 and norm.running_mean.tolist() == mean.tolist()
    w = torch.ones(2, requires_grad=True)
    w.sum().backward()
    array = w.grad.numpy()
    (w * 2).sum().backward()
    assert array.tolist() == [3, 3]


def test_gradients_pass_through_lent_memory():
    p = nn.Parameter(torch.ones(2, 3))
    array = p.detach().numpy()
    column = p.t()[1]
    array[:] = 2
    (column**2).sum().backward()
    assert p.grad.tolist() == [[0, 4, 0], [0, 4, 0]]
    y = p * 1
    values = y.detach().numpy()
    y.mul_(3)
    assert values.tolist() == [[6.0] * 3] * 2
    y[0].mul_(2)
    assert values.tolist() == [[12.0] * 3, [6.0] * 3]
    p.grad = None
    y.sum().backward()
    assert p.grad.tolist() == [[6] * 3, [3] * 3]


def test_what_was_called_before_a_write_reads_what_was_there():
    array = np.ones((2, 3), "f")
    x = torch.from_numpy(array)
    totals = [view.sum() for view in (x, x.t(), x[:, ::2], x.expand(2, 2, 3), x.unfold(1, 2, 1))]
    copies = [x.t().reshape(-1), x.t().clone(), x.t().contiguous(), x[:, ::2] + 0]
    array[:] = 5
    assert [t.item() for t in totals] == [6, 6, 4, 12, 8]
    assert all((c == 1).all() for c in copies)


def test_arrays_that_cannot_be_shared_are_refused():
    array = np.arange(6.0)
    for bad, words in (
        (array[::-1], "negative"),
        (array.astype(">f8"), "byte order"),
        (np.zeros(3, [("a", "i1"), ("b", "f8")])["b"], "multiple of the element"),
    ):
        with pytest.raises(ValueError, match=words):
            torch.from_numpy(bad)
        assert torch.tensor(bad).tolist() == bad.tolist()
    assert torch.from_numpy(array.reshape(2, 3).T).stride() == (1, 3)


def test_a_view_of_a_view_counts_in_the_memory_of_its_base():
    x = torch.arange(12.0)
    row = x.view(3, 4)[1]
    assert row.as_strided((2, 2), (1, 4)).tolist() == [[4, 8], [5, 9]]
    assert row.as_strided((2,), (1,), 0).tolist() == [0, 1]
    row.as_strided((2,), (6,), 0).fill_(-1)
    assert x.tolist() == [-1, 1, 2, 3, 4, 5, -1, 7, 8, 9, 10, 11]
    for size, offset in ((9, 4), (1, 12), (1, -1)):
        with pytest.raises(RuntimeError, match="as_strided"):
            row.as_strided((size,), (1,), offset)


def test_unfold_is_a_view_of_any_tensor():
    x = torch.zeros(4, 6)
    for view in (x, x.t(), x[:, ::2], x[1]):
        windows = view.unfold(0, 2, 1)
        x.zero_()
        windows[0].fill_(1)
        assert x.sum().item() == windows[0].numel()
    w = torch.ones(4, requires_grad=True)
    (w * 2).unfold(0, 3, 1).sum().backward()
    assert w.grad.tolist() == [2, 4, 4, 2]


def test_expanded_tensors_are_filled():
    x = torch.zeros(3, 1)
    x.expand(3, 4).fill_(2)
    assert x.tolist() == [[2]] * 3
    x.expand(2, 3, 4).zero_()
    assert x.tolist() == [[0]] * 3
    with pytest.raises(RuntimeError, match="single memory location"):
        x.expand(3, 4).add_(1)

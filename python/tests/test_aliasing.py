"""Which results share memory with what they were made of, and what a write to them changes."""

import json
import pathlib

import numpy as np
import pytest
import sharing

import ballast as torch
import ballast.nn as nn

SHARING = json.loads((pathlib.Path(__file__).parent / "sharing.json").read_text())
CONTIGUOUS = {
    "slice": lambda t: t[1:],
    "view": lambda t: t.view(2, 2),
    "unsqueeze": lambda t: t.unsqueeze(0),
    "narrow": lambda t: t.narrow(0, 1, 2),
    "detach": lambda t: t.detach(),
    "item": lambda t: t[3],
    "split": lambda t: t.split(2)[1],
    "unbind": lambda t: t.unbind()[2],
    "select": lambda t: t.view(2, 2)[1],
}


@pytest.mark.parametrize("name", sorted(SHARING))
def test_results_are_new_where_they_are_in_pytorch(name):
    place, function = name.split(".")
    wrong, answers = [], 0
    for key, expected in SHARING[name].items():
        for case in sharing.cases(key):
            try:
                got = sharing.answer(torch, place, function, *case)
            except Exception:  # refused, or not there: other tests say so
                continue
            answers += 1
            if got is not None and (got == "new") != (expected == "new"):
                wrong.append((case, got, expected))
    assert not wrong and answers


@pytest.mark.parametrize("name", CONTIGUOUS)
def test_views_of_an_array_show_what_is_written_to_it(name):
    array = np.ones(4, "f")
    view = CONTIGUOUS[name](torch.from_numpy(array))
    total = view.sum()
    array[:] = 5
    assert (view == 5).all() and total.item() == view.numel()
    view.fill_(7)
    assert 7 in array.tolist()


def test_views_of_an_array_outlive_it():
    array = np.zeros((4, 3), "f")
    x = torch.from_numpy(array)
    a, b, column = x[:2], x[2:], x[:, 1]
    del x
    b.fill_(1)
    assert a.detach().numpy().shape == (2, 3) and b.numpy().sum() == 6
    column.fill_(2)
    assert array.tolist() == [[0, 2, 0], [0, 2, 0], [1, 2, 1], [1, 2, 1]]
    assert a.tolist() == array[:2].tolist()


def test_arrays_of_a_parameter_show_its_training_and_are_seen_by_it():
    p = nn.Parameter(torch.ones(4))
    array = p.detach().numpy()
    with torch.no_grad():
        p.mul_(2)
    assert array.tolist() == [2] * 4
    loss = (p * p).sum()
    array[:] = 3  # too late for what has been called
    loss.backward()
    assert loss.item() == 16 and p.grad.tolist() == [4] * 4
    assert (p * 1).tolist() == [3] * 4


WRITES = {
    "zero_": lambda y: y.zero_(),
    "fill_": lambda y: y.fill_(2),
    "fill_tensor": lambda y: y.fill_(torch.tensor(2.0)),
    "slice": lambda y: y.__setitem__(slice(None), 0),
    "ellipsis": lambda y: y.__setitem__(Ellipsis, 0),
    "copy_": lambda y: y.copy_(torch.ones(3)),
    "view": lambda y: y.view(-1).zero_(),
    "masked_fill_": lambda y: y.masked_fill_(y == y, 1),
    "normal_": lambda y: y.normal_(),
}


@pytest.mark.parametrize("name", WRITES)
def test_what_is_overwritten_stays_in_the_graph(name):
    w = torch.ones(3, requires_grad=True)
    y = w * 1
    WRITES[name](y)
    assert y.requires_grad and not y.is_leaf
    y.sum().backward()
    assert w.grad.tolist() == [0, 0, 0]


def test_a_copy_of_what_depends_on_the_old_value_is_followed():
    w = torch.ones(3, requires_grad=True)
    y = w * 1
    y.copy_(y * y * 3)
    y.sum().backward()
    assert w.grad.tolist() == [6, 6, 6]


@pytest.mark.parametrize("offset", [-1, 0, 1, 5])
def test_a_diagonal_is_a_view(offset):
    x = torch.zeros(2, 3, 4)
    for base in (x, x.transpose(0, 1), x[:, 1:], x[..., ::2]):
        for a, b in ((0, 1), (1, 2), (2, 0)):
            places = torch.arange(base.numel()).reshape(base.shape).diagonal(offset, a, b)
            x.zero_()
            base.diagonal(offset, a, b).fill_(1)
            seen = base.reshape(-1)
            assert seen.sum().item() == places.numel()
            assert seen[places.reshape(-1)].sum().item() == places.numel()
    w = torch.ones(3, 3, requires_grad=True)
    y = w * 2
    y.diagonal().mul_(5)
    y.sum().backward()
    assert w.grad.tolist() == [[10, 2, 2], [2, 10, 2], [2, 2, 10]]


@pytest.mark.parametrize("sign", ["+", "-", "*", "//", "%", "**", "&", "|", "^", "<<", ">>"])
def test_augmented_assignments_are_in_place(sign):
    a = torch.tensor([7, 5])
    for b in (torch.tensor([2, 1]), 2):
        names = {"a": a, "b": b}
        exec(f"a {sign}= b", names)
        assert names["a"] is a


VIEWS = {
    "rows": lambda t: t[1:],
    "columns": lambda t: t[:, 1:],
    "step": lambda t: t[:, ::2],
    "transposed": lambda t: t.t(),
    "diagonal": lambda t: t.diagonal(),
    "permuted": lambda t: t.view(3, 2, 2).permute(2, 0, 1),
}


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("from_array", [True, False])
def test_views_of_what_is_gone_share_their_memory_with_arrays(name, views, from_array):
    base = torch.from_numpy(np.zeros((3, 4))) if from_array else torch.zeros(3, 4) * 1
    kept = [VIEWS[name](base) for _ in range(views)]
    del base
    array = kept[0].detach().numpy()
    array[:] = 5
    assert all((v == 5).all() for v in kept)
    kept[-1].fill_(2)
    assert (array == 2).all()


@pytest.mark.parametrize("name", VIEWS)
def test_writes_to_the_last_view_of_an_array_reach_it(name):
    array = np.zeros((3, 4))
    view = VIEWS[name](torch.from_numpy(array))
    view.fill_(7)
    assert (array == 7).sum() == view.numel() and (view == 7).all()


def test_gradients_of_concatenated_tensors_can_be_read():
    parts = [torch.zeros(2, 3, requires_grad=True) for _ in range(3)]
    for dim in (0, 1):
        seed = torch.arange(18.0).reshape((6, 3) if dim == 0 else (2, 9))
        found = torch.autograd.grad(torch.cat(parts, dim), parts, seed)
        expected = np.split(np.arange(18.0).reshape(seed.shape), 3, dim)
        for got, wanted in zip(found, expected, strict=True):
            assert np.array_equal(got.detach().numpy(), wanted)


def test_what_changes_its_shape_in_place_still_shares_its_elements():
    x = torch.zeros(1, 4)
    v = x[0]
    x.squeeze_(0)
    x.fill_(1)
    assert x.shape == (4,) and v.tolist() == [1, 1, 1, 1]
    x = torch.zeros(1, 4)
    v = x[:, 1:3]
    v.squeeze_(0)
    v.fill_(2)
    assert x.tolist() == [[0, 2, 2, 0]] and v.shape == (2,)
    for view in (lambda x: x[:], lambda x: x.t(), lambda x: x.view(1, 1), lambda x: x.detach()):
        x = torch.zeros(1, 1)
        y = view(x)
        y.unsqueeze_(0)
        y.fill_(3)
        assert x.tolist() == [[3]] and y.shape == (1, 1, 1)
    x = torch.arange(4.0)
    v = x.view(4)
    x.resize_(2, 2).mul_(3)
    assert v.tolist() == [0, 3, 6, 9]
    x = torch.zeros(2, 3)
    v = x.t()
    x.t_().fill_(2)
    v.mul_(2)
    assert x.tolist() == [[4, 4]] * 3
    x = torch.zeros(2, 3, requires_grad=True)
    y = x * 2
    y.t_().sum().backward()
    assert y.shape == (3, 2) and x.grad.tolist() == [[2, 2, 2]] * 2

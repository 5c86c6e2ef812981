import pytest

import ballast as torch
import ballast.nn as nn

VIEWS = {
    "row": lambda x: x[1],
    "column": lambda x: x[:, 1],
    "corner": lambda x: x[1:, :2],
    "row of rows": lambda x: x[1:][0],
    "flat": lambda x: x.view(-1)[2:4],
    "transposed": lambda x: x.t()[2],
    "T": lambda x: x.T[0],
    "detached": lambda x: x.detach(),
    "data": lambda x: x.data[2],
    "new dimension": lambda x: x.unsqueeze(0)[0, 0],
}


@pytest.mark.parametrize("name", VIEWS)
def test_writing_to_a_view_writes_to_its_origin(name):
    x = torch.arange(12.0).reshape(3, 4)
    inside = set(VIEWS[name](x).flatten().tolist())
    VIEWS[name](x).add_(100)
    expected = [v + 100 if v in inside else v for v in range(12)]
    assert x.flatten().tolist() == expected


def test_assigning_to_a_part_of_a_view():
    x = torch.zeros(2, 3)
    x[0][1] = 5
    x[1] += 1
    assert x.tolist() == [[0, 5, 0], [1, 1, 1]]


def test_parameters_are_written_through_views_without_grad():
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight[0].fill_(7)
        layer.weight.data[1, 1] = 8
    assert layer.weight[0].tolist() == [7, 7] and layer.weight[1, 1].item() == 8
    assert layer.weight.is_leaf and layer.weight.requires_grad
    with pytest.raises(RuntimeError, match="view of a leaf Variable"):
        layer.weight[0].fill_(1)


def test_gradients_can_be_changed_in_place():
    p = nn.Parameter(torch.ones(3))
    (p * 2).sum().backward()
    p.grad.data.mul_(2)
    p.grad[0] = 0
    assert p.grad.tolist() == [0.0, 4.0, 4.0]


def test_autograd_follows_writing_to_a_view():
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 3
    y[0].mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [[6.0, 6.0], [3.0, 3.0]]

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


def test_a_view_shows_what_its_base_becomes():
    a = torch.arange(4.0)
    c, d = a[1:], a.detach()
    a[1] = 5
    a += 1
    assert c.tolist() == [6, 3, 4] and d.tolist() == a.tolist()


def test_state_dicts_show_training():
    layer = nn.Linear(2, 1)
    state = layer.state_dict()
    kept = {k: v.clone() for k, v in state.items()}
    layer(torch.ones(1, 2)).sum().backward()
    torch.optim.SGD(layer.parameters(), lr=1.0).step()
    assert torch.equal(state["weight"], layer.weight) and not torch.equal(
        kept["weight"], state["weight"]
    )


def test_data_can_be_exchanged_and_put_back():
    p = nn.Parameter(torch.ones(2))
    backup = p.data
    p.data = torch.zeros(2)
    assert backup.tolist() == [1, 1] and p.tolist() == [0, 0]
    p.data = backup
    assert p.tolist() == [1, 1] and p.is_leaf and p.requires_grad


def test_views_that_would_be_copies_are_refused():
    x = torch.arange(6.0).reshape(2, 3)
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size"):
        x.t().view(-1)
    assert x.t().stride() == (1, 3) and not x.t().is_contiguous()
    copy = x.t().reshape(-1)
    copy.zero_()
    x.t().contiguous().zero_()
    assert x.sum().item() == 15


def test_arrays_and_their_views_share_memory():
    import numpy as np

    array = np.arange(6.0)
    x = torch.from_numpy(array)
    tail = x[2:]
    x.mul_(2)
    array[3] = 100
    assert array[1] == 2 and tail.tolist() == [4, 100, 8, 10]
    part = torch.zeros(2, 3)
    part[:, 1].numpy()[:] = 7
    assert part.tolist() == [[0, 7, 0], [0, 7, 0]]


def test_in_place_operations_return_their_tensor_and_keep_its_type():
    x = torch.tensor([1.0, 2.0])
    assert x.add_(1).mul_(2).clamp_(max=5) is x and x.tolist() == [4, 5]
    whole = torch.tensor([1, 2])
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output"):
        whole += 0.5
    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        x.add_(torch.ones(3, 2))
    y = x
    y /= 2
    assert x.tolist() == [2, 2.5] and x.zero_().sum().item() == 0
    x.unsqueeze_(0)
    assert x.shape == (1, 2)

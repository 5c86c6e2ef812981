import numpy as np
import pytest

import ballast as torch
import ballast.nn as nn
import ballast.optim as optim
from ballast.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    random_split,
)

OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, lr=0.1),
    "amsgrad": lambda p: optim.AdamW(p, lr=0.1, amsgrad=True),
}


def descend(p, optimizer, steps):
    for _ in range(steps):
        optimizer.zero_grad()
        ((p - 3) ** 2).sum().backward()
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_descend(name):
    p = nn.Parameter(torch.zeros(3))
    descend(p, OPTIMIZERS[name]([p]), 100)
    assert np.allclose(p.detach().numpy(), 3, atol=0.1)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_loaded_optimizer_continues_to_the_same_bits(name, tmp_path):
    p = nn.Parameter(torch.tensor([0.0, 1.0]))
    optimizer = OPTIMIZERS[name]([p])
    descend(p, optimizer, 3)
    torch.save({"p": p, "optimizer": optimizer.state_dict()}, tmp_path / "c.pt")
    descend(p, optimizer, 3)
    saved = torch.load(tmp_path / "c.pt")
    q = nn.Parameter(saved["p"])
    other = OPTIMIZERS[name]([q])
    other.load_state_dict(saved["optimizer"])
    descend(q, other, 3)
    assert p.tolist() == q.tolist()


def test_groups_have_options_of_their_own():
    a, b = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    optimizer = optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.5}], lr=0.1)
    (a + b).sum().backward()
    optimizer.step()
    assert (a.item(), b.item()) == pytest.approx((-0.1, -0.5))
    optimizer.param_groups[0]["lr"] = 1.0
    optimizer.step()
    assert a.item() == pytest.approx(-1.1)
    with pytest.raises(ValueError, match="more than one parameter group"):
        optimizer.add_param_group({"params": [a]})


def test_closures_are_called():
    p = nn.Parameter(torch.ones(1))
    optimizer = optim.SGD([p], lr=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (p**2).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 1.0
    assert p.item() == 0.0


def test_optimizers_refuse_what_they_cannot_train():
    with pytest.raises(ValueError, match="empty parameter list"):
        optim.SGD([], lr=0.1)
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        optim.SGD([nn.Parameter(torch.ones(1))], lr=-1)
    with pytest.raises(TypeError, match="iterable of Tensors"):
        optim.Adam(torch.ones(1))
    with pytest.raises(ValueError, match="non-leaf"):
        optim.Adam([torch.ones(1, requires_grad=True) * 2])


def test_gradients_are_clipped():
    p = nn.Parameter(torch.zeros(2))
    (p * torch.tensor([3.0, 4.0])).sum().backward()
    assert nn.utils.clip_grad_norm_([p], max_norm=1.0).item() == pytest.approx(5.0)
    assert p.grad.tolist() == pytest.approx([0.6, 0.8], abs=1e-5)
    nn.utils.clip_grad_value_([p], 0.7)
    assert p.grad.tolist() == pytest.approx([0.6, 0.7], abs=1e-5)


def test_a_plateau_lowers_the_rate():
    optimizer = optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    schedule = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1)
    for loss in (1.0, 0.5, 0.5, 0.5):
        schedule.step(loss)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


class Squares(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, i):
        return {"x": float(i), "y": np.array([i * i]), "name": str(i)}


def test_samples_of_all_kinds_become_batches():
    batches = list(DataLoader(Squares(), batch_size=4))
    assert len(batches) == len(DataLoader(Squares(), batch_size=4)) == 3
    assert batches[0]["x"].dtype is torch.float64
    assert batches[2]["y"].tolist() == [[64], [81]]
    assert batches[1]["name"] == ["4", "5", "6", "7"]
    assert len(list(DataLoader(Squares(), batch_size=4, drop_last=True))) == 2
    assert next(iter(DataLoader(Squares(), batch_size=None)))["x"] == 0.0


def test_streams_are_batched():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(range(5))

    assert [b.tolist() for b in DataLoader(Stream(), batch_size=2)] == [[0, 1], [2, 3], [4]]


def test_subsets_and_concatenations():
    data = TensorDataset(torch.arange(6), torch.arange(6) * 10)
    subset = Subset(data, [4, 2])
    assert [x.tolist() for x in next(iter(DataLoader(subset, batch_size=2)))] == [[4, 2], [40, 20]]
    both = ConcatDataset([subset, data])
    assert len(both) == 8 and both[1][0].item() == 2 and both[-1][0].item() == 5
    with pytest.raises(ValueError, match="does not equal"):
        random_split(data, [1, 2])
    assert [len(s) for s in random_split(data, [0.5, 0.5])] == [3, 3]


def test_loaders_refuse_bad_options():
    with pytest.raises(ValueError, match="positive integer"):
        DataLoader(Squares(), batch_size=0)
    with pytest.raises(ValueError, match="mutually exclusive with shuffle"):
        DataLoader(Squares(), shuffle=True, sampler=[1])


def test_saving_says_what_it_cannot_save(tmp_path):
    with pytest.raises(TypeError, match=r"cannot save function.*state_dict"):
        torch.save(lambda: 0, tmp_path / "x")
    with pytest.raises(OSError, match="nowhere"):
        torch.save({"x": torch.ones(1)}, tmp_path / "nowhere" / "x")
    (tmp_path / "garbage").write_bytes(b"garbage")
    with pytest.raises(OSError, match="garbage"):
        torch.load(tmp_path / "garbage")


def test_nested_checkpoints_keep_their_structure(tmp_path):
    checkpoint = {"epoch": 3, "best": 0.5, "list": [1, (2, None)], "t": {0: torch.ones(2)}}
    torch.save(checkpoint, tmp_path / "c")
    loaded = torch.load(tmp_path / "c")
    assert loaded["epoch"] == 3 and loaded["list"] == [1, (2, None)]
    assert loaded["t"][0].tolist() == [1.0, 1.0]


def test_digits():
    x, y = torch.data.digits("train")
    assert x.shape == (1437, 1, 8, 8) and y.dtype is torch.int64
    assert len(torch.data.digits("test")[1]) == 360
    with pytest.raises(ValueError, match="'train', 'test' and 'all'"):
        torch.data.digits("val")


def test_generator_state_continues():
    state = torch.get_rng_state()
    a = torch.rand(5)
    torch.set_rng_state(state)
    assert torch.rand(5).tolist() == a.tolist()


def test_threads_can_be_set():
    n = torch.get_num_threads()
    torch.set_num_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(n)
    with pytest.raises(ValueError, match="positive|threads"):
        torch.set_num_threads(0)

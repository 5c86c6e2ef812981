"""Worker processes of loaders: what golden answers do not show."""

import gc
import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

import ballast as torch
from ballast.utils.data import DataLoader, Dataset


class Images(Dataset):
    """Samples so large that batches go through shared memory."""

    def __len__(self):
        return 9

    def __getitem__(self, i):
        image = torch.full((3, 50, 50), float(i))
        return {"image": image, "none": torch.zeros(0), "whole": torch.tensor([i]), "name": str(i)}


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_large_batches_arrive_whole(method):
    loader = DataLoader(Images(), 4, num_workers=2, multiprocessing_context=method)
    for batch, plain in zip(loader, DataLoader(Images(), 4), strict=True):
        assert batch["name"] == plain["name"] and batch["none"].shape == plain["none"].shape
        for key in ("image", "whole"):
            assert batch[key].dtype is plain[key].dtype
            np.testing.assert_array_equal(batch[key].numpy(), plain[key].numpy())
        batch["image"] += 1  # its memory is this process's own
        assert batch["image"].max().item() == plain["image"].max().item() + 1


class Products(Dataset):
    def __init__(self):
        self.x = torch.arange(300 * 300, dtype=torch.float32).reshape(300, 300) / 90000

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return (self.x * i) @ self.x


def test_workers_compute_where_the_parent_used_its_threads():
    data = Products()
    expected = [data[i].numpy() for i in range(len(data))]
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for i in range(len(data)):
            np.testing.assert_array_equal(data[i].numpy(), expected[i])
        for i, batch in enumerate(DataLoader(data, None, num_workers=2)):
            np.testing.assert_array_equal(batch.numpy(), expected[i])
    finally:
        torch.set_num_threads(before)


class Waiting(Dataset):
    def __init__(self, action):
        self.action = action

    def __len__(self):
        return 4

    def __getitem__(self, i):
        return self.action(i)


def test_a_worker_that_dies_is_told():
    def die(i):
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(RuntimeError, match=r"worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(DataLoader(Waiting(die), num_workers=2))


def test_a_worker_that_is_dead_before_it_is_asked_is_told():
    loader = DataLoader(Waiting(int), num_workers=1, persistent_workers=True)
    assert len(list(loader)) == 4
    for process in multiprocessing.active_children():
        process.kill()
        process.join()
    with pytest.raises(RuntimeError, match=r"worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(loader)


def test_a_worker_that_takes_too_long_is_told():
    loader = DataLoader(Waiting(lambda i: time.sleep(60)), num_workers=1, timeout=0.2)
    batches = iter(loader)
    with pytest.raises(RuntimeError, match=r"timed out after 0.2 seconds"):
        next(batches)
    for process in multiprocessing.active_children():
        process.kill()


class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(first, second)


def test_errors_that_cannot_be_made_again_are_told():
    def fail(i):
        raise Odd(1, 2)

    with pytest.raises(RuntimeError, match=r"Caught Odd in DataLoader worker process 0"):
        list(DataLoader(Waiting(fail), num_workers=1))
    with pytest.raises(Exception, match=r"process 0(.|\n)*(pickle|lambda)"):
        list(DataLoader(Waiting(lambda i: lambda: i), 1, num_workers=1, collate_fn=lambda b: b[0]))


def test_leaving_a_loop_ends_the_workers():
    loader = DataLoader(Images(), 2, num_workers=2)
    for batch in loader:
        assert len(batch["name"]) == 2
        break
    del batch
    gc.collect()
    assert not multiprocessing.active_children()


def test_persistent_workers_live_on_and_forget_a_loop_left_early():
    loader = DataLoader(Waiting(lambda i: os.getpid()), 1, num_workers=2, persistent_workers=True)
    first = next(iter(loader)).item()
    again = [b.item() for b in loader]
    assert again[0] == first and again == again[:2] * 2
    del loader
    gc.collect()
    assert not multiprocessing.active_children()

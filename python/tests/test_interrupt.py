"""Long work stops when a signal's handler raises, and can be done afterwards."""

import signal
import time
from contextlib import contextmanager

import numpy as np
import pytest

import ballast as torch


class Stop(Exception):
    """What the handler raises."""


@contextmanager
def stopped(after: float, within: float):
    """Expect the block to be stopped after so many seconds, soon."""

    def handler(*_):
        raise Stop

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, after)
    start = time.monotonic()
    try:
        with pytest.raises(Stop):
            yield
        assert time.monotonic() - start < after + within
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("threads", [1, 2])
def test_products_stop_and_continue(threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        a = torch.eye(2048) * 1.5
        y = a
        for _ in range(400):
            y = y @ a * (1 / 1.5)
        with stopped(0.2, 5):
            y.sum().item()
        assert a[3, 3].item() == 1.5 and (a @ a).sum().item() == 2048 * 2.25
        z = torch.ones(2048, 2048) @ a
        assert z.sum().item() == 2048 * 2048 * 1.5
    finally:
        torch.set_num_threads(before)


def test_convolutions_stop_and_state_waits():
    conv, bn = torch.nn.Conv2d(16, 16, 3, padding=1), torch.nn.BatchNorm2d(16)
    x = torch.randn(8, 16, 128, 128)
    with torch.no_grad():
        expected = bn.running_mean * 0.9 + conv(x).mean((0, 2, 3)) * 0.1
        bn(conv(x))
        y = x
        for _ in range(2000):
            y = conv(y)
        with stopped(0.2, 5):
            y.sum().item()
    # The statistics of before are still to come, once.
    assert torch.allclose(bn.running_mean, expected, atol=1e-5)
    assert bn.num_batches_tracked.item() == 1


@pytest.mark.parametrize(
    "work",
    [
        lambda x: x.sin().sum(),
        lambda x: (x * x + x).sum(),
        lambda x: x.reshape(-1, 2).t().contiguous().sum(),
        lambda x: torch.nn.functional.interpolate(x.reshape(1, 1, -1), scale_factor=2).sum(),
        lambda x: x.reshape(-1, 2).softmax(0).sum(),
    ],
)
def test_plain_loops_stop(work):
    x = torch.ones(2**22, dtype=torch.float64)
    with stopped(0.2, 5), torch.no_grad():
        for _ in range(10000):
            work(x).item()
    assert x.sum().item() == 2**22


def test_one_long_loop_stops():
    x = torch.ones(2**25, dtype=torch.float64)
    y = x
    for _ in range(8):
        y = y.lgamma().digamma()
    with stopped(0.2, 5):
        y.sum().item()
    assert np.all(x.numpy() == 1)


def test_an_optimizers_step_is_whole_or_not_made():
    p = torch.nn.Parameter(torch.zeros(1000))
    q = torch.nn.Parameter(torch.zeros(2**22))
    opt = torch.optim.SGD([p, q], lr=1.0)
    p.grad, q.grad = torch.ones(1000), torch.ones(2**22)
    done = 0
    with stopped(0.2, 5):
        while True:
            opt.step()
            done += 1
    assert q.min().item() == q.max().item() == p[0].item()
    assert -p[0].item() in (done, done + 1)


def test_a_handler_may_compute():
    seen = []

    def handler(*_):
        seen.append((torch.ones(3) * 2).sum().item())

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        a = torch.eye(1024)
        y = a
        for _ in range(60):
            y = y @ a
        assert y.sum().item() == 1024
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen == [6.0]

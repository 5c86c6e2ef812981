"""train_step on Python modules: the whole batch's statistics and gradients, from parts."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ballast
from ballast import nn, study
from ballast.nn import functional as F


def relative(got, want):
    return np.linalg.norm(got - want) / max(np.linalg.norm(want), 1e-300)


def taken(model, step):
    """Gradients and buffers that a step leaves in the model."""
    step(model)
    found = {k: p.grad.numpy().copy() for k, p in model.named_parameters()}
    return found | {k: b.numpy().copy() for k, b in model.named_buffers()}


def dense():
    """A DenseNet of two blocks."""
    return ballast.models.DenseNet(
        growth_rate=4, block_config=(3, 2), num_init_features=8, num_classes=10
    )


@pytest.mark.parametrize("name", ["resnet20", "dense"])
def test_parts_are_the_whole_batch(name):
    def build():
        ballast.manual_seed(0)
        make = {"resnet20": ballast.models.resnet20, "dense": dense}[name]
        return make().double()

    ballast.manual_seed(1)
    x = ballast.randn(8, 3, 16, 16, dtype=ballast.float64)
    y = ballast.randint(0, 10, (8,))
    losses = []

    def whole(model):
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        losses.append(loss.item())

    want = taken(build(), whole)
    got = taken(build(), lambda m: losses.append(study.train_step(m, (x, y), micro_batch=3)))
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)
    assert got.keys() == want.keys()
    for key in want:
        assert relative(got[key], want[key]) < 1e-9, key


def left_by(x, y, micro_batch=0):
    """What a float32 step of a ResNet-20 leaves, at once or in parts."""
    ballast.manual_seed(0)
    model = ballast.models.resnet20()
    if micro_batch:
        return taken(model, lambda m: study.train_step(m, (x, y), micro_batch=micro_batch))
    return taken(model, lambda m: F.cross_entropy(m(x), y).backward())


def largest(got, want):
    return max(relative(got[k], want[k]) for k in want)


def test_float32_parts_are_the_whole_batch():
    # The setting of the bench: a batch of 512 in parts of 64.
    ballast.manual_seed(1)
    x, y = ballast.randn(512, 3, 32, 32), ballast.randint(0, 10, (512,))
    parts = left_by(x, y, micro_batch=64)
    whole = left_by(x, y)
    assert largest(parts, whole) < 1e-4
    for key in whole:
        if "running" in key:
            np.testing.assert_array_equal(parts[key], whole[key])


def test_the_order_of_samples_does_not_matter():
    # A ReLU whose input is rounded to the other side of zero changes the gradient by far more than
    # a rounding; statistics that were rounded in the order of the samples would do that.
    ballast.manual_seed(1)
    x, y = ballast.randn(128, 3, 32, 32), ballast.randint(0, 10, (128,))
    order = ballast.from_numpy(np.random.default_rng(0).permutation(128))
    assert largest(left_by(x[order], y[order]), left_by(x, y)) < 1e-4


def test_float32_parts_round_no_more_than_the_usual_step():
    ballast.manual_seed(1)
    x, y = ballast.randn(32, 3, 16, 16), ballast.randint(0, 10, (32,))
    ballast.manual_seed(0)
    model = ballast.models.resnet20().double()
    exact = taken(model, lambda m: F.cross_entropy(m(x.double()), y).backward())
    whole, parts = left_by(x, y), left_by(x, y, micro_batch=8)
    error = [np.sqrt(sum(relative(f[k], exact[k]) ** 2 for k in exact)) for f in (parts, whole)]
    assert error[0] < 2 * error[1]


def test_parts_take_a_third_of_the_memory():
    bench = Path(__file__).parents[2] / "bench" / "exact_batch.py"

    def megabytes(form):
        command = [sys.executable, str(bench), "--rounds", "1", "--measure", form]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["megabytes"]

    assert megabytes("parts") <= megabytes("whole") / 3


def test_a_network_that_looks_at_values_is_refused():
    class Looking(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            y = self.norm(x)
            return y if y.mean().item() > 0 else -y

    net = Looking()
    with pytest.raises(RuntimeError, match="looks at a value that depends on the whole batch"):
        study.train_step(net, (ballast.randn(4, 3), ballast.randint(0, 3, (4,))), micro_batch=2)
    assert net.norm.num_batches_tracked.item() == 0 and net.norm.weight.grad is None


def test_errors_of_the_network_come_through_and_leave_no_trace():
    class Failing(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)

        def forward(self, x):
            self.norm(x)
            raise KeyError("mine")

    net = Failing()
    with pytest.raises(KeyError, match="mine"):
        study.train_step(net, (ballast.randn(4, 3), ballast.randint(0, 3, (4,))), micro_batch=2)
    net.norm(ballast.randn(4, 3))  # by its own batch again
    assert net.norm.num_batches_tracked.item() == 1


def test_what_does_not_fit_is_refused():
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    x, y = ballast.randn(4, 3), ballast.randint(0, 3, (4,))
    with pytest.raises(ValueError, match="Size mismatch"):
        study.train_step(net, (x, y[:2]))
    with pytest.raises(ValueError, match="no samples"):
        study.train_step(net, (x[:0], y[:0]))
    with pytest.raises(ValueError, match="positive micro_batch"):
        study.train_step(net, (x, y), micro_batch=0)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        study.train_step(net, (x[:1], y[:1]))
    study.convert_norm(net, "ghost", virtual_batch=2)
    with pytest.raises(NotImplementedError, match="virtual batches"):
        study.train_step(net, (x, y), micro_batch=4)


def test_hooks_of_parameters_see_whole_gradients():
    net = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    seen = []
    net[1].weight.register_hook(lambda g: seen.append(g.numpy().copy()))
    study.train_step(net, (ballast.randn(6, 3), ballast.randint(0, 3, (6,))), micro_batch=2)
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], net[1].weight.grad.numpy())

import os
import subprocess
import sys

import pytest

CODE = """
import ballast as torch
torch.manual_seed(0)
x = torch.randn(40, 30)
y = torch.relu(x @ torch.randn(30, 20)).sum()
print(torch.backends.cpu.get_cpu_capability(), y.item())
"""


TRAINING = """
import ballast
from ballast import nn
from ballast.nn import functional as F

ballast.manual_seed(0)
net = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 10))
x, y = ballast.randn(64, 10), ballast.randint(0, 10, (64,))
opt = ballast.optim.SGD(net.parameters(), lr=0.1)


def step():
    opt.zero_grad()
    loss = F.cross_entropy(net(x), y)
    loss.backward()
    opt.step()
    return loss.item()


step()
if {asked}:
    print(ballast.backends.cpu.get_cpu_capability())
print([step() for _ in range(5)])
"""


NAMES = ["DEFAULT", "AVX2", "AVX512"]  # of the vector instructions, the wider the later


def run(target, code=CODE):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "BALLAST_TARGET": target},
    )


@pytest.mark.parametrize("target", ["baseline", "avx2", "avx512"])
def test_the_environment_limits_the_vector_instructions(target):
    name, value = run(target).stdout.split()
    assert NAMES.index(name) <= ["baseline", "avx2", "avx512"].index(target)
    _, best = run("").stdout.split()
    assert float(value) == pytest.approx(float(best), rel=1e-5)


def test_an_unknown_target_is_an_error():
    run_ = run("avx9")
    assert run_.returncode == 1
    message = "ValueError: BALLAST_TARGET: unknown target 'avx9'; there are baseline, avx2, avx512"
    assert message in run_.stderr


@pytest.mark.parametrize(("target", "name"), [("baseline", "DEFAULT"), ("avx2", "AVX2")])
def test_asking_for_the_target_does_not_change_it(target, name):
    widest, _ = run("").stdout.split()  # of this processor
    silent = run(target, TRAINING.format(asked=False))
    asking = run(target, TRAINING.format(asked=True))
    assert silent.returncode == 0, silent.stderr
    assert asking.returncode == 0, asking.stderr
    expected = min(name, widest, key=NAMES.index)
    assert asking.stdout.splitlines() == [expected, *silent.stdout.splitlines()]

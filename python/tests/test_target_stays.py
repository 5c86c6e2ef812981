"""The vector instructions that BALLAST_TARGET chooses stay chosen."""

import os
import subprocess
import sys

import pytest

import ballast

SCRIPT = """
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


def run(target, asked):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(asked=asked)],
        env={**os.environ, "BALLAST_TARGET": target},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("target", "name"), [("baseline", "DEFAULT"), ("avx2", "AVX2")])
def test_asking_for_the_target_does_not_change_it(target, name):
    if target == "avx2" and ballast.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("no AVX2 here")
    losses = run(target, asked=False)
    assert run(target, asked=True) == [name, *losses]

"""The study of networks written in Python."""

import json
import subprocess
import sys

import numpy as np
import pytest

import ballast
from ballast import nn, study

NET = """
from ballast import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 16)
        self.bn1 = nn.BatchNorm1d(16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x):
        return self.fc2(self.bn1(self.fc1(x)).relu())
"""
namespace: dict = {}
exec(NET, namespace)
Net = namespace["Net"]


def few_digits():
    """300 digits to train on and 100 to test on."""
    x, y = (t.numpy() for t in ballast.data.digits("train"))
    x = x.reshape(len(x), -1)
    return x[:300], y[:300], x[300:400], y[300:400]


def test_a_class_is_measured_with_and_without():
    report = study.run(Net, few_digits(), ["convergence"], quick=True)
    claim = report["claims"][0]
    assert report["model"] == "Net" and report["seeds"] == 3
    assert claim["verdict"] in ("holds", "does not hold", "depends", "undecided")
    assert all(c["difference"]["n"] == 3 for c in claim["comparisons"])


def test_same_seeds_same_bits():
    reports = [study.run(Net, few_digits(), ["overfitting"], quick=True) for _ in range(2)]
    for r in reports:
        del r["claims"][0]["timing"]
    assert reports[0] == reports[1]


@pytest.mark.parametrize("norm", ["batch", "none", "fixed", "ghost", "renorm", "group", "layer"])
def test_recipes_share_their_initial_weights(norm):
    def weights(norm, dropout):
        ballast.manual_seed(5)
        network = study.measure._recipes(Net)(norm, dropout)
        return [p.detach().numpy() for n, p in network.named_parameters() if p.ndim == 2]

    want = weights("batch", 0.0)
    for dropout in (0.0, 0.5):
        for a, b in zip(want, weights(norm, dropout), strict=True):
            assert np.array_equal(a, b)


def test_unknown_claims_and_unfit_networks_are_told():
    with pytest.raises(KeyError, match="there is no claim"):
        study.run(Net, few_digits(), ["speed"])
    with pytest.raises(ValueError, match="cannot be given these samples"):
        study.run(lambda: nn.Linear(7, 10), "digits", ["convergence"], quick=True)
    with pytest.raises(ValueError, match="x_train"):
        study.run(Net, few_digits()[:2])
    assert "learning-rate" in study.claims()


def test_the_command_takes_a_file_and_a_class(tmp_path):
    (tmp_path / "nets.py").write_text(NET)
    command = [sys.executable, "-m", "ballast.study", "convergence", "--quick", "--json", "--quiet"]
    command += ["--out", str(tmp_path / "out"), "--model"]
    done = subprocess.run([*command, f"{tmp_path}/nets.py:Net"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["claims"][0]["name"] == "convergence"
    assert (tmp_path / "out" / "report.html").exists()
    wrong = subprocess.run([*command, f"{tmp_path}/nets.py:Nett"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "there is no Nett" in wrong.stderr

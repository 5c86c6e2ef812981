"""Networks written for PyTorch run word for word under the alias and give PyTorch's numbers."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

import ballast.torch

FOLDER = Path(__file__).parent / "models_torch"
GOLDEN = json.loads((FOLDER / "golden.json").read_text())


@pytest.fixture(scope="module")
def programs():
    """The modules `digest` and `train`, imported while ``torch`` means Ballast."""
    # Other tests may have imported PyTorch, where there is one.
    pytorch = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "torch"}
    for name in pytorch:
        del sys.modules[name]
    ballast.torch.install()
    sys.path.insert(0, str(FOLDER))
    import digest
    import train

    yield {"nets": digest.nets(), "step": digest.step, "train": train.run}
    sys.path.remove(str(FOLDER))
    for name in ("digest", "train"):
        del sys.modules[name]
    ballast.torch.uninstall()
    sys.modules.update(pytorch)


def close(ours, theirs, scale, tolerance):
    return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance * scale)


@pytest.mark.parametrize("name", GOLDEN["steps"])
def test_one_step_of_a_network_gives_pytorchs_numbers(programs, name):
    theirs, ours = GOLDEN["steps"][name], programs["step"](programs["nets"][name])
    assert ours["initial"] == theirs["initial"], "initial values"
    assert close(ours["loss"], theirs["loss"], 1, 1e-5)
    assert list(ours["gradients"]) == list(theirs["gradients"])
    # Gradients that cancel (of what a batch normalization follows) are rounding of the largest.
    largest = max(norm for _, norm, _ in theirs["gradients"].values())
    for key, values in theirs["gradients"].items():
        for mine, torchs in zip(ours["gradients"][key], values, strict=True):
            assert close(mine, torchs, max(largest, 1), 2e-4), key
    for key, values in theirs["statistics"].items():
        for mine, torchs in zip(ours["statistics"][key], values, strict=True):
            assert close(mine, torchs, max(1, values[1]), 1e-5), key
    for mine, torchs in zip(ours["output"], theirs["output"], strict=True):
        assert close(mine, torchs, 1, 1e-3)


@pytest.mark.parametrize("name", GOLDEN["curves"])
def test_training_follows_pytorchs_loss_curve(programs, name):
    theirs, ours = GOLDEN["curves"][name], programs["train"](name, 30)
    assert ours["initial"] == theirs["initial"] and ours["targets"] == theirs["targets"]
    for mine, torchs in zip(ours["losses"], theirs["losses"], strict=True):
        assert math.isclose(mine, torchs, rel_tol=1e-3)
    assert abs(ours["right"] - theirs["right"]) <= 1


def test_the_script_itself_runs_under_the_alias():
    command = [sys.executable, "-m", "ballast.torch", str(FOLDER / "train.py"), "--steps", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    losses = json.loads(done.stdout)["losses"]
    for mine, torchs in zip(losses, GOLDEN["curves"]["resnet"]["losses"], strict=False):
        # The schedule's length differs, and with it the second rate: by a little.
        assert math.isclose(mine, torchs, rel_tol=0.1)

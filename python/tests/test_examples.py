import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ballast as torch
from ballast.models import resnet18

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = EXAMPLES.parent / "build" / "examples"


def run_in(folder, *command):
    return subprocess.run(
        [str(c) for c in command],
        capture_output=True,
        text=True,
        cwd=folder,
        # The bits are the same with more threads, the time on a busy machine is not.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(
    ("name", "accuracy"), [("net", 0.92), ("custom_model", 0.97), ("my_model", 0.96)]
)
def test_an_example_learns_the_digits_and_saves(name, accuracy, tmp_path):
    run = run_in(tmp_path, sys.executable, EXAMPLES / f"{name}.py")
    assert run.returncode == 0, run.stderr
    _epoch, reached, _loss = run.stdout.splitlines()[-1].split()
    assert float(reached) >= accuracy
    weights = torch.load(tmp_path / f"{name}.safetensors")
    assert "bn1.running_var" in weights


def expect_served(served, tmp_path):
    """What the C++ program prints of digits.npy is what the network computes here."""
    assert served.returncode == 0, served.stderr
    model = resnet18(num_classes=10)
    model.load_state_dict(state_of(torch.load(tmp_path / "finetuned.pt")))
    model.eval()
    with torch.no_grad():
        wanted = model(torch.from_numpy(np.load(tmp_path / "digits.npy"))).softmax(1)
    lines = served.stdout.splitlines()
    assert len(lines) == len(wanted) == 10
    for line, probabilities in zip(lines, wanted, strict=True):
        first = re.match(r"digits\.npy:  class (\d) ([\d.]+) %", line)
        top = probabilities.argmax().item()
        assert int(first[1]) == top
        assert float(first[2]) == pytest.approx(100 * probabilities[top].item(), abs=0.06)


def state_of(checkpoint):
    return checkpoint.get("model", checkpoint)


@pytest.mark.skipif(not PROGRAMS.exists(), reason="the C++ examples are not built")
def test_a_checkpoint_of_torchvisions_is_fine_tuned_and_served_from_cpp(tmp_path):
    torch.manual_seed(1)
    torch.save(resnet18().state_dict(), tmp_path / "resnet18.pth")
    run = run_in(tmp_path, sys.executable, EXAMPLES / "finetune.py", "resnet18.pth")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == (
        "_IncompatibleKeys(missing_keys=['fc.weight', 'fc.bias'], unexpected_keys=[])"
    )
    assert float(re.search(r"([\d.]+)%", lines[-1])[1]) >= 80
    expect_served(run_in(tmp_path, PROGRAMS / "serve", "finetuned.pt", "digits.npy"), tmp_path)

    # The same from C++.
    run = run_in(tmp_path, PROGRAMS / "finetune", "resnet18.pth")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert lines[0] == "120 tensors loaded, 0 unknown; from first weights: fc.weight fc.bias"
    assert float(re.search(r"([\d.]+) %", lines[-1])[1]) >= 80
    expect_served(run_in(tmp_path, PROGRAMS / "serve", "finetuned.pt", "digits.npy"), tmp_path)


@pytest.mark.skipif(not PROGRAMS.exists(), reason="the C++ examples are not built")
def test_the_serving_program_says_what_is_wrong(tmp_path):
    np.save(tmp_path / "image.npy", np.zeros((3, 32, 32), np.float32))
    (tmp_path / "text.pt").write_text("no checkpoint")
    for arguments, message in [
        ([], "usage: serve CHECKPOINT IMAGE.npy..."),
        (["nothing.pt", "image.npy"], "serve: nothing.pt: cannot open"),
        (["text.pt", "image.npy"], "serve: text.pt: "),
    ]:
        run = run_in(tmp_path, PROGRAMS / "serve", *arguments)
        assert run.returncode in (1, 2) and run.stderr.startswith(message), run.stderr

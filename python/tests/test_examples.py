import os
import subprocess
import sys
from pathlib import Path

import pytest

import ballast as torch

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "accuracy"), [("net", 0.92), ("custom_model", 0.97), ("my_model", 0.96)]
)
def test_an_example_learns_the_digits_and_saves(name, accuracy, tmp_path):
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # The bits are the same with more threads, the time on a busy machine is not.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    _epoch, reached, _loss = run.stdout.splitlines()[-1].split()
    assert float(reached) >= accuracy
    weights = torch.load(tmp_path / f"{name}.safetensors")
    assert "bn1.running_var" in weights

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "accuracy"), [("net", 90), ("custom_model", 96), ("my_model", 95)]
)
def test_an_example_learns_the_digits(name, accuracy, tmp_path):
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # The bits are the same with more threads, the time on a busy machine is not.
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    reached = [float(a) for a in re.findall(r"test ([\d.]+)%", run.stdout)]
    assert reached[-1] >= accuracy
    if name == "custom_model":
        assert run.stdout.endswith("predicts the same: True\n")

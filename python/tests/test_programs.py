"""PyTorch programs, run word for word with only the imports changed."""

import json
import math
import re
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"
# Rounding differs between two correct programs, and training lets it grow.
TOLERANCE = {"losses": 1e-3, "evaluated": 5e-3, "grad": 2e-3, "running_var": 1e-3}


def run(name: str) -> dict:
    source = (PROGRAMS / f"{name}.py").read_text()
    source = re.sub(r"^import torch$", "import ballast as torch", source, flags=re.M)
    source = re.sub(r"^(import|from) torch\b", r"\1 ballast", source, flags=re.M)
    scope = {"__name__": name}
    exec(compile(source, name, "exec"), scope)
    return scope["results"]


def assert_same(ours, theirs, tolerance, path):
    if isinstance(theirs, float):
        assert math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance), path
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), path
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(a, b, tolerance, f"{path}[{i}]")
    else:
        assert ours == theirs, path


@pytest.mark.parametrize("name", ["net", "custom_model", "my_model", "behaviour"])
def test_a_pytorch_program_gives_pytorchs_results(name):
    theirs = json.loads((PROGRAMS / f"{name}.json").read_text())
    ours = run(name)
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        assert_same(ours[key], value, TOLERANCE.get(key, 3e-6), f"{name}: {key}")

"""What `same/` asks PyTorch and Ballast alike."""

import functools
import json
import math

import pytest
import same

import ballast

# Two roundings of the same float32 computation; a case that needs more says so in its module's
# `TOLERANCE`.
TOLERANCE = 2e-6


@functools.cache
def answers(module: str) -> dict:
    return json.loads((same.FOLDER / f"{module}.json").read_text())


def differences(ours, theirs, tolerance, path=""):
    if isinstance(theirs, float) and isinstance(ours, (int, float)):
        if not math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance):
            yield f"{path}: {ours}, not {theirs}"
    elif isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(a, b, tolerance, f"{path}[{i}]")
    elif isinstance(theirs, dict) and isinstance(ours, dict) and list(ours) == list(theirs):
        for key, wanted in theirs.items():
            yield from differences(ours[key], wanted, tolerance, f"{path}[{key!r}]")
    elif type(ours) is not type(theirs) or ours != theirs:
        yield f"{path}: {ours!r}, not {theirs!r}"


CASES = [(module, name) for module in same.MODULES for name in same.cases(module)]


@pytest.mark.parametrize(("module", "name"), CASES, ids=lambda v: v)
def test_the_answer_is_pytorchs(module, name):
    case = same.cases(module)[name]
    found = differences(
        same.plain(case(ballast)),
        answers(module)[name],
        getattr(__import__(f"same.{module}", fromlist="_"), "TOLERANCE", TOLERANCE),
    )
    assert not list(found)

"""The campaign of wrong calls, `scripts/campaigns/wrong_calls.py`, which is run by hand."""

import importlib.util
import pathlib

import numpy

import ballast as torch

PATH = pathlib.Path(__file__).parents[2] / "scripts" / "campaigns" / "wrong_calls.py"


def campaign():
    spec = importlib.util.spec_from_file_location("wrong_calls", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_campaign_sees_a_difference():
    calls = campaign()
    assert not calls.same("T", "=f2")
    assert not calls.same("T", "V")
    assert not calls.same("=f2", "=f3")
    assert not calls.same("=f2", "R")
    assert calls.same("=f2", "N")
    assert calls.same("R", "N")


def test_every_sound_call_has_its_answers():
    calls = campaign()
    lines = calls.GOLDEN.read_text().splitlines()[1:]
    sound = calls.CALLS
    assert len(lines) == len(sound)
    for at in (0, len(sound) // 2, -1):
        assert len(lines[at].split(" ")) == 1 + len(calls.wrong_forms(sound[at]))


def test_answers_differ_from_pytorch_only_where_the_list_says():
    calls = campaign()
    try:
        found = {calls.said(*difference) for difference in calls.differences(torch, numpy, 17)}
    finally:
        torch.set_grad_enabled(True)
    assert found <= set(calls.LEFT.read_text().splitlines())


def test_an_accident_of_pytorch_is_told_by_its_words():
    calls = campaign()
    assert calls.accident(RuntimeError("\"histc\" not implemented for 'Long'")) == "1"
    assert calls.accident(TypeError("argument 'dim' must be int, not str")) == ""
    assert calls.same("N1", "=f2") and calls.same("R3", "T")
    assert not calls.same("R3", "=f2") and not calls.same("T", "=f2")
    assert calls.same("=", "V", "torch.optim.SGD([p(2)], nan)")
    assert not calls.same("=", "V", "torch.optim.SGD([p(2)], 0.1)")

"""The campaign of wrong calls, `scripts/campaigns/wrong_calls.py`, which is run by hand."""

import importlib.util
import pathlib

PATH = pathlib.Path(__file__).parents[2] / "scripts" / "campaigns" / "wrong_calls.py"


def campaign():
    spec = importlib.util.spec_from_file_location("wrong_calls", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_campaign_sees_a_difference():
    calls = campaign()
    assert not calls.same("TypeError", "=f2")
    assert not calls.same("TypeError", "ValueError")
    assert not calls.same("=f2", "=f3")
    assert not calls.same("=f2", "RuntimeError")
    assert calls.same("=f2", "NotImplementedError")
    assert calls.same("RuntimeError", "NotImplementedError")


def test_every_sound_call_has_its_answers():
    calls = campaign()
    lines = calls.GOLDEN.read_text().splitlines()[1:]
    sound = [call for call in calls.CALLS.splitlines() if call]
    assert len(lines) == len(sound)
    for at in (0, len(sound) // 2, -1):
        assert len(lines[at].split(" ")) == 1 + len(calls.wrong_forms(sound[at]))

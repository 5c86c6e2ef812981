"""The commands and the code of docs/cookbook.md run as they stand there, on small trainings."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import ballast
from ballast import data, models, study
from ballast.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
# Trainings are shortened; an option that stands twice has its last value.
SHORT = {"train": ["--epochs", "1", "--force", "--quiet"], "inspect": ["--samples", "64"]}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.S)


def commands():
    lines = "\n".join(blocks("sh")).splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def tool():
    found = [p for p in (ROOT / "build" / "ballast", Path(sys.executable).parent / "ballast")]
    return str(next(p for p in found if p.exists()))


def run(words, folder):
    done = subprocess.run([tool(), *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the commands are given: with a trained run, and a file of weights from elsewhere."""
    here = tmp_path_factory.mktemp("cookbook")
    run(["train", "--model", "cnn", "--out", "runs/cnn", *SHORT["train"]], here)
    ballast.save(models.resnet20(in_channels=1).state_dict(), str(here / "converted.safetensors"))
    return here


def test_commands_run(folder):
    words = commands()
    assert len(words) >= 8
    for command in words:
        if command[0] == "tensorboard":  # not ours: what it is to show has just been written
            assert any((folder / command[command.index("--logdir") + 1]).iterdir())
            continue
        assert command[0] == "ballast", command
        out = run([*command[1:], *SHORT[command[1]]], folder)
        assert command[1] != "inspect" or "running statistics" in out or "No findings" in out


def test_code_runs(capsys):
    (code,) = blocks("python")
    x, y = data.digits("test")
    names = {"model": models.Cnn(), "test_loader": DataLoader(TensorDataset(x, y), batch_size=64)}
    exec(compile(code, "cookbook.md", "exec"), names)
    assert "never_updated" in capsys.readouterr().out


def test_findings_and_tools_that_are_named_exist():
    described = (ROOT / "docs" / "tool.md").read_text(encoding="utf-8")
    known = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", described[described.index("| finding |") :]))
    named = set(re.findall(r"^\| `([a-z_]+)`|`([a-z_]+)`[:,]", TEXT, flags=re.M))
    findings = {a or b for a, b in named if "_" in (a or b)} - {"num_batches_tracked"}
    assert {"stale_statistics", "wrong_eps", "non_finite"} <= findings <= known
    for name in re.findall(r"ballast\.study\.([a-z_]+)", TEXT):
        assert callable(getattr(study, name))

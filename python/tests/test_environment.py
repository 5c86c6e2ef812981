"""The package torch in an environment: put there, told, refused and taken out."""

import os
import pathlib
import subprocess
import sys
import venv

import pytest

import ballast.torch  # noqa: F401


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment of its own in which `import ballast` works; runs Python there."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    site = next((folder / "lib").glob("python*/site-packages"))
    package = pathlib.Path(ballast.__file__).parents[1]
    numpy = pathlib.Path(sys.modules["numpy"].__file__).parents[1]
    (site / "ballast.pth").write_text(f"{package}\n{numpy}\n")

    def run(*arguments: str) -> subprocess.CompletedProcess:
        clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        command = [str(python), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=clean, timeout=120)

    run.site = site
    return run


def test_putting_it_in_and_taking_it_out(environment):
    manage = ("-m", "ballast.torch")
    assert "no package torch" in environment(*manage, "--status").stdout
    assert environment("-c", "import torch").returncode != 0
    for _ in range(2):  # again changes nothing
        done = environment(*manage, "--install")
        assert done.returncode == 0 and "is Ballast now" in done.stdout, done.stderr
    assert "is Ballast in" in environment(*manage, "--status").stdout
    program = (
        "import importlib.metadata, torch.nn.functional as F, torch, ballast;"
        "assert F is ballast.nn.functional;"
        "files = importlib.metadata.files('torch');"
        "assert all(f.locate().exists() for f in files);"
        "print(importlib.metadata.version('torch'), torch.zeros(2).tolist())"
    )
    done = environment("-c", program)
    assert done.stdout == f"{ballast.torch.API_VERSION} [0.0, 0.0]\n", done.stderr
    assert environment(*manage, "--uninstall").returncode == 0
    assert not list(environment.site.glob("torch*"))
    assert environment("-c", "import torch").returncode != 0


def test_real_pytorch_is_left_alone(environment):
    metadata = environment.site / "torch-2.4.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.4.0\n")
    (metadata / "INSTALLER").write_text("pip\n")
    try:
        for action in ("--install", "--uninstall"):
            done = environment("-m", "ballast.torch", action)
            assert done.returncode == 1 and "2.4.0" in done.stderr
        assert "is PyTorch 2.4.0" in environment("-m", "ballast.torch", "--status").stdout
    finally:
        for file in metadata.iterdir():
            file.unlink()
        metadata.rmdir()

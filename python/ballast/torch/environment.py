"""A package ``torch`` in an environment, which makes ``import torch`` be Ballast there."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import pathlib
import shutil
import sysconfig

from .finder import API_VERSION, INSTALLER, METADATA

#: The folder of the package: in PYTHONPATH it does for one process what `put_in` does for all.
STUB = pathlib.Path(__file__).parent / "stub"


class EnvironmentProblem(RuntimeError):
    """An environment into which the package cannot be put, or out of which it cannot be taken."""


def _site() -> pathlib.Path:
    return pathlib.Path(sysconfig.get_paths()["purelib"])


def _found() -> importlib.metadata.Distribution | None:
    """Find what provides ``torch`` in this environment."""
    folder = [str(_site()), sysconfig.get_paths()["platlib"]]
    return next(iter(importlib.metadata.distributions(name="torch", path=folder)), None)


def _ours(distribution: importlib.metadata.Distribution) -> bool:
    return (distribution.read_text("INSTALLER") or "").strip() == INSTALLER


def _record_line(root: pathlib.Path, file: pathlib.Path) -> str:
    content = file.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{file.relative_to(root).as_posix()},sha256={digest},{len(content)}"


def put_in() -> str:
    """Put the package into the current environment; returns what was done, in words.

    Raises
    ------
    EnvironmentProblem
        Where the real PyTorch is installed, or another package or file has the name.
    """
    there, site = _found(), _site()
    if there is not None and not _ours(there):
        raise EnvironmentProblem(
            f"PyTorch {there.version} is installed in {site}; uninstall it first (pip uninstall "
            "torch), or run single programs by `python -m ballast.torch SCRIPT.py`"
        )
    if there is None and ((site / "torch").exists() or (site / "torch.py").exists()):
        raise EnvironmentProblem(f"{site} has a module torch of unknown origin; remove it first")
    if there is not None:
        take_out()
    package, metadata = site / "torch", site / f"torch-{API_VERSION}.dist-info"
    shutil.copytree(STUB / "torch", package, ignore=shutil.ignore_patterns("__pycache__"))
    metadata.mkdir()
    (metadata / "METADATA").write_text(METADATA)
    (metadata / "INSTALLER").write_text(INSTALLER + "\n")
    (metadata / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: ballast\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    (metadata / "top_level.txt").write_text("torch\n")
    files = sorted([*package.rglob("*.py"), *metadata.iterdir()])
    lines = [_record_line(site, f) for f in files]
    record = metadata / "RECORD"
    record.write_text("\n".join([*lines, f"{record.relative_to(site).as_posix()},,"]) + "\n")
    return f"`import torch` is Ballast now in {site} (as version {API_VERSION})"


def take_out() -> str:
    """Remove the package from the current environment; returns what was done, in words.

    Raises
    ------
    EnvironmentProblem
        Where ``torch`` is not the package that `put_in` made.
    """
    there, site = _found(), _site()
    if there is None:
        return f"no package torch is installed in {site}"
    if not _ours(there):
        raise EnvironmentProblem(f"torch in {site} is PyTorch {there.version}, not Ballast's")
    for folder in (site / "torch", site / f"torch-{there.version}.dist-info"):
        shutil.rmtree(folder)
    return f"`import torch` is no longer Ballast in {site}"


def state() -> str:
    """Say what ``import torch`` finds in the current environment."""
    there, site = _found(), _site()
    if there is None:
        return f"no package torch in {site}: `python -m ballast.torch --install` puts it there"
    if _ours(there):
        return f"`import torch` is Ballast in {site} (as version {there.version})"
    return f"`import torch` is PyTorch {there.version} in {site}"

"""Weights by address, and models out of local repositories, as ``torch.hub``."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import pathlib
import re
import sys
import tempfile
import urllib.request
import zipfile
from types import ModuleType
from typing import Any
from urllib.parse import urlparse

from ._serialization import load as _load_file

__all__ = [
    "download_url_to_file",
    "get_dir",
    "help",
    "list",
    "load",
    "load_state_dict_from_url",
    "set_dir",
]

#: The hash in a file's name: ``resnet18-f37072fd.pth`` begins with f37072fd.
HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
_CHUNK = 1 << 17
_folder: str | None = None


def _get_torch_home() -> str:
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def get_dir() -> str:
    """Name the folder for downloads: ``$TORCH_HOME/hub`` unless `set_dir` has named another."""
    return _folder if _folder is not None else os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Name another folder for downloads."""
    global _folder
    _folder = os.path.expanduser(os.fspath(d))


class _Progress:
    """A line that tells how much has come, on a terminal; nothing in a log."""

    def __init__(self, total: int | None, shown: bool):
        self._total, self._done = total, 0
        self._shown = shown and sys.stderr.isatty()

    def add(self, n: int) -> None:
        self._done += n
        if self._shown:
            of = f" of {self._total / 2**20:.1f}" if self._total else ""
            print(f"\r{self._done / 2**20:.1f}{of} MiB", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._shown:
            print(file=sys.stderr)


def download_url_to_file(
    url: str, dst: str, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Download a file; it appears under its name only when all of it is there.

    Parameters
    ----------
    url : str
        The address.
    dst : str
        Where to put it; an existing file is replaced.
    hash_prefix : str, optional
        What the SHA-256 of its content must begin with.
    progress : bool
        Show how much has come, on a terminal.

    Raises
    ------
    RuntimeError
        Where the hash differs, or less came than the server announced.
    """
    dst = os.path.expanduser(dst)
    request = urllib.request.Request(url, headers={"User-Agent": "ballast.hub"})
    with urllib.request.urlopen(request) as answer:
        length = answer.headers.get("Content-Length")
        total = int(length) if length is not None and length.isdigit() else None
        folder = os.path.dirname(os.path.abspath(dst))
        handle, partial = tempfile.mkstemp(suffix=".partial", dir=folder)
        digest, came = hashlib.sha256(), 0
        try:
            with os.fdopen(handle, "wb") as file:
                shown = _Progress(total, progress)
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    digest.update(chunk)
                    came += len(chunk)
                    shown.add(len(chunk))
                shown.end()
            if total is not None and came != total:
                raise RuntimeError(f"{url}: {came} bytes came of the {total} that were announced")
            if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
                raise RuntimeError(
                    f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")'
                )
            os.replace(partial, dst)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise


def _unpacked(path: str) -> str:
    """Give the one file of a zip archive of older releases; the path itself for other files."""
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return path
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        # A checkpoint is a zip archive too, with a folder that has a pickle in it.
        if any(m.filename.endswith("data.pkl") for m in members):
            return path
        if len(members) != 1:
            raise RuntimeError(f"{path}: only one file (not a folder) is allowed in the archive")
        archive.extract(members[0], os.path.dirname(path))
        return os.path.join(os.path.dirname(path), members[0].filename)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """Load a checkpoint from an address; the file is kept and not downloaded again.

    Parameters
    ----------
    url : str
        The address; its last part is the file's name.
    model_dir : str, optional
        Where to keep the file; ``checkpoints`` in `get_dir` unless given.
    map_location : optional
        As in `torch.load`.
    progress : bool
        Show how much has come, on a terminal.
    check_hash : bool
        Check the content against the hash in the name, as in ``resnet18-f37072fd.pth``.
    file_name : str, optional
        Another name for the file.
    weights_only : bool
        As in `torch.load`; True unless the program says otherwise.
    """
    folder = model_dir if model_dir is not None else os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name if file_name is not None else os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        print(f'Downloading: "{url}" to {path}', file=sys.stderr)
        found = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress=progress)
    return _load_file(_unpacked(path), map_location=map_location, weights_only=weights_only)


def _hubconf(repo: str, source: str) -> ModuleType:
    """Import ``hubconf.py`` of a local repository, with its folder in the path meanwhile."""
    if source != "local":
        raise NotImplementedError(
            f"torch.hub: source={source!r} would download and run code; clone {repo} and give its "
            "folder with source='local'"
        )
    file = pathlib.Path(repo) / "hubconf.py"
    if not file.exists():
        raise FileNotFoundError(f"torch.hub: {file} does not exist")
    sys.path.insert(0, str(repo))
    try:
        spec = importlib.util.spec_from_file_location("hubconf", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(repo))
    missing = [
        d for d in getattr(module, "dependencies", []) if importlib.util.find_spec(d) is None
    ]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: ModuleType, name: str) -> Any:
    function = getattr(module, name, None)
    if not callable(function):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return function


def list(github: str, *args: Any, source: str = "github", **kwargs: Any) -> Any:  # noqa: A001
    """Name the entry points of a local repository (``source="local"``)."""
    module = _hubconf(github, source)
    return [n for n, f in vars(module).items() if callable(f) and not n.startswith("_")]


def help(  # noqa: A001
    github: str, model: str, *args: Any, source: str = "github", **kwargs: Any
) -> Any:
    """Give the documentation of an entry point of a local repository."""
    return _entry(_hubconf(github, source), model).__doc__


def load(
    repo_or_dir: str,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = None,
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """Call an entry point of a local repository's ``hubconf.py`` (``source="local"``).

    Raises
    ------
    NotImplementedError
        For repositories that would be downloaded and run.
    """
    return _entry(_hubconf(repo_or_dir, source), model)(*args, **kwargs)

"""How ``import torch.X`` finds Ballast's module X, when a program asks for it and not before."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from .._missing import HINTS

#: The release of PyTorch whose interface is followed, against which docs/pytorch.md counts.
API_VERSION = "2.15.0"

#: How the package on disk, where there is one, says that Ballast has put it there.
INSTALLER = "ballast"

METADATA = f"""Metadata-Version: 2.1
Name: torch
Version: {API_VERSION}
Summary: PyTorch's name for Ballast, which computes in its place
License: Apache-2.0
Requires-Dist: ballast
"""

#: Packages with compiled parts that link against the real PyTorch and cannot do without them.
_LINKED = ("torchaudio", "torchtext", "functorch", "apex")

#: Modules of Ballast that PyTorch has not: programs do not find them under ``torch``.
_OWN = ("data", "models", "study", "torch")


def target_of(name: str) -> str | None:
    """Name the module of Ballast that stands for ``torch.<name>``; None where there is none.

    A module of the same name in the package comes first, then one in `places`, which holds the
    modules that packages import only to look at.
    """
    if name.partition(".")[0] in _OWN or any(p.startswith("__") for p in name.split(".")):
        return None
    for home in ("ballast", "ballast.torch.places"):
        full = f"{home}.{name}"
        if full in sys.modules:
            return full
        try:
            if importlib.util.find_spec(full) is not None:
                return full
        except ModuleNotFoundError:
            continue
    return None


class _Loader(importlib.abc.Loader):
    """Puts a module of Ballast where ``torch.X`` is looked for."""

    def __init__(self, target: str):
        self._target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Import the module before Python enters a placeholder for it."""
        importlib.import_module(self._target)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Replace the placeholder by the module: both names mean one object."""
        found = sys.modules[self._target]
        vars(found).setdefault("__path__", [])  # there may be modules below it in `places`
        sys.modules[module.__name__] = found


class _Distribution(importlib.metadata.Distribution):
    """The package metadata of ``torch`` in a process that has no such package on disk."""

    def read_text(self, filename: str) -> str | None:
        return METADATA if filename == "METADATA" else None

    def locate_file(self, path):
        raise FileNotFoundError(f"the package torch is Ballast here and has no file {path}")


class Finder(importlib.abc.MetaPathFinder):
    """Answers for ``torch`` and all below it, and for packages that need the real PyTorch."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of Ballast, or refuse by name; None for modules of other packages."""
        top, _, rest = fullname.partition(".")
        if top == "torch" and rest:
            found = target_of(rest)
            if found is not None:
                return ModuleSpec(fullname, _Loader(found), is_package=True)
            parent, _, name = fullname.rpartition(".")
            hint = HINTS.get("torch", {}).get(rest.partition(".")[0])
            detail = hint or HINTS.get(parent, {}).get(name)
            text = f"No module named '{fullname}' in Ballast, which stands in for PyTorch here"
            raise ModuleNotFoundError(f"{text}: {detail}" if detail else text, name=fullname)
        if top in _LINKED:
            raise ModuleNotFoundError(
                f"'{fullname}' has compiled operators that need the real PyTorch, and Ballast "
                "stands in for it here; define the model in Python and read its weights with "
                "torch.load",
                name=fullname,
            )
        return None

    def find_distributions(
        self, context: importlib.metadata.DistributionFinder.Context | None = None
    ) -> Iterable[importlib.metadata.Distribution]:
        """Answer ``importlib.metadata.version("torch")`` where no package on disk does."""
        if context is None or context.name != "torch":
            return []
        on_disk = importlib.metadata.MetadataPathFinder.find_distributions(context)
        ours = any((d.read_text("INSTALLER") or "").strip() == INSTALLER for d in on_disk)
        return [] if ours else [_Distribution()]

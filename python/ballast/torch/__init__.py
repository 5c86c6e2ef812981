"""PyTorch's name for Ballast: programs that say ``import torch`` run as they are.

``python -m ballast.torch SCRIPT.py [arguments]`` runs a program and what it starts;
``python -m ballast.torch --install`` puts a package ``torch`` into the environment, so that all its
programs, tests and notebooks find Ballast; `install` does the same inside one process.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

from .. import __version__ as _own_version
from .finder import API_VERSION, Finder, target_of

__all__ = ["API_VERSION", "install", "installed", "uninstall"]


class _Alias(ModuleType):
    """The module ``torch``: whatever ``ballast`` has, as it is when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        ballast = sys.modules["ballast"]
        if name in vars(ballast):
            return vars(ballast)[name]
        if not name.startswith("__") and target_of(name) is not None:
            return importlib.import_module(f"torch.{name}")
        return getattr(ballast, name)  # what is loaded only now, or the error that tells why not

    def __dir__(self):
        return sorted({*vars(self), *dir(sys.modules["ballast"])})


_finder = Finder()


def installed() -> bool:
    """Whether ``import torch`` gives Ballast."""
    return isinstance(sys.modules.get("torch"), _Alias)


def _alias() -> _Alias:
    ballast = sys.modules["ballast"]
    torch = _Alias("torch", ballast.__doc__)
    torch.__version__ = f"{API_VERSION}+ballast{_own_version}"
    torch.__path__ = []  # a package, whose modules the finder knows
    torch.__file__ = ballast.__file__
    torch.__spec__ = importlib.util.spec_from_loader("torch", loader=None, is_package=True)
    torch.torch = torch  # kornia writes torch.torch.Tensor
    return torch


def _rename(old: str, new: str) -> None:
    """Let classes say that they are from ``torch``: programs tell layers by where they are from."""
    nn = sys.modules["ballast.nn"]
    kinds = [nn.Module, nn.Parameter, nn.Buffer]
    sys.modules["ballast"].Tensor.__module__ = "torch" if new == "torch" else "ballast._core"
    while kinds:
        kind = kinds.pop()
        top, _, rest = kind.__module__.partition(".")
        if top == old and rest.startswith("nn"):
            kind.__module__ = f"{new}.{rest}"
        kinds += kind.__subclasses__()


def install(stub: ModuleType | None = None) -> None:
    """Let ``import torch``, ``import torch.nn`` and so on give Ballast, from now on.

    Parameters
    ----------
    stub : module, optional
        The package ``torch`` of an environment that asks for this while it is imported.

    Raises
    ------
    RuntimeError
        Where PyTorch itself has been imported already: its tensors and Ballast's do not mix.
    """
    if installed():
        return
    if sys.modules.get("torch") is not stub:
        raise RuntimeError(
            "ballast.torch.install(): PyTorch has been imported in this process already; install "
            "the alias before anything imports torch, or run `python -m ballast.torch SCRIPT.py`"
        )
    sys.modules["torch"] = _alias()
    sys.meta_path.insert(0, _finder)
    _rename("ballast", "torch")


def uninstall() -> None:
    """Take `install` back: ``import torch`` finds PyTorch again, where there is one."""
    if not installed():
        return
    sys.meta_path.remove(_finder)
    _rename("torch", "ballast")
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        del sys.modules[name]

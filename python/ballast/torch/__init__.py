"""PyTorch's name for Ballast: programs that say ``import torch`` run as they are.

``python -m ballast.torch SCRIPT.py [arguments]`` runs a program; `install` does the same inside a
process, `uninstall` takes it back.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from types import ModuleType
from typing import Any

from .. import __version__ as _own_version
from .._missing import HINTS, say

__all__ = ["install", "installed", "uninstall"]

#: The release whose interface is followed; programs compare `torch.__version__` with it.
API_VERSION = "2.5.0"

#: Packages with compiled parts that link against the real PyTorch.
_LINKED = ("torchvision", "torchaudio", "torchtext", "torchdata", "functorch", "triton", "apex")

#: Modules of Ballast that programs import under PyTorch's names.
_MODULES = (
    "autograd",
    "autograd.function",
    "autograd.functional",
    "autograd.gradcheck",
    "backends",
    "backends.cpu",
    "backends.cuda",
    "backends.cudnn",
    "backends.mkl",
    "backends.mkldnn",
    "backends.mps",
    "backends.openmp",
    "cuda",
    "cuda.amp",
    "amp",
    "jit",
    "linalg",
    "nn",
    "nn.functional",
    "nn.init",
    "nn.modules",
    "nn.modules.activation",
    "nn.modules.batchnorm",
    "nn.modules.container",
    "nn.modules.conv",
    "nn.modules.dropout",
    "nn.modules.instancenorm",
    "nn.modules.linear",
    "nn.modules.loss",
    "nn.modules.module",
    "nn.modules.normalization",
    "nn.modules.padding",
    "nn.modules.pooling",
    "nn.modules.utils",
    "nn.parameter",
    "nn.utils",
    "nn.utils.clip_grad",
    "nn.utils.fusion",
    "nn.utils.parametrizations",
    "nn.utils.parametrize",
    "nn.utils.rnn",
    "onnx",
    "optim",
    "optim.lr_scheduler",
    "optim.optimizer",
    "optim.swa_utils",
    "random",
    "serialization",
    "special",
    "testing",
    "types",
    "utils",
    "utils.checkpoint",
    "utils.data",
    "utils.data.dataloader",
    "utils.data.dataset",
    "utils.data.distributed",
    "utils.data.sampler",
    "utils.dlpack",
    "utils.hooks",
    "utils.model_zoo",
    "utils.tensorboard",
    "version",
)


class _Alias(ModuleType):
    """The module ``torch``: whatever ``ballast`` has, as it is when it is asked for."""

    def __getattr__(self, name: str) -> Any:
        ballast = sys.modules["ballast"]
        if name in vars(ballast):
            return vars(ballast)[name]
        raise AttributeError(say("torch", name), name=name, obj=self)

    def __dir__(self):
        return sorted({*vars(self), *dir(sys.modules["ballast"])})


class _Finder(importlib.abc.MetaPathFinder):
    """Answers for the modules that PyTorch has and Ballast has not, and for what links to it."""

    def find_spec(self, fullname, path=None, target=None):
        """Refuse by name; None for every other module."""
        top, _, rest = fullname.partition(".")
        if top == "torch":
            parent, _, name = fullname.rpartition(".")
            hint = HINTS.get("torch", {}).get(rest.partition(".")[0])
            detail = hint or HINTS.get(parent, {}).get(name)
            text = f"No module named '{fullname}' in Ballast, which stands in for PyTorch here"
            raise ModuleNotFoundError(f"{text}: {detail}" if detail else text, name=fullname)
        if top in _LINKED:
            raise ModuleNotFoundError(
                f"'{fullname}' has compiled operators that need the real PyTorch, and Ballast "
                "stands in for it here; define the model in Python (or see ballast.models) and "
                "read its weights with torch.load",
                name=fullname,
            )
        return None


_finder = _Finder()


def installed() -> bool:
    """Whether ``import torch`` gives Ballast."""
    return isinstance(sys.modules.get("torch"), _Alias)


def _alias() -> _Alias:
    ballast = sys.modules["ballast"]
    torch = _Alias("torch", ballast.__doc__)
    torch.__version__ = f"{API_VERSION}+ballast{_own_version}"
    torch.__path__ = []  # a package, whose modules are all in sys.modules
    torch.__file__ = ballast.__file__
    torch.__spec__ = importlib.util.spec_from_loader("torch", loader=None, is_package=True)
    return torch


def install() -> None:
    """Let ``import torch``, ``import torch.nn`` and so on give Ballast, from now on.

    Raises
    ------
    RuntimeError
        Where PyTorch itself has been imported already: its tensors and Ballast's do not mix.
    """
    if installed():
        return
    if "torch" in sys.modules:
        raise RuntimeError(
            "ballast.torch.install(): PyTorch has been imported in this process already; install "
            "the alias before anything imports torch, or run `python -m ballast.torch SCRIPT.py`"
        )
    modules = {"torch": _alias()}
    for name in _MODULES:
        parent = f"ballast.{name}".rpartition(".")[0]
        if not hasattr(sys.modules.get(parent), "__path__"):
            continue
        if importlib.util.find_spec(f"ballast.{name}") is not None:
            modules[f"torch.{name}"] = importlib.import_module(f"ballast.{name}")
    sys.modules.update(modules)
    sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Take `install` back: ``import torch`` finds PyTorch again, where there is one."""
    if not installed():
        return
    sys.meta_path.remove(_finder)
    for name in [n for n in sys.modules if n == "torch" or n.startswith("torch.")]:
        del sys.modules[name]

"""PyTorch or Ballast by name, and Ballast's networks built of its layers."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_NETWORKS = Path(__file__).resolve().parents[1] / "python/ballast/models"


def networks(library: str) -> ModuleType:
    """Import the networks of ``ballast.models``, made of the layers of `library`.

    Their sources name the library by relative imports only. Under another parent package, the same
    files are that package's networks: PyTorch runs what Ballast runs.

    Parameters
    ----------
    library : str
        "torch" or "ballast"
    """
    importlib.import_module(library)
    if library == "ballast":
        return importlib.import_module("ballast.models")
    name = f"{library}.ballast_models"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, _NETWORKS / "__init__.py", submodule_search_locations=[str(_NETWORKS)]
        )
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]

"""Packages import names of it; making anything of them says that one process trains."""

from .._later import names_only
from . import _INSTEAD

__getattr__ = names_only("distributed.run", _INSTEAD)

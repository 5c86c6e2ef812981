"""lightning takes the class from here."""

from . import DistributedDataParallel  # noqa: F401

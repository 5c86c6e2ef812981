"""Programs take the class from here, too."""

from . import DataParallel  # noqa: F401

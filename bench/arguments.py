"""Arguments of the programs here, with errors in one line."""

from __future__ import annotations

import argparse
import math
import shutil
from collections.abc import Callable


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, without the usage."""

    def error(self, message: str) -> None:
        """Tell what is wrong and exit."""
        self.exit(2, f"bench: {message}\n")


def whole(least: int) -> Callable[[str], int]:
    """Make a reader of whole numbers that are not below `least`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < least:
            raise argparse.ArgumentTypeError(
                f"expected a whole number of at least {least}, got {text}"
            )
        return value

    return read


def seconds(text: str) -> float:
    """Read a length of time."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, got {text}")
    return value


def program(text: str) -> str:
    """Read the path or name of a program that can be run."""
    if shutil.which(text) is None:
        raise argparse.ArgumentTypeError(f"expected an interpreter, got {text}: no such program")
    return text

"""``python -m ballast.torch SCRIPT.py [arguments]``: run a PyTorch program with Ballast."""

from __future__ import annotations

import os
import runpy
import sys

from . import install

_USAGE = """usage: python -m ballast.torch [-m MODULE | SCRIPT.py] [arguments]

Runs a program that says `import torch` with Ballast in PyTorch's place."""


def main() -> None:
    """Run the program that the command line names."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if arguments else sys.stderr)
        raise SystemExit(0 if arguments else 2)
    install()
    if arguments[0] == "-m":
        if len(arguments) < 2:
            raise SystemExit("ballast.torch: -m needs the name of a module")
        sys.argv = arguments[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    script = arguments[0]
    if not os.path.exists(script):
        raise SystemExit(f"ballast.torch: can't open file '{script}': No such file or directory")
    sys.argv = arguments
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    runpy.run_path(script, run_name="__main__")


main()

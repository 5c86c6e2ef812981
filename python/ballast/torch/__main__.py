"""``python -m ballast.torch``: run a PyTorch program with Ballast, or let all programs find it."""

from __future__ import annotations

import os
import runpy
import sys

from . import environment, install

_USAGE = """usage: python -m ballast.torch [-m MODULE | SCRIPT.py] [arguments]
       python -m ballast.torch --install | --uninstall | --status

Runs a program that says `import torch`, and the Python programs that it starts, with Ballast in
PyTorch's place. --install puts a package `torch` into this environment, so that `import torch` is
Ballast in every program, test and notebook; --uninstall removes it; --status tells which it is."""

_ACTIONS = {
    "--install": environment.put_in,
    "--uninstall": environment.take_out,
    "--status": environment.state,
}


def _hand_to_children() -> None:
    """Let Python programs that this one starts find the alias, and its metadata."""
    folder = str(environment.STUB)
    sys.path.append(folder)
    others = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, others]) if others else folder


def main() -> None:
    """Run the program that the command line names."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, file=sys.stdout if arguments else sys.stderr)
        raise SystemExit(0 if arguments else 2)
    if arguments[0] in _ACTIONS:
        if len(arguments) > 1:
            raise SystemExit(f"ballast.torch: {arguments[0]} takes no arguments")
        try:
            print(_ACTIONS[arguments[0]]())
        except (environment.EnvironmentProblem, OSError) as problem:
            raise SystemExit(f"ballast.torch: {problem}") from None
        return
    install()
    _hand_to_children()
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


if __name__ == "__main__":
    main()

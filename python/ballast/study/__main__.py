"""`ballast study` of a Python class: ``python -m ballast.study --model FILE.py:Class``."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path

from .. import _core
from .measure import run


def _class_of(model: str):
    file, _, name = model.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise FileNotFoundError(f"{file}: there is no such file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise AttributeError(f"{file}: there is no {name} in it")
    return getattr(module, name)


def _show(claim: str, verdict: str, sentence: str, timing: str, network: str) -> None:
    said = " ".join(part for part in (sentence, timing) if part)
    print("\n  ".join(part for part in (f"{claim}: {verdict}", said, network) if part), flush=True)


def main() -> int:
    """Run the command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="ballast study", description=__doc__)
    parser.add_argument("claims", nargs="*", metavar="CLAIM")
    parser.add_argument("--model", required=True, metavar="FILE.py:Class")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--out", default="study", metavar="FOLDER")
    parser.add_argument("--threads", type=int, default=0, metavar="N")
    for flag in ("--quick", "--json", "--quiet"):
        parser.add_argument(flag, action="store_true")
    o = parser.parse_args()
    if o.threads > 0:
        _core.set_num_threads(o.threads)
    silent = o.json or o.quiet
    command = f"--model {o.model}"
    command += f" --data {o.data}" if o.data != "digits" else ""
    command += " --quick" if o.quick else ""
    try:
        report = run(
            _class_of(o.model),
            o.data,
            o.claims,
            o.quick,
            o.out,
            name=o.model,
            command=command,
            progress=not o.quiet,
            on_result=None if silent else _show,
        )
    except KeyboardInterrupt:
        print(
            f"ballast: stopped; the same command goes on with what is in {o.out}", file=sys.stderr
        )
        return 130
    except Exception as e:  # one line, as of the other commands
        text = str(e.args[0] if isinstance(e, KeyError) and e.args else e)
        print(f"ballast: {' '.join(text.split())}", file=sys.stderr)
        return 2 if isinstance(e, KeyError | AttributeError) else 1
    if o.json:
        print(json.dumps(report, indent=1))
    elif not o.quiet:
        print(
            "report:", ", ".join(os.path.join(o.out, f"report.{e}") for e in ("html", "md", "json"))
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

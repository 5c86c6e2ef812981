"""Programs run in an interpreter of their own."""

import subprocess
import sys
import textwrap


def python(program: str, **options) -> str:
    """Run it, with options of `subprocess.run`; return what it prints."""
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout

"""What the campaigns share: options, runs of the tool with faults, and findings."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def options(about: str, **more: dict) -> argparse.Namespace:
    """Parse the options that all campaigns have, and those in ``more``."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default 0)")
    parser.add_argument("--full", action="store_true", help="all cases instead of a bounded part")
    parser.add_argument("--tool", type=Path, default=ROOT / "build/ballast", help="the tool to try")
    for name, settings in more.items():
        parser.add_argument("--" + name.replace("_", "-"), **settings)
    return parser.parse_args()


@dataclass
class Outcome:
    """How a program ended. ``code`` is negative where a signal ended it."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """The last line of the errors."""
        return (self.err.strip().splitlines() or [""])[-1]


class Campaign:
    """Counts cases and prints findings; ``end`` gives the exit status."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed
        self.random = random.Random(seed)
        self.cases, self.findings = 0, 0
        self.start = time.monotonic()

    def case(self, holds: bool, what: str) -> bool:
        """Count a case; print it where it does not hold."""
        self.cases += 1
        if not holds:
            self.findings += 1
            print(f"{self.name}: FINDING: {what}", flush=True)
        return holds

    def some(self, cases: list, most: int | None) -> list:
        """At most so many of the cases, drawn by chance, in their order; all where it is None."""
        if most is None or len(cases) <= most:
            return cases
        return [cases[i] for i in sorted(self.random.sample(range(len(cases)), most))]

    def end(self) -> int:
        """Print the figures."""
        seconds = time.monotonic() - self.start
        print(
            f"{self.name}: {self.cases} cases, {self.findings} findings "
            f"(seed {self.seed}, {seconds:.0f} s)"
        )
        return 1 if self.findings else 0


class Faults:
    """Runs programs under the library of faults.c."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "faults.so"
        source = Path(__file__).with_name("faults.c")
        command = ["cc", "-O1", "-shared", "-fPIC", str(source), "-o", str(self.library), "-ldl"]
        subprocess.run(command, check=True)

    def run(
        self, command: list, under: Path, action: str, at: int = 0, log: Path | None = None
    ) -> Outcome:
        """Run with a fault at the ``at``-th call that changes files below ``under``."""
        faults = {"LD_PRELOAD": str(self.library), "FAULT_UNDER": str(under)}
        faults |= {"FAULT_ACTION": action, "FAULT_AT": str(at)}
        if log:
            log.unlink(missing_ok=True)
            faults["FAULT_LOG"] = str(log)
        return run(command, faults)

    def calls(self, command: list, under: Path, action: str) -> list[str]:
        """The calls that the action can happen to, in order: "write /path"."""
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            outcome = self.run(command, under, action, log=log)
            if outcome.code != 0:
                sys.exit(f"{command} failed without a fault: {outcome.err}")
            return [line.split(" ", 1)[1] for line in log.read_text().splitlines()]


def run(command: list, environment: dict | None = None, timeout: float = 300) -> Outcome:
    """Run a program to its end."""
    done = subprocess.run(
        [str(word) for word in command],
        env=os.environ | (environment or {}),
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def content(run_folder: Path) -> dict[str, bytes]:
    """The files of a run whose bytes do not depend on a clock."""
    return {
        str(path.relative_to(run_folder)): path.read_bytes()
        for path in sorted(run_folder.rglob("*"))
        if path.is_file() and "tensorboard" not in path.parts and "plots" not in path.parts
    }


def differences(a: dict[str, bytes], b: dict[str, bytes]) -> str:
    """Names of the files in which two runs differ."""
    return ", ".join(name for name in sorted({*a, *b}) if a.get(name) != b.get(name))

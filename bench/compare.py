"""Ballast against PyTorch: `scripts/bench --against torch PYTHON` runs this.

Every side of a workload is a process that stays alive. They take turns, so that whatever else the
machine does meets all of them alike; a round gives every side one turn, and within it a ratio.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from arguments import Parser, program, seconds, whole
from report import ISAS, table
from workloads import WORKLOADS, Workload

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# PyTorch's memory comes from malloc. By default large blocks go back to the system when freed, and
# every step pays for fresh pages; these settings keep them, which is PyTorch at its best.
KEEP_PAGES = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "68719476736",
    "MALLOC_TOP_PAD_": "67108864",
}
ISA_SETTINGS = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "BALLAST_TARGET": "avx2",
    }
}


@dataclass
class Side:
    """A process that runs steps of one library, or a benchmark program that is started per turn."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen | None = None
    version: str = ""

    def start(self) -> None:
        """Start the process and wait until it has warmed up."""
        self.process = subprocess.Popen(
            self.command,
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.version = self._read()["ready"]

    def turn(self, seconds: float) -> list[float]:
        """Run steps for some time; returns their times in seconds."""
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return self._read()

    def stop(self) -> None:
        """End the process."""
        if self.process is None:
            return
        self.process.stdin.close()
        self.process.wait()

    def _read(self):
        # What libraries print besides is not ours.
        for line in self.process.stdout:
            if line.startswith(("{", "[")) or line[:-1].isdigit():
                return json.loads(line)
        raise SystemExit(f"bench: {self.name}: {' '.join(self.command)} failed")


class Program(Side):
    """A program of Google Benchmark, which is started for every turn."""

    def start(self) -> None:
        """Try once whether it runs."""
        self.turn(0.01)

    def turn(self, seconds: float) -> list[float]:
        """Run the program; returns mean times of a step, over several parts of the turn."""
        parts = 9
        options = ["--benchmark_format=json", f"--benchmark_repetitions={parts}"]
        command = [*self.command, *options, f"--benchmark_min_time={seconds / parts}"]
        run = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        )
        unit = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}
        results = json.loads(run.stdout)["benchmarks"]
        return [
            r["real_time"] * unit[r["time_unit"]] for r in results if r["run_type"] == "iteration"
        ]


def worker(python: str, library: str, name: str, variant: str, a, *more: str) -> Side:
    """Describe the side that runs `library` under `python`."""
    environment = {"OMP_NUM_THREADS": str(a.threads), **ISA_SETTINGS.get(a.isa, {})}
    if library == "ballast":
        # The package as it stands in the source tree, with the extension module of the build tree.
        paths = [str(a.build / "python"), os.environ.get("PYTHONPATH")]
        environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    elif "--memory" not in more:
        environment |= KEEP_PAGES
    command = [python, str(HERE / "worker.py"), library, name, variant, f"--threads={a.threads}"]
    label = "ballast" if library == "ballast" else f"{library} {variant}"
    return Side(label, [*command, *more], environment)


def torch_variants(workload: Workload, compile_too: bool) -> list[str]:
    """List the ways in which PyTorch could run this."""
    variants = ["eager"]
    if workload.images:
        variants.append("channels_last")
    return [*variants, "compile"] if compile_too else variants


def sides_of(name: str, a) -> list[Side]:
    """Everyone who runs a workload."""
    workload = WORKLOADS[name]
    sides = [worker(sys.executable, "ballast", name, "eager", a)]
    if a.torch:
        for variant in torch_variants(workload, a.compile):
            sides.append(worker(a.torch, "torch", name, variant, a))
    if a.onnxruntime and workload.evaluation:
        sides.append(worker(a.torch, "onnxruntime", name, "eager", a))
    program = a.build / "bench/step"
    if workload.cpp and program.exists():
        command = [str(program), f"--benchmark_filter=^step/{workload.cpp}$"]
        sides.append(Program("ballast c++", command, sides[0].environment))
    return sides


def measure_times(name: str, a) -> tuple[dict, dict]:
    """Run the rounds; returns median step times per round and the versions of the libraries."""
    sides = sides_of(name, a)
    try:
        for side in sides:
            side.start()
        times = {side.name: [] for side in sides}
        for r in range(a.rounds):
            # Every side is the first of a round in turn.
            for side in sides[r % len(sides) :] + sides[: r % len(sides)]:
                times[side.name].append(statistics.median(side.turn(a.seconds)))
                time.sleep(0.02)  # a team of threads that spins when it has nothing to do stops
    finally:
        for side in sides:
            side.stop()
    return times, {side.name.split()[0]: side.version for side in sides if side.version}


def measure_memory(name: str, a) -> dict:
    """Peak memory of each side in bytes, beyond what the library and the smallest network take."""
    variants = [("ballast", sys.executable, "eager")]
    if a.torch:
        variants += [("torch", a.torch, v) for v in torch_variants(WORKLOADS[name], False)]
    out = {}
    for library, python, variant in variants:
        side = worker(python, library, name, variant, a, "--memory")
        run = subprocess.run(
            side.command,
            env={**os.environ, **side.environment},
            check=True,
            capture_output=True,
            text=True,
        )
        out[side.name] = int(run.stdout.split()[-1])
    return out


def machine() -> dict:
    """Describe the machine."""
    model = ""
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    return {"cpu": model or platform.processor(), "cores": os.cpu_count()}


def commit() -> str:
    """Name the commit that is checked out."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def compare(a) -> None:
    """Measure all workloads; writes the record after each of them."""
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"bench: others keep {load:.1f} cores busy: times will be off", file=sys.stderr)
    record = {
        "machine": machine(),
        "load_before": load,
        "commit": commit(),
        "threads": a.threads,
        "isa": a.isa,
        "rounds": a.rounds,
        "seconds": a.seconds,
        "versions": {},
        "workloads": {},
    }
    a.json.parent.mkdir(parents=True, exist_ok=True)
    for name in a.names:
        print(f"bench: {name}", file=sys.stderr)
        times, versions = measure_times(name, a)
        workload = WORKLOADS[name]
        entry = {"label": workload.label, "evaluation": workload.evaluation, "times": times}
        if a.memory:
            entry["memory"] = measure_memory(name, a)
        record["versions"].update(versions)
        record["workloads"][name] = entry
        a.json.write_text(json.dumps(record, indent=1) + "\n")
    print(table(record))
    print(f"\nbench: {a.json} has the record", file=sys.stderr)


def print_record(path: Path, parser: Parser) -> None:
    """Print the record in a file as a table."""
    try:
        text = table(json.loads(path.read_text()))
    except OSError as e:
        parser.error(f"--table: {path}: {e.strerror}")
    except (AttributeError, LookupError, TypeError, ValueError):
        parser.error(f"--table: expected a record that this program wrote, got {path}")
    print(text)


def check_interpreter(a, parser: Parser) -> None:
    """Say before anything is measured which module an interpreter lacks."""
    for module in ("torch", "onnxruntime") if a.onnxruntime else ("torch",):
        code = f"import importlib.util as u, sys; sys.exit(u.find_spec('{module}') is None)"
        try:
            lacks = subprocess.run([a.torch, "-c", code], capture_output=True).returncode != 0
        except OSError as e:
            parser.error(f"--torch: {a.torch}: {e.strerror}")
        if lacks:
            parser.error(f"--torch: expected an interpreter that has {module}, got {a.torch}")


def main() -> None:
    parser = Parser(prog="scripts/bench --against torch PYTHON")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument(
        "--torch", type=program, metavar="PYTHON", help="an interpreter with PyTorch"
    )
    parser.add_argument("--threads", type=whole(1), default=os.cpu_count())
    parser.add_argument("--rounds", type=whole(1), default=9, help="turns of a side (default 9)")
    parser.add_argument(
        "--seconds", type=seconds, default=0.5, help="length of a turn (default 0.5)"
    )
    parser.add_argument("--isa", choices=ISAS, default="best", help="vector target (default best)")
    parser.add_argument("--memory", action="store_true", help="measure peak memory too")
    parser.add_argument("--compile", action="store_true", help="torch.compile as well")
    parser.add_argument("--onnxruntime", action="store_true", help="ONNX Runtime in evaluation")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build folder")
    parser.add_argument("--json", type=Path, help="file for the record")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print a record as a table")
    a = parser.parse_args()
    if a.table:
        print_record(a.table, parser)
        return
    unknown = [n for n in a.names if n not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}; there are {', '.join(WORKLOADS)}")
    if a.onnxruntime and not a.torch:
        parser.error("--onnxruntime needs PyTorch to export the network")
    if a.torch:
        check_interpreter(a, parser)
    a.names = a.names or list(WORKLOADS)
    a.json = a.json or a.build / "bench/against_torch.json"
    compare(a)


if __name__ == "__main__":
    main()

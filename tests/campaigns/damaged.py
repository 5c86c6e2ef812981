"""Damages files: random bytes, truncation, parts of other files; and has them read.

Files of a run: holds where the tool says which file is damaged and ends with status 1, or gives
the very result of the sound file; never another one. Files of every format that is read: holds
where the reader takes them or raises an exception with a message, in seconds, within bounded
memory, and lives.
"""

from __future__ import annotations

import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from runs import Training
from support import ROOT, Campaign, content, options, run

GOLDEN = ROOT / "tests/golden"
MEMORY = 1 << 30  # bytes that a reader may take beyond what it has at the start
READER = """
import io, resource, signal, struct, sys
import ballast
import ballast.data
sound = ballast.randn(8, 8) @ ballast.randn(8, 8)
sound.sum().item()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]), resource.RLIM_INFINITY))
while head := sys.stdin.buffer.read(8):
    path = sys.stdin.buffer.read(struct.unpack("<Q", head)[0]).decode()
    signal.alarm(20)
    try:
        data = path.endswith((".csv", ".npy")) or "/data-" in path
        value = ballast.data.load(path) if data else ballast.load(path)
        answer = "read"
    except MemoryError as e:
        answer = f"MemoryError {e}"
    except Exception as e:
        answer = f"refused {type(e).__name__} {e}" if str(e) else f"empty {type(e).__name__}"
    signal.alarm(0)
    sys.stdout.buffer.write(answer.replace("\\n", " ").encode("utf-8", "replace") + b"\\n")
    sys.stdout.flush()
"""


def damaged(random, sound: bytes, others: list[bytes]) -> tuple[str, bytes]:
    """What was done, and the bytes."""
    data = bytearray(sound)
    kind = random.choice(["bit", "byte", "bytes", "cut", "spliced", "zeros", "repeated", "number"])
    at = random.randrange(len(data))
    if kind == "bit":
        data[at] ^= 1 << random.randrange(8)
    elif kind == "byte":
        data[at] = random.randrange(256)
    elif kind == "bytes":
        for _ in range(random.randint(2, 20)):
            data[random.randrange(len(data))] = random.randrange(256)
    elif kind == "cut":
        del data[at:]
    elif kind == "spliced":
        other = random.choice(others)
        data[at:] = other[random.randrange(len(other)) :]
    elif kind == "zeros":
        data[at : at + random.choice([1, 16, 512])] = bytes(random.choice([1, 16, 512]))
    elif kind == "repeated":
        end = min(len(data), at + random.choice([8, 64, 512]))
        data[at:at] = data[at:end]
    else:  # a size or an offset
        head = random.randrange(max(1, min(len(data) - 8, 1024)))
        data[head : head + 8] = struct.pack(
            "<q", random.choice([-1, 0, 2**31, 2**40, 2**62, 2**63 - 1])
        )
    return f"{kind} at {at}", bytes(data)


def of_a_run(campaign: Campaign, tool: Path, folder: Path, times: int) -> None:
    """Damage the files of a run, or exchange them for those of another one."""
    stopped, whole, other = (
        Training(tool, "net", folder / n) for n in ("stopped", "whole", "other")
    )
    run(whole.start)
    run([*other.start, "--seed", "1"])
    # A run of two epochs that stands at the end of the first.
    longer = [tool, "train", "--quiet", "--resume", stopped.folder, "--epochs", "2"]
    run([*stopped.start, "--epochs", "1"])
    begun = content(stopped.folder)
    campaign.case(run(longer).code == 0, "a training failed")
    end = content(stopped.folder)
    reads = {
        "eval": ["settings.json", "model.safetensors", "components.safetensors"],
        "predict": ["settings.json", "model.safetensors", "components.safetensors"],
        "resume": [
            "settings.json",
            "checkpoint.safetensors",
            "components.safetensors",
            "record.csv",
            "record.jsonl",
        ],
    }
    commands = {
        "eval": [tool, "eval", whole.folder, "--json"],
        "predict": [tool, "predict", whole.folder, "--json"],
        "resume": longer,
    }
    sound = {name: run(command).out for name, command in commands.items() if name != "resume"}
    foreign = {name: data for name, data in content(other.folder).items() if data}
    for _ in range(times):
        name = campaign.random.choice(list(commands))
        file = campaign.random.choice(reads[name])
        target = stopped if name == "resume" else whole
        files = begun if name == "resume" else content(whole.folder)
        how, data = damaged(campaign.random, files[file], list(foreign.values()))
        if campaign.random.random() < 0.1:
            how, data = "of another run", foreign[file]
        if name == "resume":
            restore(stopped.folder, begun)
        (target.folder / file).write_bytes(data)
        outcome = run(commands[name])
        what = f"{name} with {file} damaged ({how})"
        if outcome.code == 0:
            same = (
                content(stopped.folder) == end if name == "resume" else outcome.out == sound[name]
            )
            campaign.case(same, f"{what}: another result, with status 0")
        else:
            one_line = outcome.code == 1 and len(outcome.err.splitlines()) == 1
            campaign.case(
                one_line and file in outcome.err, f"{what}: {outcome.code} {outcome.err[:300]}"
            )
        if name != "resume":
            (target.folder / file).write_bytes(files[file])


def restore(folder: Path, files: dict[str, bytes]) -> None:
    """Put files back."""
    shutil.rmtree(folder)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def seeds() -> list[tuple[str, bytes]]:
    """Sound files: name (the reader goes by its beginning and ending), content."""
    files = [(p.name, p.read_bytes()) for p in sorted(GOLDEN.glob("checkpoints/*.pt"))]
    files += [(p.name, p.read_bytes()) for p in sorted(GOLDEN.glob("reference.*"))]
    with zipfile.ZipFile(GOLDEN / "reference.npz") as archive:
        files += [(f"{i}.npy", archive.read(n)) for i, n in enumerate(archive.namelist())]
    files.append(("data-reference.npz", (GOLDEN / "reference.npz").read_bytes()))
    files.append(("a.csv", b'a,b,label\n1,2.5,0\n-3e2,.5,7\n4,"5",6\n'))
    files.append(("b.csv", b"\xef\xbb\xbf1;0\r\n\r\n+2.5e-3;1\r\n"))
    return [(n, b) for n, b in files if len(b) < 200_000]


class Reader:
    """A process that reads files, started again where one ends it."""

    def __init__(self, python: str) -> None:
        self.command = [python, "-c", READER, str(MEMORY)]
        self.process: subprocess.Popen | None = None

    def ask(self, path: Path) -> str:
        """What it says of a file."""
        if self.process is None:
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
        name = str(path).encode()
        self.process.stdin.write(struct.pack("<Q", len(name)) + name)
        self.process.stdin.flush()
        if answer := self.process.stdout.readline():
            return answer.decode("utf-8", "replace").strip()
        code = self.process.wait()
        self.process = None
        return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"


def of_every_format(campaign: Campaign, python: str, folder: Path, times: int) -> None:
    """Damage files of every format and read them."""
    reader = Reader(python)
    files = seeds()
    for name, data in files:  # sound ones are read, or refused for what they are
        path = folder / name
        path.write_bytes(data)
        campaign.case(reader.ask(path).split()[0] in ("read", "refused"), f"{name}, sound")
    for _ in range(times):
        name, data = campaign.random.choice(files)
        how, data = damaged(campaign.random, data, [d for _, d in files])
        path = folder / name
        path.write_bytes(data)
        answer = reader.ask(path)
        if not campaign.case(answer.split()[0] in ("read", "refused"), f"{name}, {how}: {answer}"):
            shutil.copy(path, Path(tempfile.gettempdir()) / f"damaged-{campaign.cases}-{name}")


def bombs(campaign: Campaign, python: str, folder: Path) -> None:
    """Small files that claim to unpack to much."""
    reader = Reader(python)
    head = b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
    for size in (1 << 28, 1 << 30):
        for name in ("bomb.npz", "data-bomb.npz", "bomb.pt"):
            path = folder / name
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                inner = "archive/data.pkl" if name.endswith(".pt") else "x.npy"
                with archive.open(inner, "w", force_zip64=True) as entry:
                    entry.write(head.ljust(127) + b"\n")
                    for _ in range(size >> 20):
                        entry.write(bytes(1 << 20))
            answer = reader.ask(path)
            campaign.case(answer.startswith("refused"), f"{name} of {size} bytes: {answer}")
            status = (
                Path(f"/proc/{reader.process.pid}/status").read_text() if reader.process else ""
            )
            peak = [int(s.split()[1]) for s in status.splitlines() if s.startswith("VmHWM")]
            campaign.case(
                bool(peak) and peak[0] < 400_000,
                f"{name} of {size} bytes took {peak} KB",
            )


def main() -> int:
    """Run the campaign."""
    o = options(__doc__, python={"default": sys.executable, "help": "a Python that has ballast"})
    campaign = Campaign("damaged", o.seed)
    with tempfile.TemporaryDirectory() as folder:
        of_a_run(campaign, o.tool, Path(folder), 2000 if o.full else 40)
        of_every_format(campaign, o.python, Path(folder), 30_000 if o.full else 1500)
        if o.full:
            bombs(campaign, o.python, Path(folder))
    return campaign.end()


if __name__ == "__main__":
    sys.exit(main())

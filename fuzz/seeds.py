"""Writes what fuzzing begins with: ``python3 fuzz/seeds.py FOLDER`` fills FOLDER/TARGET for each.

The inputs are the files that the tests read, the pickles inside of them, and a few tables.
"""

import json
import sys
import zipfile
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
LONGEST = 10_000  # longer inputs slow the fuzzer down
LEGACY_START = 15  # bytes that files of PyTorch before 1.6 begin with

TABLES = [
    "1,2.5,0\n-3e2,.5,7\n",
    'a,b,c\n1,2,3\n4,"5",6\n',
    "\ufeffa;b\r\n1;0\r\n\r\n+2.5e-3;1\r\n",
    "1\t2\t0\nnan\tinf\t1\n",
]
SETTINGS = {
    "model": "net",
    "data": "digits",
    "classes": 10,
    "norm": "batch",
    "epochs": 20,
    "batch_size": 64,
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "optimizer": "sgd",
    "schedule": "none",
    "seed": 0,
    "threads": 0,
    "checkpoint_every": "30s",
    "record": ["csv"],
    "plots": False,
    "data_hash": "0123456789abcdef",
    "sample": [1, 8, 8],
}


def seeds() -> dict[str, list[bytes]]:
    """Inputs by target."""
    checkpoints = [p.read_bytes() for p in sorted(GOLDEN.glob("checkpoints/*.pt"))]
    zips = [b for b in checkpoints if b.startswith(b"PK")]
    legacy = [b for b in checkpoints if not b.startswith(b"PK")]
    npz = (GOLDEN / "reference.npz").read_bytes()
    safetensors = [p.read_bytes() for p in sorted(GOLDEN.glob("*.safetensors"))]
    pickles, arrays = [], []
    for path in [*sorted(GOLDEN.glob("checkpoints/*.pt")), GOLDEN / "reference.npz"]:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                pickles += [archive.read(n) for n in archive.namelist() if n.endswith(".pkl")]
                arrays += [archive.read(n) for n in archive.namelist() if n.endswith(".npy")]
    tables = [t.encode() for t in TABLES]
    return {
        "checkpoint": [*checkpoints, npz, *safetensors],
        "csv": [bytes([o]) + t for t in tables for o in (0, 1, 3, 0x15, 0x2B)],
        "data_file": [b"\0" + t for t in tables] + [b"\1" + a for a in arrays] + [b"\2" + npz],
        "npy": [*arrays, npz],
        "pickle": pickles + [b[LEGACY_START:] for b in legacy],
        "pt": checkpoints,
        "pt_content": [bytes([sizes]) + p for p in pickles for sizes in (0x11, 0x72)],
        "pt_legacy": [b[LEGACY_START:] for b in legacy],
        "safetensors": safetensors,
        "settings": [json.dumps(SETTINGS).encode()],
        "zip": [*zips, npz],
    }


def main() -> None:
    """Write the inputs, one file each."""
    targets = seeds()
    missing = {p.stem for p in Path(__file__).parent.glob("*.cpp")} - targets.keys()
    if missing:
        sys.exit(f"seeds.py: no inputs for {', '.join(sorted(missing))}")
    for target, inputs in targets.items():
        folder = Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for i, data in enumerate(inputs):
            if len(data) <= LONGEST:
                (folder / f"seed-{i}").write_bytes(data)


if __name__ == "__main__":
    main()

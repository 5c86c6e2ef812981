"""Writes python/tests/same/*.json: what PyTorch answers to the cases there.

Run with a Python that has PyTorch and NumPy, all modules or those named:

    python scripts/golden/same.py [MODULE...]
"""

import json
import pathlib
import sys

import torch
import torch.utils.data

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "python" / "tests"))
import same  # noqa: E402 (found by the line above)


def main() -> None:
    for module in sys.argv[1:] or same.MODULES:
        answers = {name: same.plain(case(torch)) for name, case in same.cases(module).items()}
        lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in answers.items()]
        path = same.FOLDER / f"{module}.json"
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(len(answers), "cases,", path.stat().st_size, "bytes:", path.name)


if __name__ == "__main__":
    main()

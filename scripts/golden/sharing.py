"""Which results of PyTorch's functions share memory with their argument.

PYTHON scripts/golden/sharing.py > python/tests/sharing.json       (PYTHON has PyTorch)
"""

import json
import pathlib
import sys
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "python" / "tests"))
import sharing
import torch

warnings.simplefilter("ignore")
torch.set_num_threads(1)
found: dict[str, dict[str, str]] = {}
for place, name in sharing.names(torch):
    answers = {}
    for s, shape in enumerate(sharing.SHAPES):
        for dtype in sharing.TYPES:
            for a, arguments in enumerate(sharing.ARGUMENTS):
                for listed in (False, True) if place != "Tensor" else (False,):
                    try:
                        said = sharing.answer(torch, place, name, shape, dtype, arguments, listed)
                    except Exception:
                        continue
                    if said:
                        answers[f"{s} {dtype[0]} {a} {'l' if listed else 't'}"] = said
    # What no call makes share is not written out call by call.
    if set(answers.values()) == {"new"}:
        answers = {"all": "new"}
    if answers:
        found[f"{place}.{name}"] = answers
lines = ",\n".join(
    f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in found.items()
)
print("{\n" + lines + "\n}")

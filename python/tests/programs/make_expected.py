"""Write what PyTorch makes of the programs beside this file: ``python make_expected.py``."""

import json
import re
import runpy
from pathlib import Path

HERE = Path(__file__).parent


def _plain(value):
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, str):  # PyTorch 2.15 says more than others do
        return re.sub(r"torch\.Size\((.*?)\)", r"\1", value).replace("addmm: ", "")
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


for program in sorted(HERE.glob("*.py")):
    if program.stem != "make_expected":
        results = runpy.run_path(str(program))["results"]
        text = json.dumps({k: _plain(v) for k, v in results.items()}, separators=(",", ":"))
        (HERE / f"{program.stem}.json").write_text(text + "\n")

"""Write what PyTorch makes of python/tests/models_torch: python scripts/golden/models_torch.py."""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "python" / "tests" / "models_torch"
sys.path.insert(0, str(FOLDER))

import digest  # noqa: E402
import train  # noqa: E402


def shortened(value):
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, list):
        return [shortened(v) for v in value]
    if isinstance(value, dict):
        return {k: shortened(v) for k, v in value.items()}
    return value


steps = {name: digest.step(build) for name, build in digest.nets().items()}
curves = {}
for net in ("resnet", "mobilenet_v2", "senet"):
    curves[net] = train.run(net, 30)
text = json.dumps(shortened({"steps": steps, "curves": curves}), separators=(",", ":"))
(FOLDER / "golden.json").write_text(text + "\n")

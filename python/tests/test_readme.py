"""The README's Python example runs as it stands there."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_python_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.S)
    names: dict = {}
    exec(compile(code, str(README), "exec"), names)
    out = names["Net"]()(names["torch"].randn(4, 10))
    assert tuple(out.shape) == (4, 10)

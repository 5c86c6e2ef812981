"""Cases that PyTorch and Ballast answer alike.

Every module of this folder has functions `case_...` of one argument, the library (``torch`` or
``ballast``), that return numbers, texts, lists and dictionaries of them. ``scripts/golden/same.py``
writes PyTorch's answers to MODULE.json; ``test_same.py`` compares Ballast's with them.
"""

import importlib
import pathlib
import pkgutil
import re

FOLDER = pathlib.Path(__file__).parent
MODULES = sorted(m.name for m in pkgutil.iter_modules([str(FOLDER)]))


def cases(module: str) -> dict:
    """List the cases of a module by name."""
    found = vars(importlib.import_module(f"same.{module}"))
    return {n[5:]: f for n, f in found.items() if n.startswith("case_")}


def plain(value):
    """Turn tensors, sizes and errors into what JSON can hold."""
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def error_of(call) -> str:
    """Say which error a call raises, and its text up to the first line's end."""
    try:
        call()
    except Exception as error:
        text = str(error).strip().splitlines()
        return f"{type(error).__name__}: {re.sub('0x[0-9a-f]+', '0x', text[0] if text else '')}"
    return "no error"

"""Writes docs/pytorch.md: which public names of PyTorch are there, counted.

Run with a Python that has PyTorch; --ballast names a Python in which `import ballast` works (of
this repository's .venv unless given):

    python scripts/coverage.py [--ballast .venv/bin/python]
"""

import argparse
import importlib
import inspect
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).parents[1]
OUTPUT = ROOT / "docs" / "pytorch.md"
# PyTorch's module or class, and ours.
PARTS = {
    "torch": "ballast",
    "torch.Tensor": "ballast.Tensor",
    "torch.nn": "ballast.nn",
    "torch.nn.functional": "ballast.nn.functional",
    "torch.nn.init": "ballast.nn.init",
    "torch.nn.utils": "ballast.nn.utils",
    "torch.autograd": "ballast.autograd",
    "torch.optim": "ballast.optim",
    "torch.optim.lr_scheduler": "ballast.optim.lr_scheduler",
    "torch.utils.data": "ballast.utils.data",
}
# What is left out of the count: other devices and kinds of tensors, plumbing.
FOREIGN = (
    *("cuda", "cudnn", "miopen", "mkldnn", "xpu", "hpu", "mtia", "ipu", "mps", "vulkan"),
    *("sparse", "quantize", "dequantize", "q_", "fake_quant", "fbgemm", "is_quantized", "int_repr"),
    *(
        "complex",
        "cfloat",
        "cdouble",
        "chalf",
        "_like_",
        "sym_",
        "Sym",
        "Storage",
        "Stream",
        "Event",
    ),
    *(
        "fft",
        "stft",
        "istft",
        "names",
        "align_",
        "rename",
        "refine",
        "jit",
        "Jit",
        "graph",
        "Graph",
    ),
)

LIST = """
import importlib, json, sys
def public(path):
    try:
        return sorted(n for n in dir(importlib.import_module(path)) if not n.startswith("_"))
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        owner = getattr(importlib.import_module(module), name, None)
        return sorted(n for n in dir(owner) if not n.startswith("_")) if owner else []
print(json.dumps({p: public(p) for p in json.loads(sys.argv[1])}))
"""


def resolve(path: str):
    """Find a module, or a class in one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def wanted(path: str) -> list[str]:
    """List the public functions, classes and methods of PyTorch's part."""
    part = resolve(path)
    listed = getattr(part, "__all__", None) if inspect.ismodule(part) else None
    names = set(listed if listed and path != "torch" else dir(part))
    if path == "torch.nn.functional":
        names |= {n for n in dir(part) if n.islower()}
    out = []
    for name in sorted(names):
        value = getattr(part, name, None)
        if name.startswith("_") or inspect.ismodule(value) or any(f in name for f in FOREIGN):
            continue
        home = getattr(value, "__module__", None) or "torch"
        if not callable(value) or not home.startswith("torch") or "typing" in home:
            continue
        if path == "torch" and inspect.isclass(value) and name.endswith(("Type", "Tensor")):
            continue
        out.append(name)
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ballast", default=str(ROOT / ".venv" / "bin" / "python"))
    options = parser.parse_args()
    command = [options.ballast, "-c", LIST, json.dumps(list(PARTS.values()))]
    ours = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    rows, lists = [], []
    for path, own in PARTS.items():
        names, have = wanted(path), set(ours[own])
        missing = [n for n in names if n not in have]
        count = len(names) - len(missing)
        rows.append(f"| `{path}` | {count} of {len(names)} | {100 * count / len(names):.0f} % |")
        there = [n for n in names if n in have]
        lists.append(
            f"\n## {path}\n\nThere: {', '.join(f'`{n}`' for n in there) or 'nothing'}.\n\n"
            f"Not there: {', '.join(f'`{n}`' for n in missing) or 'nothing is missing'}.\n"
        )
    import torch

    head = (
        "# What of PyTorch is there\n\n"
        "Written by `scripts/coverage.py`, which compares the public functions, classes and "
        f"methods of PyTorch {torch.__version__.partition('+')[0]} with Ballast's by name. Names "
        "of other devices, sparse, quantized and complex tensors, storages and compilers are not "
        "counted. That a name is there does not say that every option is: one that is not "
        "supported "
        "raises `NotImplementedError`. How the layers behave is checked against PyTorch's own test "
        "samples in `python/tests/test_module_db.py`.\n\n"
        "| module | names | share |\n|---|---|---|\n"
    )
    OUTPUT.write_text(head + "\n".join(rows) + "\n" + "".join(lists))
    print("\n".join(rows))


if __name__ == "__main__":
    main()

"""Writes docs/pytorch.md: which public names of PyTorch are there, counted.

Run with a Python that has PyTorch; --ballast names a Python in which `import ballast` works (of
this repository's .venv unless given):

    python scripts/coverage.py [--ballast .venv/bin/python] [--operators FILE]

FILE is what `scripts/golden/op_db.py --json FILE` wrote: the operators that do not compute in full
what PyTorch computes on its own samples are listed by it.
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


STATUSES = {
    "full": "every sample agrees in every form",
    "partly": "some calls raise that PyTorch takes",
    "wrong": "a value, type, shape, gradient or alias differs",
    "missing": "not there",
}


def operators(table: dict) -> str:
    """Count PyTorch's operators by how their samples fare, and list those that are not in full."""
    names = {s: sorted(n for n, e in table.items() if e["status"] == s) for s in STATUSES}
    total = sum(e["samples"] for e in table.values())
    text = (
        "\n## Operators, by PyTorch's own samples\n\n"
        f"`scripts/golden/op_db.py` makes {total} calls out of PyTorch's operator database as "
        "functions, methods, operators, in place, with `out=`, on strided tensors, with gradients, "
        "and writes to their results.\n\n| operators | of them |\n|---|---|\n"
    )
    text += "".join(f"| {len(names[s])} | {s}: {meaning} |\n" for s, meaning in STATUSES.items())
    for status in list(STATUSES)[1:]:
        listed = ", ".join(f"`{n}`" for n in names[status]) or "none"
        text += f"\n{status.capitalize()}: {listed}.\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ballast", default=str(ROOT / ".venv" / "bin" / "python"))
    parser.add_argument("--operators", type=pathlib.Path, help="the table of op_db.py, as JSON")
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
    samples = operators(json.loads(options.operators.read_text())) if options.operators else ""
    OUTPUT.write_text(head + "\n".join(rows) + "\n" + samples + "".join(lists))
    print("\n".join(rows))


if __name__ == "__main__":
    main()

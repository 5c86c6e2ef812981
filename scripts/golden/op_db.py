"""Compares Ballast with PyTorch on PyTorch's own operator samples.

Run with a Python that has PyTorch and what its test helpers import (expecttest, pytest), and in
which `import ballast` works:

    PYTHONPATH=build/python python scripts/golden/op_db.py [--only NAME...] [--verbose] [--json FILE]
    PYTHONPATH=build/python python scripts/golden/op_db.py --golden   # writes tests/golden/op_db.npz

A sample is a call out of torch.testing's operator database. Both libraries make it in these forms:

    function   with gradients (float64)       out        the function with out=
    method     Tensor's method                alias      writes to the result and to the inputs show
    operator   Python's operator                         in the other where they do in PyTorch
    inplace    the method with a final _      strided    on transposed and sliced tensors
    names      other names of the function

The table says of each operator:

    full      every sample agrees in every form: values, types, shapes, gradients, aliases
    partly    Ballast raises where PyTorch does not, or accepts a call that PyTorch refuses
    wrong     a value, type, shape, gradient or alias differs, or the process dies or hangs
    missing   nothing ran

The database's wrong calls are made, too; how many of them Ballast accepts is shown, but has no part
in the status.
"""

import argparse
import collections
import functools
import itertools
import json
import multiprocessing
import operator
import os
import random
import resource
import sys
import time
import types
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db

import ballast

# The scope: public functions and methods of dense real tensors whose results follow from their
# arguments. Left out are the namespaces of other fields and private names,
FOREIGN = ("special.", "fft.", "sparse.", "masked.", "signal.", "torch.", "jiterator_", "_")
# functions that compute with complex, sparse or hashed numbers, serve PyTorch's own backward or
# have no public name,
FOREIGN_NAMES = {
    *("cdouble", "cfloat", "chalf", "complex", "polar", "view_as_complex", "view_as_real", "imag"),
    *("stft", "istft", "linalg.eig", "linalg.eigvals", "to_sparse", "hash_tensor"),
    *("max_pool2d_with_indices_backward", "native_dropout_backward", "slice"),
}
# and functions that draw random numbers.
RANDOM = {
    *("bernoulli", "cauchy", "exponential", "geometric", "log_normal", "multinomial", "normal"),
    *("rand_like", "randint", "randint_like", "randn", "randn_like", "uniform"),
    *("pca_lowrank", "svd_lowrank"),
    *(
        "nn.functional." + n
        for n in ("alpha_dropout", "dropout", "dropout2d", "dropout3d", "feature_alpha_dropout")
    ),
    *("nn.functional." + n for n in ("fractional_max_pool2d", "fractional_max_pool3d", "rrelu")),
}
VARIANTS = {"complex", "decomposed", "triton_optimized", "without_cudnn"}

# Their elements are whatever was in memory.
UNDEFINED = {
    *("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"),
    "resize_",
}
# Which of equal elements is found, or comes first, is left open.
UNSTABLE = {"topk", "kthvalue", "median", "nanmedian", "mode", "sort", "argsort"}
# Samples of a type, at most; float64 samples have gradients and all forms.
LIMITS = {torch.float64: 20, torch.float32: 6, torch.int64: 8, torch.bool: 6}
LARGEST = 20_000  # elements of a sample's tensors
SECONDS = 90  # for an operator
# Both sides round each operation once or a few times, and add in another order: the difference is
# relative to the element, or to the largest element of a sum.
# PyTorch computes some derivatives in float64 with numbers of float32, and its float32 trigamma
# function loses digits below 0 (by float64, in which both agree, it is PyTorch's that is off).
LOOSE = {
    ("nn.functional.hardsigmoid", "float64"): (1e-5, 2e-6),
    ("polygamma", "float32"): (1e-3, 2e-6),
}
RELATIVE = {"float64": 1e-9, "float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}
ABSOLUTE = {"float64": 1e-11, "float32": 2e-6, "float16": 1e-3, "bfloat16": 8e-3}


def in_scope(op) -> bool:
    return not (
        op.name.startswith(FOREIGN)
        or op.name in FOREIGN_NAMES | RANDOM
        or op.variant_test_name in VARIANTS
        or not op.dtypes & set(LIMITS)
    )


def title(op) -> str:
    return op.name + (f" ({op.variant_test_name})" if op.variant_test_name else "")


# --- Ballast's names for PyTorch's objects


def _paths() -> dict[int, tuple]:
    """Each public function's path, and the function, which keeps its identity in use."""
    found = {}
    for place in ("nn.functional", "linalg", "special", "Tensor", ""):
        owner = operator.attrgetter(place)(torch) if place else torch
        for name in dir(owner):
            f = getattr(owner, name, None)
            found[id(f)] = f"{place}.{name}" if place else name, f
    return found


PATHS = _paths()


def _test_code(f) -> bool:
    return isinstance(f, types.FunctionType) and (f.__module__ or "").startswith("torch.testing")


def _names(code) -> set[str]:
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def seeded(function, *args, **kwargs):
    """Call with the generator in the state in which PyTorch's `wrapper_set_seed` calls."""
    ballast.manual_seed(42)
    return function(*args, **kwargs)


def rebound(f):
    """Make PyTorch's test code work on Ballast: `torch` means it there."""
    scope = dict(f.__globals__, torch=ballast, wrapper_set_seed=seeded)
    for name in _names(f.__code__):
        if name != "wrapper_set_seed" and _test_code(scope.get(name)):
            scope[name] = rebound(scope[name])
    cells = f.__closure__ and tuple(types.CellType(ours(c.cell_contents)) for c in f.__closure__)
    out = types.FunctionType(f.__code__, scope, f.__name__, f.__defaults__, cells)
    out.__kwdefaults__ = f.__kwdefaults__
    return out


def ours(value):
    """What Ballast has in place of an object of PyTorch that is no tensor. Raises AttributeError
    where there is nothing."""
    if _test_code(value):
        return rebound(value)
    if isinstance(value, functools.partial):
        return functools.partial(ours(value.func), *value.args, **value.keywords)
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
        return getattr(ballast, str(value).removeprefix("torch."))
    if isinstance(value, torch.nn.Module):
        return getattr(ballast.nn, type(value).__name__)()
    if callable(value) and id(value) in PATHS:
        return operator.attrgetter(PATHS[id(value)][0])(ballast)
    return value


# --- Calls


class Side:
    """One of the two libraries: its tensors, and what a call makes of them."""

    def __init__(self, lib):
        self.lib, self.own = lib, lib is torch

    def function(self, f):
        return f if self.own else ours(f)

    def build(self, t: torch.Tensor, layout: int, grad: bool):
        """A leaf, and the argument: the leaf, or a view of it."""
        short = t.dtype is torch.bfloat16
        array = (t.float() if short else t).detach().contiguous().numpy()
        view = None
        if layout and array.ndim == 0:
            array, view = np.stack([array] * 3), lambda x: x[1]
        elif layout == 1 and array.ndim > 1:
            array, view = np.swapaxes(array, 0, -1), lambda x: x.transpose(0, -1)
        elif layout:
            rows = np.repeat(array, 2, -1)
            array = np.concatenate([rows[:1], rows]) if array.ndim > 1 else rows
            view = (lambda x: x[1:, ..., ::2]) if array.ndim > 1 else (lambda x: x[::2])
        leaf = self.lib.from_numpy(np.ascontiguousarray(array).reshape(array.shape).copy())
        leaf = leaf.to(self.lib.bfloat16) if short else leaf
        if grad and t.requires_grad:
            leaf.requires_grad_()
        return leaf, view(leaf) if view else leaf

    def arguments(self, sample, layout=0, grad=False):
        """The call's input, arguments, and the leaves among them."""
        known, leaves = {}, []

        def convert(v):
            if isinstance(v, torch.Tensor):
                if id(v) not in known:
                    leaf, known[id(v)] = self.build(v, layout, grad)
                    leaves.append(leaf)
                return known[id(v)]
            if isinstance(v, (tuple, list)) and not isinstance(v, torch.Size):
                return type(v)(map(convert, v))
            if isinstance(v, dict):
                return {k: convert(w) for k, w in v.items()}
            if isinstance(v, torch.Size):
                return tuple(v)
            return v if self.own else ours(v)

        call = convert((sample.input, tuple(sample.args), dict(sample.kwargs)))
        return *call, leaves

    def tensors(self, value) -> list:
        if isinstance(value, self.lib.Tensor):
            return [value]
        if isinstance(value, (tuple, list)):
            return [t for v in value for t in self.tensors(v)]
        return []

    def read(self, value):
        """A result as comparable values."""
        if isinstance(value, self.lib.Tensor):
            kind, t = str(value.dtype), value.detach()
            t = t.to(self.lib.float32) if kind == "torch.bfloat16" else t
            return (
                "tensor",
                kind.removeprefix("torch."),
                tuple(t.shape),
                t.numpy(force=True).copy(),
            )
        if isinstance(value, (tuple, list)):
            return ("list", [self.read(v) for v in value])
        if isinstance(value, (int, float, str)) or value is None:
            return (type(value).__name__, value)
        return ("object", str(value))

    def seeds(self, outputs) -> list:
        """Weights of the outputs in what is differentiated."""
        g = np.random.default_rng(1)
        return [
            self.lib.from_numpy(np.asarray(g.uniform(0.5, 1, tuple(t.shape)))).to(t.dtype)
            for t in outputs
        ]

    def gradients(self, outputs, leaves):
        outputs = [t for t in self.tensors(outputs) if t.requires_grad]
        leaves = [t for t in leaves if t.requires_grad]
        if not outputs or not leaves:
            return ("list", [])
        seeds = self.seeds(outputs)
        found = self.lib.autograd.grad(outputs, leaves, seeds, allow_unused=True)
        zeros = self.lib.zeros_like
        return self.read([zeros(x) if d is None else d for x, d in zip(leaves, found, strict=True)])


def defined(side, sample, call, result):
    """What of a result PyTorch defines: no signs of vectors, no order of equal elements."""
    x, args, kwargs = call
    if not sample.unstable:
        return side.function(sample.output_process_fn_grad)(result)
    if sample.unstable == "argsort":
        return x.gather(kwargs.get("dim", args[0] if args else -1), result)
    return result if isinstance(result, side.lib.Tensor) else result[0]


def form_function(side, f, sample, layout=0, grad=True):
    *call, leaves = side.arguments(sample, layout, grad)
    x, args, kwargs = call
    shown = defined(side, sample, call, f(x, *args, **kwargs))
    return side.read(shown), side.gradients(shown, leaves)


def differences(f, sample, layout) -> tuple:
    """What `Side.gradients` gives, by central differences of PyTorch's function."""
    side, step = BOTH[0], 1e-6

    def leaves_of(leaves):
        return [t for t in leaves if t.requires_grad]

    def value(leaf: int, element: int, by: float) -> float:
        *call, leaves = side.arguments(sample, layout, True)
        with torch.no_grad():
            leaves_of(leaves)[leaf].view(-1)[element] += by
        x, args, kwargs = call
        shown = side.tensors(defined(side, sample, call, f(x, *args, **kwargs)))
        shown = [t.detach() for t in shown if t.requires_grad]
        return sum((t * s).sum().item() for t, s in zip(shown, side.seeds(shown), strict=True))

    found = []
    for k, leaf in enumerate(leaves_of(side.arguments(sample, layout, True)[-1])):
        d = torch.zeros_like(leaf).detach()
        for i in range(leaf.numel()):
            d.view(-1)[i] = (value(k, i, step) - value(k, i, -step)) / (2 * step)
        found.append(d)
    return side.read(found)


def form_strided(side, f, sample):
    return form_function(side, f, sample, 1 + sample.number % 2)


def form_operator(side, f, sample):
    return form_function(side, f, sample, grad=False)


def form_in_place(side, f, sample):
    """Write to a copy that gradients pass through, and to a view."""
    x, args, kwargs, leaves = side.arguments(sample, 0, True)
    y = x.clone()
    result = f(y, *args, **kwargs)
    first = side.read(result), result is y, side.gradients(result, leaves)
    x, args, kwargs, leaves = side.arguments(sample, 1 + sample.number % 2)
    f(x, *args, **kwargs)
    return first, side.read(leaves)


def form_alias(side, f, sample):
    """Write to the results, then to the inputs, and look at all."""
    x, args, kwargs, leaves = side.arguments(sample)
    results = side.tensors(f(x, *args, **kwargs))
    seen = []
    for t in results[:4]:
        t.fill_(1)
        seen.append(side.read(leaves))
    for t in leaves:
        t.fill_(0)
    return [*seen, side.read(results)]


def form_out(side, f, sample):
    *call, _ = side.arguments(sample)
    x, args, kwargs = call
    expected = f(x, *args, **kwargs)
    shown = []
    for empty in (False, True):
        outs = [
            side.lib.empty(0 if empty else tuple(t.shape), dtype=t.dtype)
            for t in side.tensors(expected)
        ]
        out = outs[0] if isinstance(expected, side.lib.Tensor) else tuple(outs)
        result = f(x, *args, out=out, **kwargs)
        same = [a is b for a, b in zip(side.tensors(result), outs, strict=True)]
        shown.append((side.read(defined(side, sample, call, result)), same))
    return shown


# --- Comparison


def differs(a, b, op=None) -> str | None:
    """How `b` of Ballast differs from `a` of PyTorch."""
    if type(a) is not type(b):
        return f"{a} and {b}"
    if isinstance(a, (tuple, list)):
        if len(a) != len(b) or (a and isinstance(a[0], str) and a[0] != b[0]):
            return f"{str(a)[:200]} and {str(b)[:200]}"
        if a and a[0] == "tensor":
            if a[1] != b[1]:
                return f"type {a[1]} and {b[1]}"
            if a[2] != b[2]:
                return f"shape {a[2]} and {b[2]}"
            if op in UNDEFINED or close(a[1], a[3], b[3], LOOSE.get((op, a[1]))):
                return None
            return f"values {_show(a[3])} and {_show(b[3])}"
        return next(filter(None, (differs(v, w, op) for v, w in zip(a, b))), None)
    if isinstance(a, float):
        return None if close("float32", np.array(a), np.array(b)) else f"{a} and {b}"
    return None if a == b else f"{a} and {b}"


def close(kind: str, a: np.ndarray, b: np.ndarray, within=None) -> bool:
    if kind not in RELATIVE:
        return bool(np.array_equal(a, b))
    a, b = a.astype(np.float64), b.astype(np.float64)
    # Sums that cancel leave rounding errors of their terms.
    largest = np.abs(a[np.isfinite(a)]).max(initial=0.1)
    relative, absolute = within or (RELATIVE[kind], ABSOLUTE[kind])
    return np.allclose(b, a, relative, absolute * largest, equal_nan=True)


def _show(array) -> str:
    return np.array2string(array, precision=8, threshold=12, edgeitems=3).replace("\n", "")


BOTH = Side(torch), Side(ballast)


def attempt(form, side, f, sample):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return True, form(side, side.function(f), sample)
    except Exception as e:  # noqa: BLE001 (whatever is raised is the outcome)
        return False, e


def mistaken(form, f, sample, a, b) -> bool:
    """Whether PyTorch's derivative, not Ballast's, differs from that of PyTorch's function.

    So it is with as_strided, which drops derivatives by elements that its input does not show, and
    as_strided_scatter, which has one by elements that are written over: PyTorch's gradcheck fails.
    """
    if form not in (form_function, form_strided) or differs(a[0], b[0]) or len(a[1][1]) == 0:
        return False
    if any(v[1] != "float64" or v[3].size > 500 for v in a[1][1]):
        return False
    exact = differences(f, sample, 1 + sample.number % 2 if form is form_strided else 0)

    def away(found) -> float:
        pairs = zip(found[1][1], exact[1], strict=True)
        return max(np.abs(v[3] - w[3]).max(initial=0) for v, w in pairs)

    return away(b) < 1e-6 < 1e-3 < away(a)


def compare(form, f, sample, op) -> tuple[str, str]:
    """The outcome (ok, wrong, raises, accepts, kind or skipped) and its story."""
    (fine, a), (fine_too, b) = (attempt(form, side, f, sample) for side in BOTH)
    if fine and fine_too:
        story = differs(a, b, op.name)
        if not story or mistaken(form, f, sample, a, b):
            return "ok", ""
        return "wrong", story
    if fine:
        return "raises", " ".join(f"{type(b).__name__}: {b}".split())
    if fine_too:
        # PyTorch cannot view some strided tensors, and lacks derivatives of some in-place forms.
        if form is form_strided or isinstance(a, NotImplementedError):
            return "ok", ""
        return "accepts", f"PyTorch raises {type(a).__name__}: {a}"
    return "ok" if isinstance(b, type(a)) else "kind", f"{type(a).__name__}, not {b!r}"


# --- Samples


def usable(value) -> bool:
    """Whether a sample's arguments are within the scope."""
    if isinstance(value, torch.Tensor):
        return (
            not value.is_complex() and value.layout is torch.strided and value.device.type == "cpu"
        )
    if isinstance(value, (tuple, list)):
        return all(map(usable, value))
    if isinstance(value, dict):
        return all(map(usable, value.values()))
    if isinstance(value, torch.dtype):
        return not value.is_complex
    return not isinstance(value, (complex, torch.Generator))


def random_numbers(sample) -> bool:
    return bool(sample.kwargs.get("dropout_p")) or "generator" in sample.kwargs


def numbered(op, sample, number: int) -> types.SimpleNamespace:
    """The sample with its number (SampleInput's slots keep it from taking one)."""
    names = ("input", "args", "kwargs", "output_process_fn_grad", "summary")
    settled = getattr(sample.input, "requires_grad", False) or sample.kwargs.get("stable")
    return types.SimpleNamespace(
        number=number,
        unstable=op.name if op.name in UNSTABLE and not settled else "",
        **{n: getattr(sample, n) for n in names},
    )


def samples(op, dtype) -> list:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    grad = dtype is torch.float64 and op.supports_autograd
    out = []
    for s in itertools.islice(op.sample_inputs("cpu", dtype, requires_grad=grad), 300):
        parts = (s.input, tuple(s.args), s.kwargs)
        size = sum(t.numel() for t in BOTH[0].tensors([s.input, *s.args, *s.kwargs.values()]))
        if usable(parts) and not random_numbers(s) and size <= LARGEST:
            out.append(s)
    limit = LIMITS[dtype]
    chosen = [out[i * len(out) // limit] for i in range(limit)] if len(out) > limit else out
    return [numbered(op, s, i) for i, s in enumerate(chosen)]


def forms(op, dtype):
    """(name, form, PyTorch's callable, whether for the first samples only)"""
    yield "function", form_function, op.op, False
    if op.method_variant is not None:
        yield "method", form_operator, op.method_variant, False
    if op.operator_variant is not None:
        yield "operator", form_operator, op.operator_variant, False
    if op.inplace_variant is not None:
        yield "inplace", form_in_place, op.inplace_variant, False
    if op.inplace_operator_variant is not None:
        yield "inplace operator", form_in_place, op.inplace_operator_variant, False
    if dtype in (torch.float64, torch.int64) or torch.float64 not in op.dtypes:
        yield "strided", form_strided, op.op, False
        yield "alias", form_alias, op.op, False
    if op.supports_out:
        yield "out", form_out, op.op, True
    for other in op.aliases:
        if not other.name.startswith(FOREIGN):
            yield f"name {other.name}", form_operator, other.op, True


def applies(name: str, sample) -> bool:
    if "operator" in name and sample.kwargs:
        return False
    return isinstance(sample.input, torch.Tensor) or name in ("function", "strided", "alias", "out")


def examine(op) -> dict:
    """Run all samples of an operator in all forms."""
    counts, stories, total = collections.Counter(), {}, 0

    def note(where, form, f, sample):
        outcome, story = compare(form, f, sample, op)
        if where == "errors":
            counts["wrong calls accepted"] += outcome == "accepts"
            return
        counts[outcome] += 1
        counts["ran"] += outcome in ("ok", "wrong")
        if outcome not in ("ok", "kind"):
            counts[where] += 1
            stories.setdefault(
                f"{outcome} {where}", f"{story[:400]}\n      {sample.summary()[:600]}"
            )

    for dtype in LIMITS:
        if dtype not in op.dtypes:
            continue
        short = str(dtype).removeprefix("torch.")
        chosen = samples(op, dtype)
        total += len(chosen)
        for name, form, f, few in forms(op, dtype):
            for sample in chosen[:2] if few else chosen:
                if applies(name, sample):
                    note(f"{name} {short}", form, f, sample)
    if op.error_inputs_func is not None:
        for wrong in itertools.islice(op.error_inputs("cpu"), 40):
            s = wrong.sample_input
            if usable((s.input, tuple(s.args), s.kwargs)):
                note("errors", form_operator, op.op, numbered(op, s, 0))
    status = "full"
    if counts["wrong"]:
        status = "wrong"
    elif not counts["ran"]:
        status = "missing"
    elif counts["raises"] or counts["accepts"]:
        status = "partly"
    return {"status": status, "samples": total, "counts": dict(counts), "stories": stories}


def in_child(op, seconds: float) -> dict:
    """Examine an operator in a process of its own, which may crash or hang."""
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)

    def work():
        resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 2)
        try:
            theirs.send(examine(op))
        except BaseException as e:  # noqa: BLE001
            theirs.send(
                {"status": "wrong", "samples": 0, "counts": {}, "stories": {"run": repr(e)}}
            )

    child = context.Process(target=work)
    child.start()
    theirs.close()
    try:
        if mine.poll(seconds):
            return mine.recv()
        story = f"still running after {seconds} s"
    except EOFError:
        child.join(5)
        story = f"the process ended with {child.exitcode}"
    finally:
        if child.is_alive():
            child.join(1)
            child.kill()
        child.join()
    return {"status": "wrong", "samples": 0, "counts": {}, "stories": {"process": story}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="operators to run")
    parser.add_argument("--verbose", action="store_true", help="show what differs, with its call")
    parser.add_argument("--json", metavar="FILE", help="write the table as JSON")
    parser.add_argument("--golden", action="store_true", help="write tests/golden/op_db.npz")
    parser.add_argument("--in-process", action="store_true", help="do not fork, for a debugger")
    options = parser.parse_args()
    torch.set_num_threads(1)
    ops = [op for op in op_db if in_scope(op)]
    if options.only:
        ops = [op for op in ops if {op.name, title(op)} & set(options.only)]
    if options.golden:
        import op_db_golden

        op_db_golden.write(ops, sys.modules[__name__])
        return
    table, start = {}, time.time()
    for op in ops:
        entry = examine(op) if options.in_process else in_child(op, SECONDS)
        table[title(op)] = entry
        bad = {k: v for k, v in entry["counts"].items() if " " in k and v}
        print(f"{entry['status']:8} {title(op):45} {entry['samples']:4}", bad or "", flush=True)
        if options.verbose:
            for where, story in entry["stories"].items():
                print(f"   {where}: {story}", flush=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(table, file, indent=1)
    count = collections.Counter(e["status"] for e in table.values())
    print(
        ", ".join(f"{count[s]} {s}" for s in ("full", "partly", "wrong", "missing")),
        f"of {len(table)} operators, {sum(e['samples'] for e in table.values())} samples,",
        f"{time.time() - start:.0f} s",
    )


if __name__ == "__main__":
    main()

"""Compares what wrong calls do under Ballast with what they do under PyTorch.

A sound call is a line of sound_calls.txt. From it this program makes wrong ones: each argument
replaced by values of other types, ranks, sizes, signs and dtypes, left out, or joined by one too
many. PyTorch's answers (the kind of exception, or the type and shape of the result) are in
tests/golden/wrong_calls.txt, one line per sound call. Where PyTorch refuses by accident, its answer
has a digit: the accident's place in ACCIDENTS.

    python scripts/campaigns/wrong_calls.py record     # with a Python that has PyTorch
    python scripts/campaigns/wrong_calls.py            # with Ballast; prints differences
"""

from __future__ import annotations

import ast
import builtins
import collections
import pathlib
import re
import sys
import warnings
from typing import NamedTuple

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden" / "wrong_calls.txt"
# What still differs, as this program prints it.
LEFT = GOLDEN.with_name("wrong_calls_left.txt")

CALLS = [
    line
    for line in pathlib.Path(__file__).with_name("sound_calls.txt").read_text().splitlines()
    if line and line[0] != "#"
]

TENSORS = {"f", "i", "b", "d", "p"}
SCALARS = {
    bool: ["1", "0.5", "'x'", "None", "b()", "f(2)"],
    int: ["True", "1.5", "'1'", "None", "-1", "-9", "0", "99", "[1]", "(1, 1, 1, 1, 1)", "i()"]
    + ["f()", "i(2)", "nan"],
    float: ["True", "2", "'1.0'", "None", "-1.0", "nan", "[0.5]", "f(2)", "d()", "torch.float32"],
    str: ["'foo'", "1", "None", "True", "['mean']"],
    type(None): ["1", "'x'", "f(2)", "True", "[]"],
}


def is_tensor(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TENSORS
    )


def of_shape(kind: str, shape: list[int]) -> str:
    return f"{kind}({', '.join(map(str, shape))})"


def tensor_variants(node: ast.Call) -> list[str]:
    """Tensors of other ranks, sizes and types."""
    kind, shape = node.func.id, [ast.literal_eval(a) for a in node.args]
    shapes = [[*shape, 2], [5, *shape], [], [0]]
    if shape:
        shapes += [shape[1:], [*shape[:-1], shape[-1] + 1], [shape[0] + 1, *shape[1:]]]
        shapes += [[*shape[:-1], 0], [0, *shape[1:]]]
    variants = [of_shape(kind, s) for s in shapes if s != shape]
    return variants + [of_shape(k, shape) for k in "fibd" if k != kind]


def variants(node: ast.AST) -> list[str]:
    """Wrong values in place of an argument."""
    if is_tensor(node):
        return tensor_variants(node) + ["None", "1", "1.5", "'x'", "[1.0, 2.0]", "True", "object()"]
    if isinstance(node, ast.UnaryOp):
        return SCALARS[type(ast.literal_eval(node))]
    if isinstance(node, ast.Constant):
        return SCALARS[type(node.value)]
    if isinstance(node, (ast.Tuple, ast.List)):
        items = [ast.unparse(e) for e in node.elts]
        inner = ["None", "'x'"] if any(map(is_tensor, node.elts)) else \
            ["None", "'x'", "True", "1.5", "-1", "0", "99"]  # fmt: skip
        lists = [[], items[1:], [*items, items[-1]] if items else ["1"]]
        lists += [[wrong, *items[1:]] for wrong in inner]
        return [f"[{', '.join(v)}]" for v in lists] + ["None", "2", "1.5", "'x'", "f(2)", "i(2)"]
    if isinstance(node, ast.Attribute):
        return ["None", "'float32'", "1", "True", "torch.int64", "f(2)", "[]"]
    if isinstance(node, ast.Dict):
        return ["None", "1", "{}", "[]", "{'x': 1}"]
    return ["None", "1", "'x'", "[]", "f(2)"]


def calls_in(node: ast.AST) -> list[ast.Call]:
    """The calls whose arguments are changed: the outer one, and those that it is called on."""
    found = []
    while isinstance(node, (ast.Call, ast.Attribute, ast.BinOp)):
        if isinstance(node, ast.Call):
            found.append(node)
            node = node.func
        else:
            node = node.value if isinstance(node, ast.Attribute) else node.left
    return found


def wrong_forms(text: str) -> list[str]:
    """The wrong calls that are made of a sound one."""
    tree = ast.parse(text, mode="eval")
    out = []

    def take(owner, name, at, new) -> None:
        slot = getattr(owner, name)
        old = slot if at is None else slot[at]
        new = ast.parse(new, mode="eval").body
        if at is None:
            setattr(owner, name, new)
        else:
            slot[at] = new
        out.append(ast.unparse(tree))
        if at is None:
            setattr(owner, name, old)
        else:
            slot[at] = old

    for call in calls_in(tree.body):
        if is_tensor(call):
            whole = list(call.args), call.func.id
            for v in tensor_variants(call):
                new = ast.parse(v, mode="eval").body
                call.args, call.func.id = new.args, new.func.id
                out.append(ast.unparse(tree))
                call.args, call.func.id = whole
            continue
        for at, argument in enumerate(call.args):
            for v in variants(argument):
                take(call, "args", at, v)
        for keyword in call.keywords:
            for v in variants(keyword.value):
                take(keyword, "value", None, v)
        args, keywords = call.args, call.keywords
        for at in range(len(args)):
            call.args = args[:at] + args[at + 1 :]
            out.append(ast.unparse(tree))
        for more in ("None", "f(2)", "1, 1, 1, 1, 1, 1, 1, 1, 1"):
            call.args = args + ast.parse(f"g({more})", mode="eval").body.args
            out.append(ast.unparse(tree))
        call.args = args
        call.keywords = [*keywords, ast.keyword("foo", ast.Constant(1))]
        out.append(ast.unparse(tree))
        call.keywords = keywords
    return out


def names(torch, numpy) -> dict:
    """What the calls' names stand for."""
    import operator

    def make(dtype, wrap):
        def tensor(*shape):
            count = int(numpy.prod(shape, dtype=int))
            return torch.tensor(wrap(numpy.arange(count)).reshape(shape).tolist(), dtype=dtype)

        def sized(*shape):
            out = tensor(*shape)
            return out if out.shape == shape else out.reshape(shape)

        return sized

    def p(*shape):
        return torch.ones(shape, requires_grad=True)

    return {
        "torch": torch, "nn": torch.nn, "F": torch.nn.functional, "data": torch.utils.data,
        "f": make(torch.float32, lambda a: (a % 7) / 7 + 0.1),
        "d": make(torch.float64, lambda a: (a % 7) / 7 + 0.1),
        "i": make(torch.int64, lambda a: a % 3),
        "b": make(torch.bool, lambda a: a % 2 == 0),
        "p": p, "sgd": lambda: torch.optim.SGD([p(2)], 0.1, momentum=0.5),
        "operator": operator, "nan": float("nan"),
    }  # fmt: skip


SHORT = {"float32": "f", "float64": "d", "int64": "i", "bool": "b", "uint8": "u"}


def described(value, tensor_type) -> str:
    """The types and shapes of tensors within a result; nothing of other things."""
    if isinstance(value, tensor_type):
        dtype = str(value.dtype).removeprefix("torch.")
        return SHORT.get(dtype, dtype) + "x".join(map(str, value.shape))
    if isinstance(value, (tuple, list)) and any(isinstance(v, tensor_type) for v in value):
        return "(" + ",".join(described(v, tensor_type) for v in value) + ")"
    return ""


# One letter for each frequent kind in the golden file.
LETTERS = {
    "TypeError": "T",
    "RuntimeError": "R",
    "ValueError": "V",
    "IndexError": "I",
    "NotImplementedError": "N",
}
KINDS = {letter: kind for kind, letter in LETTERS.items()}


class Accident(NamedTuple):
    """A kind of refusal of PyTorch's that follows from how it is written, not from a rule."""

    reason: str
    messages: str  # what PyTorch's exceptions say, as a regular expression
    may_work: bool  # whether Ballast may compute instead; else it raises any clear exception


ACCIDENTS = (
    Accident("a kernel was not written for the type", r"not implemented for '", True),
    Accident(
        "an internal check fails",
        r"Could this error message be improved|INTERNAL ASSERT|primitive descriptor|internal error"
        r"|setStorage|index 0 out of range for tensor of size \[0|^'-\d'$",
        True,
    ),
    Accident(
        "Python asks a tensor of several numbers for its truth or its value",
        r"Boolean value of Tensor with|only one element tensors can"
        r"|only integer tensors of a single|elements cannot be converted",
        False,
    ),
    Accident(
        "Python meets a value that PyTorch did not check",
        r"not supported between inst|object is not (iterable|callable|subscriptable)|has no attrib"
        r"|(list|tuple|string) index out of|range_check|unhashable|values to unpack|has no len"
        r"|iteration over a 0-d|unsupported operand|division by zero|ZeroDivision|referenced before"
        r"|can't multiply seq|could not convert string|int too large|bad operand type"
        r"|must be (a )?real number|must be a string or a real|cannot be interpreted as an integer"
        r"|but got nan|cannot access local variable|invalid literal|integer argument expected"
        r"|NaN to integer",
        False,
    ),
)


def accident(error: Exception) -> str:
    """The digit of an exception that PyTorch raises by accident; nothing for the others."""
    for number, kind in enumerate(ACCIDENTS, 1):
        if re.search(kind.messages, str(error)):
            return str(number)
    return "4" if isinstance(error, (AttributeError, ZeroDivisionError, UnboundLocalError)) else ""


def answer(text: str, scope: dict, mark=lambda error: "") -> str:
    """What a call does: the exception's kind, or `=` and the result's type and shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            value = eval(text, dict(scope))  # noqa: S307 (the calls are this file's)
            return "=" + described(value, scope["torch"].Tensor)
        except Exception as error:
            kinds = [k.__name__ for k in type(error).__mro__ if hasattr(builtins, k.__name__)]
            return LETTERS.get(kinds[0], kinds[0]) + mark(error)


def record(torch, numpy) -> None:
    """Write PyTorch's answers."""
    torch.set_num_threads(1)
    scope = names(torch, numpy)
    lines = []
    for text in CALLS:
        lines.append(" ".join(answer(form, scope, accident) for form in [text, *wrong_forms(text)]))
    GOLDEN.write_text(f"# PyTorch {torch.__version__}\n" + "\n".join(lines) + "\n")


class Exemption(NamedTuple):
    """Calls that PyTorch takes by accident, and which Ballast refuses or answers otherwise."""

    reason: str
    argument: str  # what is among the call's arguments, as a regular expression
    kinds: str  # the letters of what Ballast may raise; `=`: another result


EXEMPTIONS = (
    Exemption("NaN passes every comparison with a bound", r"\bnan\b", "V"),
    Exemption("True is no whole number, as for PyTorch's functions of C++", r"\bTrue\b", "T"),
    Exemption("the optimizer meets the option in its first step only", r"^torch\.optim\.", "TR"),
    Exemption(
        "return_inverse, given by place, is taken for return_counts",
        r"^torch\.unique_consecutive\(.*, True\)$",
        "=",
    ),
    Exemption("the list takes anything", r"^nn\.ModuleList\(.*\.insert\(", "T"),
    Exemption(
        "an empty batch is not looked at",
        r"(batch_norm|BatchNorm1d).*\bf\((0|2, 0)\)",
        "R",
    ),
    Exemption("a smoothing below 0 is taken for none", r"label_smoothing=(-1\.0|nan)", "R"),
)


def same(wanted: str, got: str, form: str = "") -> bool:
    """Whether both answer alike: the same result, or exceptions that the same code catches, or as
    the tables above allow."""
    if wanted == got:
        return True
    if wanted[0] == "=":
        exempt = (e for e in EXEMPTIONS if got[0] in e.kinds and re.search(e.argument, form))
        return got == "N" or next(exempt, None) is not None
    if wanted[-1].isdigit():
        kind = ACCIDENTS[int(wanted[-1]) - 1]
        return kind.may_work or got[0] != "="
    if got[0] == "=":
        return False
    a, b = (getattr(builtins, KINDS.get(k, k)) for k in (wanted, got))
    return issubclass(b, a) or issubclass(a, b)


def difference(wanted: str, got: str) -> str:
    """Name the kind of a difference."""
    if wanted[0] == "=":
        return "result" if got[0] == "=" else "refused"
    return "accepted" if got[0] == "=" else "kind"


def said(form: str, wanted: str, got: str) -> str:
    """Say a difference in a line."""
    wanted, got = (KINDS.get(k.rstrip("1234") if k[0] != "=" else k, k) for k in (wanted, got))
    return f"{difference(wanted, got)}: {form}: {wanted} in PyTorch, {got} here"


def differences(torch, numpy, every: int = 1):
    """Compare answers; yields (call, PyTorch's answer, this library's)."""
    number = 0
    lines = GOLDEN.read_text().splitlines()[1:]
    assert len(lines) == len(CALLS), "run `wrong_calls.py record` again"
    scope = names(torch, numpy)
    for text, line in zip(CALLS, lines, strict=True):
        for form, wanted in zip([text, *wrong_forms(text)], line.split(" "), strict=True):
            number += 1
            if number % every:
                continue
            got = answer(form, scope)
            if not same(wanted, got, form):
                yield form, wanted, got


def main() -> None:
    """Record or replay."""
    import numpy

    if sys.argv[1:] == ["record"]:
        import torch

        return record(torch, numpy)
    import ballast.torch

    ballast.torch.install()
    import torch

    counts = collections.Counter()
    for found in differences(torch, numpy):
        line = said(*found)
        counts[line.partition(":")[0]] += 1
        print(line)
    print(dict(counts))


if __name__ == "__main__":
    main()

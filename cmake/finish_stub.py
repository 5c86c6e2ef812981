"""Corrects the generated types of the extension module: ``python finish_stub.py _core.pyi``.

The module has a dtype called `bool`, and a tensor has methods and properties called `float`, `bool`
and `dtype`: annotations mean the classes. What `item` and `tolist` return depends on the tensor.
Methods that the package adds in Python are listed. Running it again changes nothing.
"""

import inspect
import pathlib
import re
import sys

OPERATOR = r"__(([ri]?(and|or|xor|lshift|rshift|floordiv|mod|pow))|invert|iter|contains)__"
path = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(path.parents[1]))
FIRST = '# mypy: disable-error-code="override,misc"\n'


def signature(name: str, function) -> str:
    """Write a method whose annotations may name what the stub does not import."""
    parts, star = ["self"], False
    for p in list(inspect.signature(function).parameters.values())[1:]:
        prefix = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.kind == p.KEYWORD_ONLY and not star:
            parts.append("*")
        star = star or p.kind in (p.KEYWORD_ONLY, p.VAR_POSITIONAL)
        parts.append(f"{prefix}{p.name}: Any" + (" = ..." if p.default is not p.empty else ""))
    returned = function.__annotations__.get("return")
    return (
        f"    def {name}({', '.join(parts)}) -> {'Tensor' if returned == 'Tensor' else 'Any'}: ..."
    )


def added(text: str) -> str:
    """List the methods and properties of Tensor that are not in the stub."""
    import ballast

    body = text[text.index("class Tensor:") :]
    out = []
    for name, value in sorted(vars(ballast.Tensor).items()):
        if name.startswith("_") and not re.fullmatch(OPERATOR, name):
            continue
        if re.search(rf"^    def {name}\(", body, re.M):
            continue
        if inspect.isfunction(value):
            out.append(signature(name, value))
        else:
            out.append(f"    {name}: Any")
    return "\n".join(out)


def main() -> None:
    """Rewrite the file, once."""
    text = path.read_text()
    if text.startswith(FIRST):
        return
    annotation = r"(?:(?<=[:|,>] )|(?<=\[))"
    text = re.sub(annotation + r"(bool|float|int)\b", r"builtins.\1", text)
    text = re.sub(annotation + r"dtype\b", "_DType", text)
    text = re.sub(r"def (item|tolist)\(self\) -> object", r"def \1(self) -> Any", text)
    text = text.replace("from typing import ", "from typing import Any, TypeAlias, ", 1)
    head, tail = text.split("class Tensor:", 1)
    more = added(text)
    text = f"{FIRST}import builtins\n{head}class Tensor:{tail}\n_DType: TypeAlias = dtype\n"
    at = re.search(r"\n\n(?=\S)", text[text.index("class Tensor:") :])
    end = text.index("class Tensor:") + at.start() + 1
    path.write_text(f"{text[:end]}\n{more}\n{text[end:]}")


main()

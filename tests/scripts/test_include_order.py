import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "include_order.py"
spec = importlib.util.spec_from_file_location("include_order", SCRIPT)
include_order = importlib.util.module_from_spec(spec)
spec.loader.exec_module(include_order)


def problems_of(root, path, line):
    file = root / path
    file.parent.mkdir(parents=True)
    file.write_text(f"#pragma once\n{line}\n")
    return include_order.problems(root)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("ballast/nn/a.h", '#include "ballast/ops/b.h"'),
        ("ballast/nn/a.h", '#include "ballast/nn/b.h"'),
        ("ballast/kernels/a.cpp", '#include "ballast/base/b.h"'),
        ("ballast/base/a.h", "#include <vector>"),
        ("ballast/ballast.h", '#include "ballast/train/b.h"'),
        ("cli/a.cpp", '#include "ballast/train/b.h"'),
    ],
)
def test_includes_up_the_list_are_accepted(tmp_path, path, line):
    assert problems_of(tmp_path, path, line) == []


@pytest.mark.parametrize(
    ("path", "line", "said"),
    [
        (
            "ballast/ops/a.h",
            '#include "ballast/nn/b.h"',
            "ballast/ops/a.h:2: ops/ may not include nn/",
        ),
        ("ballast/base/a.cpp", '  # include "ballast/graph/b.h"', "base/ may not include graph/"),
        ("ballast/kernels/a.h", '#include "ballast/graph/b.h"', "only base, kernels"),
        ("ballast/train/a.h", '#include "ballast/ballast.h"', "train/ may not include ballast.h"),
        ("ballast/misc/a.h", "#include <vector>", "misc/ is not in the list of folders"),
    ],
)
def test_includes_down_the_list_are_reported_with_file_and_line(tmp_path, path, line, said):
    (problem,) = problems_of(tmp_path, path, line)
    assert said in problem


def test_the_library_keeps_the_order():
    assert include_order.problems(SCRIPT.parents[1]) == []

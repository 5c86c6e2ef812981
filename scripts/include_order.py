#!/usr/bin/env python3
"""Checks that every include inside ballast/ points up the list of folders.

A file may include its own folder and the folders listed before it. Kernels see only base/. A header
directly in ballast/ (ballast.h, for users) may include all; no folder may include it.
"""

import re
import sys
from pathlib import Path

ORDER = "base graph ops nn models grad plan kernels sweep io data train study dist".split()
ONLY = {"kernels": {"base", "kernels"}}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]ballast/([^/">]+)(/[^">]+)?[">]')


def allowed(folder: str) -> set[str]:
    """Return the folders that files of `folder` may include."""
    return ONLY.get(folder, set(ORDER[: ORDER.index(folder) + 1]))


def problems(root: Path) -> list[str]:
    """Return one line for each include, or folder, that breaks the order."""
    found = []
    for path in sorted(p for p in (root / "ballast").rglob("*") if p.suffix in {".h", ".cpp"}):
        name = path.relative_to(root)
        if len(name.parts) == 2:
            continue
        folder = name.parts[1]
        if folder not in ORDER:
            found.append(f"{name}: {folder}/ is not in the list of folders ({' '.join(ORDER)})")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            match = INCLUDE.match(line)
            if match and match[1] not in allowed(folder):
                included = match[1] + ("/" if match[2] else "")
                found.append(
                    f"{name}:{number}: {folder}/ may not include {included}, "
                    f"only {', '.join(f for f in ORDER if f in allowed(folder))}"
                )
    return found


if __name__ == "__main__":
    lines = problems(Path(__file__).resolve().parent.parent)
    print("\n".join(lines), end="\n" if lines else "")
    sys.exit(1 if lines else 0)

"""A record of `bench/compare.py` as a Markdown table."""

from __future__ import annotations

import statistics

ISAS = ("best", "avx2")


def duration(seconds: float) -> str:
    """Write a time with three digits."""
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{digits(seconds * factor)} {unit}"
    return f"{digits(seconds)} s"


def digits(value: float) -> str:
    """Write a number with three digits, without an exponent."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def size(count: float) -> str:
    """Write a number of bytes."""
    mebibytes = count / 2**20
    return f"{digits(mebibytes)} MiB" if mebibytes < 999.5 else f"{digits(mebibytes / 1024)} GiB"


def fastest(times: dict[str, list[float]], library: str) -> str | None:
    """Name the side of `library` with the smallest median."""
    sides = [s for s in times if s.split()[0] == library and s != "ballast c++"]
    return min(sides, key=lambda s: statistics.median(times[s]), default=None)


def ratio(theirs: list[float], ours: list[float]) -> str:
    """Write how many times faster we are: the median of the rounds, and its quartiles."""
    ratios = [t / o for t, o in zip(theirs, ours, strict=True)]
    if len(ratios) < 2:
        return f"{digits(ratios[0])}"
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{digits(middle)} ({digits(low)}–{digits(high)})"


def rows_of(entry: dict, columns: list[str]) -> list[list[str]]:
    """Write a workload's cells: one row, and one more for the step from C++."""
    times = entry["times"]
    rows = []
    for ours in ("ballast", "ballast c++"):
        if ours not in times:
            continue
        from_cpp = ours != "ballast"
        row = [entry["label"] + (", from C++" if from_cpp else "")]
        for library in columns:
            theirs = fastest(times, library)
            if theirs is None:
                row += ["", ""]
                continue
            variant = theirs.removeprefix(library).strip()
            note = "" if variant == "eager" else f" ({variant})"
            row.append(duration(statistics.median(times[theirs])) + note)
            row.append(ratio(times[theirs], times[ours]))
        row.insert(1, duration(statistics.median(times[ours])))
        memory = {} if from_cpp else entry.get("memory", {})
        row.append(size(memory["ballast"]) if "ballast" in memory else "")
        others = [v for k, v in memory.items() if k != "ballast"]
        row.append(size(min(others)) if others else "")
        rows.append(row)
    return rows


def table(record: dict) -> str:
    """Write the record as Markdown, training steps before evaluation."""
    libraries = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime"}
    entries = list(record["workloads"].values())
    blocks = []
    for evaluation, title in ((False, "training step"), (True, "evaluation")):
        chosen = [e for e in entries if e["evaluation"] == evaluation]
        if not chosen:
            continue
        columns = [x for x in libraries if any(fastest(e["times"], x) for e in chosen)]
        head = [title, "Ballast"]
        for library in columns:
            version = record["versions"].get(library, "").split()[:1]
            number = version[0].split("+")[0] if version else ""
            head += [f"{libraries[library]} {number}".strip(), "times faster"]
        head += ["memory", "PyTorch's memory"]
        rows = [head] + [r for e in chosen for r in rows_of(e, columns)]
        used = [c for c in range(len(head)) if any(r[c] for r in rows[1:])]
        lines = ["| " + " | ".join(r[c] for c in used) + " |" for r in rows]
        lines.insert(1, "|" + "---|" * len(used))
        blocks.append("\n".join(lines))
    machine = record["machine"]
    vectors = record["versions"].get("ballast", "").split()[1:]
    note = (
        f"{machine['cpu']}, {', '.join([str(record['threads']) + ' threads', *vectors])}; medians "
        f"of {record['rounds']} rounds in alternation, ratios with their quartiles"
    )
    return "\n\n".join([*blocks, note])

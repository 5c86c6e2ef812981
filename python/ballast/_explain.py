"""What a step does: its sweeps over memory, measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import _core


class Explanation:
    """The plans that a step evaluates; printed as tables, the slowest sweep first.

    Attributes
    ----------
    plans : list of dict
        For each plan: ``runs``, ``seconds``, ``memory`` (bytes of inputs, outputs, temporaries and
        lent to sweeps) and ``sweeps``; for each sweep ``name``, ``shape``, ``kernel``, ``fused``
        (names after a product are its epilogue, names with ``<`` were computed as its operands were
        read), ``bytes``, ``flops`` (of the direct algorithm), ``operations`` (of the kernel's),
        ``bound`` (seconds: the roofline) and ``seconds``. An optimizer's update is a plan of one
        sweep, whose kernel is ``update``.
    memory : dict
        Bytes: the ``peak`` while the steps ran, and whose it was: ``inputs``, ``outputs``,
        ``temporary`` and ``lent`` of the largest plan, ``optimizer`` (momentum and the like), and
        ``other``.
    bytes_per_second, flops_per_second : float
        The roofline: the fastest that this machine copied memory and multiplied.
    """

    def __init__(self, recorder: _core.Recorder):
        record: dict[str, Any] = json.loads(recorder.json())
        self.plans: list[dict[str, Any]] = record["plans"]
        self.bytes_per_second: float = record["bytes_per_second"]
        self.flops_per_second: float = record["flops_per_second"]
        self.memory: dict[str, int] = record["memory"]
        self._tables = recorder.tables()

    def __str__(self) -> str:
        return "\n".join(self._tables)

    def __repr__(self) -> str:
        sweeps = sum(len(plan["sweeps"]) for plan in self.plans)
        return f"<Explanation of {len(self.plans)} plan(s), {sweeps} sweeps; print it>"


def explain(step: Callable[[], object], runs: int = 5) -> Explanation:
    """Run `step` and tell what it was made of.

    Parameters
    ----------
    step : callable
        Called without arguments: twice to warm up, then `runs` times. It should look at a value (or
        update parameters), or nothing is computed.
    runs : int
        Steps that are measured.
    """
    if runs < 1:
        raise ValueError(f"explain: expected at least one run, got {runs}")
    for _ in range(2):
        step()
    recorder = _core.Recorder()
    with recorder:
        for _ in range(runs):
            step()
    return Explanation(recorder)

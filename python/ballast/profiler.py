"""Where the time goes, as ``torch.profiler``: loaded when a program asks for it.

Recorded are a program's own ranges (`record_function`), calls of modules, `backward`, optimizer
steps, and the evaluations that a program waits for when it looks at a value. Operations themselves
take no time when they are called: they are computed together, when a value is needed, and
``ballast.explain`` shows those sweeps.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._core import Tensor
from .nn.module import Module
from .optim.optimizer import Optimizer

__all__ = [
    *("ProfilerAction", "ProfilerActivity", "profile", "record_function", "schedule"),
    *("kineto_available", "supported_activities", "tensorboard_trace_handler"),
]


class ProfilerActivity(enum.Enum):
    """What can be recorded: the CPU's work; other devices have none."""

    CPU, CUDA, XPU, MTIA = 0, 1, 2, 3


class ProfilerAction(enum.Enum):
    """What a schedule says of a step."""

    NONE, WARMUP, RECORD, RECORD_AND_SAVE = 0, 1, 2, 3


def kineto_available() -> bool:
    """Whether `profile` records what operations do: yes."""
    return True


def supported_activities() -> set[ProfilerActivity]:
    """List what can be recorded."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, **_: int
) -> Callable[[int], ProfilerAction]:
    """Record `active` steps after `wait` and `warmup` others, `repeat` times (0: always)."""

    def action(step: int) -> ProfilerAction:
        if step < skip_first:
            return ProfilerAction.NONE
        cycle, at = divmod(step - skip_first, wait + warmup + active)
        if repeat and cycle >= repeat or at < wait:
            return ProfilerAction.NONE
        if at < wait + warmup:
            return ProfilerAction.WARMUP
        last = at == wait + warmup + active - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


class _Event:
    """One range: name, begin and end in seconds, the time spent in ranges inside, thread."""

    def __init__(self, name: str, start: float):
        self.name, self.start, self.end, self.inside = name, start, start, 0.0
        self.thread = threading.get_ident()


class _Recorder(threading.local):
    def __init__(self) -> None:
        self.open: list[_Event] = []


_recorder = _Recorder()
_active: list[list[_Event]] = []


@contextlib.contextmanager
def _range(name: str) -> Iterator[None]:
    if not _active:
        yield
        return
    event = _Event(name, time.perf_counter())
    _recorder.open.append(event)
    try:
        yield
    finally:
        _recorder.open.pop()
        event.end = time.perf_counter()
        if _recorder.open:
            _recorder.open[-1].inside += event.end - event.start
        for events in _active:
            events.append(event)


class record_function(contextlib.ContextDecorator):  # noqa: N801 (PyTorch's name)
    """Records a range under a name; a context manager and a decorator."""

    def __init__(self, name: str, args: str | None = None):
        self.name, self._ranges = name, []

    def __enter__(self) -> record_function:
        self._ranges.append(_range(self.name))
        self._ranges[-1].__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._ranges.pop().__exit__(*error)


def _wrapped(owner: type, name: str, label: Callable[[Any], str]) -> Callable:
    function = getattr(owner, name)

    @functools.wraps(function)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        with _range(label(self)):
            return function(self, *args, **kwargs)

    setattr(owner, name, method)
    return function


#: Methods that are recorded while a profile is active, and under which name.
_WATCHED = [
    (Module, "__call__", lambda m: f"nn.Module: {type(m).__name__}"),
    (Tensor, "backward", lambda t: "Tensor.backward"),
    (Optimizer, "step", lambda o: f"Optimizer.step#{type(o).__name__}.step"),
    *((Tensor, n, lambda t, n=n: f"evaluation: Tensor.{n}") for n in ("item", "tolist", "numpy")),
]
_originals: list[Callable] = []


def _watch(on: bool) -> None:
    if on and not _originals:
        _originals.extend(_wrapped(*watched) for watched in _WATCHED)
    elif not on and _originals:
        for (owner, name, _), function in zip(_WATCHED, _originals, strict=True):
            setattr(owner, name, function)
        _originals.clear()


class FunctionEventAvg:
    """All ranges of one name: how many, and how long, in microseconds."""

    def __init__(self, key: str):
        self.key, self.count = key, 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0

    @property
    def cpu_time(self) -> float:
        """The mean."""
        return self.cpu_time_total / self.count

    device_time_total = self_device_time_total = cuda_time_total = self_cuda_time_total = 0.0
    cpu_memory_usage = self_cpu_memory_usage = 0


class EventList(list):
    """Ranges by name."""

    def total_average(self) -> FunctionEventAvg:
        """All of them together."""
        total = FunctionEventAvg("Total")
        for event in self:
            total.count += event.count
            total.cpu_time_total += event.cpu_time_total
            total.self_cpu_time_total += event.self_cpu_time_total
        return total

    def table(self, sort_by: str | None = None, row_limit: int = 100, **_: Any) -> str:
        """Write them as a table."""
        rows = list(self)
        if sort_by and not sort_by.startswith(("cuda", "self_cuda", "device", "self_device")):
            rows.sort(key=lambda e: -getattr(e, sort_by))
        total = sum(e.self_cpu_time_total for e in rows) or 1.0
        width = max([len(e.key) for e in rows] + [4]) + 2
        head = f"{'Name':>{width}} {'Self CPU %':>12} {'Self CPU':>12} {'CPU total':>12} "
        lines = [head + f"{'CPU time avg':>14} {'# of Calls':>12}", "-" * (width + 67)]
        for e in rows[: row_limit if row_limit > 0 else None]:
            share = f"{100 * e.self_cpu_time_total / total:.2f}%"
            times = [_text(t) for t in (e.self_cpu_time_total, e.cpu_time_total)]
            lines.append(
                f"{e.key:>{width}} {share:>12} {times[0]:>12} {times[1]:>12} "
                f"{_text(e.cpu_time):>14} {e.count:>12}"
            )
        lines += ["-" * (width + 67), f"Self CPU time total: {_text(total)}"]
        return "\n".join(lines) + "\n"

    __str__ = table


def _text(microseconds: float) -> str:
    for size, unit in ((1e6, "s"), (1e3, "ms")):
        if microseconds >= size:
            return f"{microseconds / size:.3f}{unit}"
    return f"{microseconds:.3f}us"


class profile:  # noqa: N801 (PyTorch's name)
    """Records what happens between its beginning and end.

    Parameters
    ----------
    activities : iterable of ProfilerActivity, optional
        Only the CPU's count.
    schedule : callable, optional
        Says of each step (`step`) whether it is recorded.
    on_trace_ready : callable, optional
        Is called with the profile where a recording ends.
    record_shapes, profile_memory, with_stack, with_flops, with_modules : bool
        Accepted, without effect.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        **_: Any,
    ):
        self.on_trace_ready, self._schedule = on_trace_ready, schedule
        self.step_num, self._events = 0, []
        self._step_range: Any = None

    def _action(self) -> ProfilerAction:
        if self._schedule is None:
            return ProfilerAction.RECORD
        return self._schedule(self.step_num)

    def _begin(self) -> None:
        recording = self._action() in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        there = any(events is self._events for events in _active)
        if recording and not there:
            self._events = []
            _active.append(self._events)
            _watch(True)
        if recording and self._schedule is not None:
            self._step_range = _range(f"ProfilerStep#{self.step_num}")
            self._step_range.__enter__()

    def _end(self, last: bool) -> None:
        if self._step_range is not None:
            self._step_range.__exit__(None, None, None)
            self._step_range = None
        there = any(events is self._events for events in _active)
        if there and (last or self._action() is ProfilerAction.RECORD_AND_SAVE):
            _active[:] = [events for events in _active if events is not self._events]
            _watch(bool(_active))
            if self.on_trace_ready is not None:
                self.on_trace_ready(self)

    def start(self) -> None:
        """Begin."""
        self._begin()

    def stop(self) -> None:
        """End."""
        self._end(last=True)

    def step(self) -> None:
        """End a step, and begin the next one."""
        self._end(last=False)
        self.step_num += 1
        if self._schedule is not None:
            self._begin()

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.stop()

    def events(self) -> list[_Event]:
        """List the ranges in the order of their ends."""
        return list(self._events)

    def key_averages(self, group_by_input_shape: bool = False, **_: Any) -> EventList:
        """Sum the ranges up by name."""
        found: dict[str, FunctionEventAvg] = {}
        for event in self._events:
            average = found.setdefault(event.name, FunctionEventAvg(event.name))
            average.count += 1
            average.cpu_time_total += (event.end - event.start) * 1e6
            average.self_cpu_time_total += (event.end - event.start - event.inside) * 1e6
        return EventList(found.values())

    def export_chrome_trace(self, path: str) -> None:
        """Write the ranges as a file that chrome://tracing and Perfetto show."""
        events = [
            {
                **{"ph": "X", "cat": "user_annotation", "name": e.name, "pid": os.getpid()},
                **{"tid": e.thread, "ts": e.start * 1e6, "dur": (e.end - e.start) * 1e6},
            }
            for e in self._events
        ]
        with open(path, "w") as file:
            json.dump({"schemaVersion": 1, "traceEvents": events}, file)


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """Make a function that writes each recording into a folder, for `on_trace_ready`."""

    def write(profiled: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        name = worker_name or f"worker_{os.getpid()}"
        place = os.path.join(dir_name, f"{name}.{time.time_ns()}.pt.trace.json")
        profiled.export_chrome_trace(place)

    return write

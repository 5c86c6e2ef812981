"""Processes that read samples for a loader.

They are processes, not threads: reading and augmenting samples is Python code, which only one
thread of a process runs at a time, and programs rely on every worker having random generators of
its own. They are forked where the platform forks, as PyTorch's, so that data sets and functions
need not be picklable. A forked child has none of the threads that share out Ballast's work; it
computes on its own thread alone, which also leaves the cores to the training. What no fork can
take along is a lock that another thread holds: start a loop over a loader while no other thread
of the program computes.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import pickle
import queue
import random
import sys
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

from ... import _core

#: Seconds after which a worker looks whether its parent lives, and an end waits for a worker.
_PATIENCE = 5.0
#: Bytes of arrays from which they go through shared memory, not through the pipe, and the bytes
#: that each starts at a multiple of.
_SHARED, _ALIGNMENT = 1 << 16, 64


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker process knows about itself: `get_worker_info`."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Describe the worker process that calls this; None in the main process."""
    return _info


class EndOfStream(Exception):
    """What a job's reader raises where there are no more samples."""


class _Ended:
    """A worker's answer: its stream of samples is at its end."""


class _Ready:
    """A worker's answer: it begins a new epoch."""


class _Failure:
    """A worker's answer: reading raised an exception."""

    def __init__(self, error: BaseException, worker: int):
        self.kind = type(error)
        lines = "".join(traceback.format_exception(error))
        self.text = (
            f"Caught {self.kind.__name__} in DataLoader worker process {worker}.\nOriginal {lines}"
        )

    def reraise(self) -> None:
        """Raise the exception here, with the worker's traceback in its message."""
        if self.kind is KeyError:
            raise KeyError(_Verbatim(self.text))
        try:
            error = self.kind(self.text)
        except Exception:
            raise RuntimeError(self.text) from None
        raise error


class _Verbatim(str):
    """Text that a KeyError shows as it is, not quoted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _message(answer: Any) -> list:
    """Pickle, with the elements of arrays beside the pickle: they are not copied into it."""
    buffers: list = []
    head = pickle.dumps(answer, protocol=5, buffer_callback=buffers.append)
    return [head, *(b.raw() for b in buffers)]


def _send(conn: Connection, message: list) -> None:
    head, *arrays = message
    sizes = [a.nbytes for a in arrays]
    shared = hasattr(os, "memfd_create") and sum(sizes) >= _SHARED
    conn.send((head, sizes, shared))
    if not shared:
        for a in filter(len, arrays):
            conn.send_bytes(a)
        return
    # A file in memory that only its descriptor names: it lives as long as somebody maps it.
    file = os.memfd_create("batch")
    try:
        for a in arrays:
            rest = memoryview(a)
            while len(rest):
                rest = rest[os.write(file, rest) :]
            os.ftruncate(file, os.lseek(file, -len(a) % _ALIGNMENT, os.SEEK_CUR))
        send_handle(conn, file, os.getppid())
    finally:
        os.close(file)


def _receive(conn: Connection) -> Any:
    head, sizes, shared = conn.recv()
    if not shared:
        buffers: list = [bytearray(n) for n in sizes]
        for b in filter(len, buffers):
            conn.recv_bytes_into(b)
        return pickle.loads(head, buffers=buffers)
    file = recv_handle(conn)
    try:
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        memory = memoryview(mmap.mmap(file, 0, flags=flags))
    finally:
        os.close(file)
    buffers, start = [], 0
    for n in sizes:
        buffers.append(memory[start : start + n])
        start += n + -n % _ALIGNMENT
    return pickle.loads(head, buffers=buffers)


def _sender(conn: Connection) -> Callable[[list], None]:
    """Hand messages to a thread that sends them: the worker reads on while the main process is
    busy and the pipe is full."""
    messages: queue.SimpleQueue = queue.SimpleQueue()

    def run() -> None:
        try:
            while True:
                _send(conn, messages.get())
        except OSError:
            pass  # the main process has closed its end

    threading.Thread(target=run, daemon=True).start()
    return messages.put


def _seed_all(base: int, worker: int) -> None:
    random.seed(base + worker)
    _core.manual_seed(base + worker)
    if numpy := sys.modules.get("numpy"):
        words = [worker, base & 0xFFFFFFFF, base >> 32, 0]
        numpy.random.seed(numpy.random.SeedSequence(words).generate_state(4))


def _commands(conn: Connection) -> Iterator[Any]:
    """What the main process asks for, until it asks for nothing more or is gone."""
    parent = os.getppid()
    while True:
        while not conn.poll(_PATIENCE):
            if os.getppid() != parent:
                return
        try:
            command = conn.recv()
        except (EOFError, OSError):
            return
        if command is None:
            return
        yield command[0]


def _work(conn: Connection, job: Job, base_seed: int, worker: int) -> None:
    """Run a worker: answer every command, in order."""
    global _info
    _core.set_num_threads(1)
    _seed_all(base_seed, worker)
    _info = WorkerInfo(worker, job.num_workers, base_seed + worker, job.dataset)
    send = _sender(conn)
    failure = None
    try:
        if job.init is not None:
            job.init(worker)
    except Exception as error:
        failure = _Failure(error, worker)
    read: Callable | None = None
    for command in _commands(conn):
        answer: Any = None
        try:
            if command is _Ready:
                read, answer = None, _Ready()
            else:
                read = read or job.reader()
                answer, failure = failure or read(command), None
        except EndOfStream:
            answer = _Ended()
        except Exception as error:
            answer = _Failure(error, worker)
        try:
            message = _message(answer)
        except Exception as error:
            if isinstance(answer, _Failure):
                answer.kind = RuntimeError  # its own class cannot be pickled
            else:
                answer = _Failure(error, worker)
            message = _message(answer)
        send(message)


@dataclass
class Job:
    """What the workers of a loader do.

    Attributes
    ----------
    dataset : Dataset
        Where samples come from.
    reader : callable
        Makes the function from the numbers of a batch to the batch; that raises `EndOfStream`
        where there are no more.
    init : callable or None
        Called with the worker's number before it starts.
    num_workers, prefetch_factor : int
        How many, and how many batches each one is ahead.
    timeout : float
        Seconds to wait for a batch; 0: for ever.
    """

    dataset: Any
    reader: Callable[[], Callable[[Any], Any]]
    init: Callable[[int], Any] | None
    num_workers: int
    prefetch_factor: int
    timeout: float


def _end(processes: list, conns: list[Connection]) -> None:
    for conn in conns:
        try:
            conn.send(None)
        except OSError:
            pass
    for process, conn in zip(processes, conns, strict=True):
        process.join(_PATIENCE)
        if process.is_alive():
            process.terminate()
            process.join()
        conn.close()


class Workers:
    """Worker processes, and the batches they make, in the order of the sampler.

    Parameters
    ----------
    job : Job
        What they do.
    base_seed : int
        Worker i seeds its generators with ``base_seed + i``.
    context : multiprocessing context, str or None
        How processes are started.
    """

    def __init__(self, job: Job, base_seed: int, context: Any = None):
        if context is None or isinstance(context, str):
            methods = multiprocessing.get_all_start_methods()
            default = "fork" if "fork" in methods else None
            context = multiprocessing.get_context(context or default)
        self._job = job
        self._conns: list[Connection] = []
        self._processes: list[Any] = []
        self._finalizer = weakref.finalize(self, _end, self._processes, self._conns)
        for i in range(job.num_workers):
            mine, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, job, base_seed, i), daemon=True)
            process.start()
            theirs.close()
            self._conns.append(mine)
            self._processes.append(process)
        self._order: Iterator = iter(())

    def begin(self, order: Iterator) -> Workers:
        """Start an epoch: send the first batches' numbers out."""
        for i in range(len(self._conns)):
            self._send(i, (_Ready,))
            while not isinstance(self._answer(i), _Ready):
                pass  # batches of an epoch that was left early
        self._order = order
        self._open = [True] * len(self._conns)
        self._asked: deque[int] = deque()
        self._turn = 0
        for _ in range(self._job.prefetch_factor * len(self._conns)):
            self._ask()
        return self

    def close(self) -> None:
        """End the processes."""
        self._finalizer()

    def _ask(self) -> None:
        """Give the numbers of the next batch to the next worker that has samples left."""
        if not any(self._open):
            return
        for numbers in islice(self._order, 1):
            while not self._open[self._turn]:
                self._turn = (self._turn + 1) % len(self._open)
            self._send(self._turn, (numbers,))
            self._asked.append(self._turn)
            self._turn = (self._turn + 1) % len(self._open)

    def _send(self, worker: int, message: Any) -> None:
        try:
            self._conns[worker].send(message)
        except ConnectionError as error:
            raise self._died(worker) from error

    def _died(self, worker: int) -> RuntimeError:
        process = self._processes[worker]
        process.join(_PATIENCE)
        return RuntimeError(f"DataLoader worker (pid(s) {process.pid}) exited unexpectedly")

    def _answer(self, worker: int) -> Any:
        conn, process = self._conns[worker], self._processes[worker]
        ready = wait([conn, process.sentinel], self._job.timeout or None)
        if not ready:
            raise RuntimeError(f"DataLoader timed out after {self._job.timeout:g} seconds")
        try:
            if conn in ready or conn.poll(0):
                return _receive(conn)
        except (EOFError, ConnectionError):
            pass
        raise self._died(worker)

    def __iter__(self) -> Workers:
        return self

    def __next__(self) -> Any:
        while self._asked:
            worker = self._asked.popleft()
            if not self._open[worker]:
                continue
            answer = self._answer(worker)
            if isinstance(answer, _Ended):
                self._open[worker] = False
                self._ask()
                continue
            self._ask()
            if isinstance(answer, _Failure):
                answer.reraise()
            return answer
        raise StopIteration

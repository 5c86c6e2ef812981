"""One side of a comparison: runs steps when asked to, in a process that stays alive.

    python bench/worker.py LIBRARY WORKLOAD VARIANT [--threads N]

Reads a number of seconds per line from standard input; answers each with a line of JSON, the times
of the steps that it ran meanwhile (at least one). The first line says that it is ready. With
--memory it answers once: how much memory the steps took, in bytes.

LIBRARY is ballast, torch or onnxruntime; VARIANT eager, channels_last or compile.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from libraries import networks
from workloads import WORKLOADS, Workload, build, make_step

WARM_UP_STEPS = 2  # the first makes plans, primitives, pages
MEMORY_STEPS = 3


def torch_step(workload: Workload, variant: str) -> Callable[[], None]:
    """Prepare PyTorch's step."""
    import torch

    model = build(networks("torch"), workload)
    if variant != "channels_last":
        return make_step(torch, torch.compile(model) if variant == "compile" else model, workload)
    randn = torch.randn
    # Inputs too, as PyTorch's tutorial advises.
    torch.randn = lambda *shape: randn(*shape).to(memory_format=torch.channels_last)
    try:
        return make_step(torch, model.to(memory_format=torch.channels_last), workload)
    finally:
        torch.randn = randn


def onnxruntime_step(workload: Workload, threads: int) -> Callable[[], None]:
    """Export PyTorch's network, load it with ONNX Runtime."""
    import onnxruntime
    import torch

    model = build(networks("torch"), workload).eval()
    x = torch.randn(workload.shape)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the other exporter needs one package more
        path = str(Path(folder) / "model.onnx")
        torch.onnx.export(model, (x,), path, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, inputs)


def prepare(library_name: str, workload: Workload, variant: str, threads: int):
    """Build network and step of one side."""
    if library_name == "onnxruntime":
        return onnxruntime_step(workload, threads)
    library = importlib.import_module(library_name)
    library.set_num_threads(threads)
    library.manual_seed(0)
    if library_name == "torch":
        return torch_step(workload, variant)
    return make_step(library, build(networks(library_name), workload), workload)


def version_of(library_name: str) -> str:
    """Tell the library's version and, where it says so, the vector instructions it uses."""
    library = importlib.import_module(library_name)
    cpu = getattr(getattr(library, "backends", None), "cpu", None)
    return f"{library.__version__} {cpu.get_cpu_capability()}" if cpu else library.__version__


def peak() -> int:
    """Largest resident memory of this process so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_for(step: Callable[[], None], seconds: float) -> list[float]:
    """Run steps for some time; returns their times."""
    times, start = [], time.perf_counter()
    while not times or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return times


def answer(value) -> None:
    """Send one line to whoever asked."""
    print(json.dumps(value), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("variant")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--memory", action="store_true")
    a = parser.parse_args()
    if a.memory:
        # What the library itself takes, and anything it does once.
        net = prepare(a.library, WORKLOADS["net"], "eager", a.threads)
        for _ in range(MEMORY_STEPS):
            net()
        before = peak()
        step = prepare(a.library, WORKLOADS[a.workload], a.variant, a.threads)
        for _ in range(MEMORY_STEPS):
            step()
        answer(peak() - before)
        return
    step = prepare(a.library, WORKLOADS[a.workload], a.variant, a.threads)
    for _ in range(WARM_UP_STEPS):
        step()
    answer({"ready": version_of(a.library)})
    for line in sys.stdin:
        answer(run_for(step, float(line)))


if __name__ == "__main__":
    main()

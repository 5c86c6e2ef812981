"""Processes, futures and profiles, as `torch.multiprocessing`, `futures` and `profiler`."""

import json

import pytest

import ballast as torch
import ballast.multiprocessing as mp


def add(rank, shared, queue):
    shared[rank] += rank + 1
    queue.put((rank, torch.full((2,), float(rank))))


def fail(rank):
    if rank == 1:
        raise ValueError("one has failed")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_write_to_shared_memory_and_send_tensors(method):
    shared = torch.zeros(3).share_memory_()
    assert shared.is_shared() and not torch.zeros(3).is_shared()
    queue = mp.get_context(method).SimpleQueue()
    mp.start_processes(add, (shared, queue), nprocs=2, start_method=method)
    assert shared.tolist() == [1, 2, 0]
    sent = dict(queue.get() for _ in range(2))
    assert sent[0].tolist() == [0, 0] and sent[1].tolist() == [1, 1]


def test_a_module_is_shared_whole():
    net = torch.nn.BatchNorm1d(2)
    net.share_memory()
    assert net.weight.is_shared() and net.running_mean.is_shared()


def test_the_error_of_a_process_is_raised():
    with pytest.raises(mp.ProcessRaisedException, match="one has failed"):
        mp.spawn(fail, nprocs=2, start_method="fork")


def test_futures():
    first = torch.futures.Future()
    second = first.then(lambda f: f.wait() + 1)
    broken = first.then(lambda f: 1 / 0)
    assert not second.done()
    first.set_result(1)
    assert torch.futures.wait_all([first, second]) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        broken.wait()


def test_a_profile_has_ranges_modules_and_steps(tmp_path):
    from ballast.profiler import ProfilerActivity, profile, record_function, schedule

    net = torch.nn.Linear(2, 2)
    ready = []
    with profile(
        activities=[ProfilerActivity.CPU],
        schedule=schedule(wait=1, warmup=1, active=2, repeat=1),
        on_trace_ready=ready.append,
    ) as profiled:
        for _ in range(6):
            with record_function("mine"):
                net(torch.ones(1, 2)).sum().backward()
            profiled.step()
    assert ready == [profiled]
    rows = {e.key: e for e in profiled.key_averages()}
    assert rows["mine"].count == 2 == rows["nn.Module: Linear"].count
    assert rows["mine"].cpu_time_total >= rows["nn.Module: Linear"].cpu_time_total > 0
    assert "Tensor.backward" in profiled.key_averages().table(sort_by="cpu_time_total")
    profiled.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {"ProfilerStep#2", "ProfilerStep#3"} <= {e["name"] for e in events}
    assert torch.nn.Module.__call__.__name__ == "__call__" and not hasattr(
        torch.nn.Module.__call__, "__wrapped__"
    )


def test_there_is_no_accelerator():
    assert not torch.accelerator.is_available() and torch.accelerator.device_count() == 0
    with pytest.raises(RuntimeError, match="runs on CPUs"):
        torch.accelerator.set_device_index(0)


def test_transforms_to_frequencies_say_what_to_use():
    assert torch.fft.fftfreq(4).tolist() == [0, 0.25, -0.5, -0.25]
    assert torch.fft.rfftfreq(4).tolist() == [0, 0.25, 0.5]
    x = torch.arange(5.0)
    assert torch.fft.ifftshift(torch.fft.fftshift(x)).tolist() == x.tolist()
    with pytest.raises(AttributeError, match=r"rfft.*numpy\.fft"):
        torch.fft.rfft(x)


def test_sparse_tensors_name_what_they_have_not():
    with pytest.raises(NotImplementedError, match=r"relu is not there for sparse.*to_dense"):
        torch.relu(torch.eye(2).to_sparse())

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"

RECORD = {
    "machine": {"cpu": "A CPU", "cores": 2},
    "threads": 2,
    "isa": "best",
    "rounds": 3,
    "versions": {"torch": "2.15.0+cpu AVX2", "ballast": "0.1.0 AVX2"},
    "workloads": {
        "net": {
            "label": "Net",
            "evaluation": False,
            "times": {
                "ballast": [1e-5, 2e-5, 3e-5],
                "torch eager": [4e-5, 4e-5, 6e-5],
                "torch channels_last": [9e-5, 9e-5, 9e-5],
                "ballast c++": [1e-5, 1e-5, 1e-5],
            },
            "memory": {"ballast": 2**20, "torch eager": 3 * 2**20, "torch channels_last": 2**21},
        },
        "eval": {
            "label": "Evaluated",
            "evaluation": True,
            "times": {
                "ballast": [0.5, 0.5, 0.5],
                "torch eager": [2.0, 2.0, 2.0],
                "torch channels_last": [1.0, 1.0, 1.0],
            },
        },
    },
}


def test_a_table_has_medians_and_ratios_of_rounds_against_pytorch_at_its_best(tmp_path):
    record = tmp_path / "record.json"
    record.write_text(json.dumps(RECORD))
    command = [sys.executable, str(BENCH / "compare.py"), "--table", str(record)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert lines[0].startswith("| training step | Ballast | PyTorch 2.15.0 | times faster |")
    assert lines[-1].startswith("A CPU, 2 threads, AVX2;")
    # Ratios of the rounds: 4, 2, 2.
    assert "| Net | 20.0 µs | 40.0 µs | 2.00 (2.00–3.00) | 1.00 MiB | 2.00 MiB |" in lines
    assert "| Net, from C++ | 10.0 µs | 40.0 µs | 4.00 (4.00–5.00) |  |  |" in lines
    assert "| Evaluated | 500 ms | 1.00 s (channels_last) | 2.00 (2.00–2.00) |" in lines


def test_workloads_name_networks_and_steps_that_exist():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from workloads import WORKLOADS\n"
        "import ballast.models\n"
        "for w in WORKLOADS.values():\n"
        "    assert callable(getattr(ballast.models, w.network)), w\n"
        "    if w.cpp: print(w.cpp)\n"
    )
    command = [sys.executable, "-c", code, str(BENCH)]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    source = (BENCH / "step.cpp").read_text()
    assert names
    for name in names:
        assert f"BENCHMARK_CAPTURE(step, {name}," in source


def test_an_unknown_workload_is_an_error_that_lists_what_there_is():
    command = [sys.executable, str(BENCH / "compare.py"), "nett"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert "there is no workload nett; there are net, custom" in run.stderr


@pytest.mark.parametrize(
    ("program", "arguments", "complaint"),
    [
        ("compare", ["--rounds", "0"], "--rounds: expected a whole number of at least 1, got 0"),
        ("compare", ["--threads", "x"], "--threads: expected a whole number of at least 1, got x"),
        ("compare", ["--seconds", "-1"], "--seconds: expected seconds above 0, got -1"),
        ("compare", ["--torch", "/no/python"], "expected an interpreter, got /no/python"),
        ("compare", ["--table", "/no/file"], "--table: /no/file: No such file or directory"),
        ("winograd_accuracy", ["--seeds", "1"], "expected a whole number of at least 2, got 1"),
    ],
)
def test_values_that_cannot_be_are_told_in_one_line(program, arguments, complaint):
    command = [sys.executable, str(BENCH / f"{program}.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert complaint in run.stderr
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", '{"workloads": {"net": {}}}'])
def test_a_file_that_is_no_record_is_told_in_one_line(tmp_path, text):
    record = tmp_path / "record.json"
    record.write_text(text)
    command = [sys.executable, str(BENCH / "compare.py"), "--table", str(record)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.endswith(f"expected a record that this program wrote, got {record}\n")
    assert run.stderr.count("\n") == 1


def test_quantiles_of_t_go_on_beyond_the_table(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    from winograd_accuracy import t95

    for degrees, quantile in ((9, 2.2622), (10, 2.2281), (30, 2.0423), (120, 1.9799)):
        assert t95(degrees) == pytest.approx(quantile, abs=3e-4)

import os
import subprocess
import sys

import pytest

CODE = """
import ballast as torch
torch.manual_seed(0)
x = torch.randn(40, 30)
y = torch.relu(x @ torch.randn(30, 20)).sum()
print(torch.backends.cpu.get_cpu_capability(), y.item())
"""


def run(target):
    return subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        env={**os.environ, "BALLAST_TARGET": target},
    )


@pytest.mark.parametrize("target", ["baseline", "avx2", "avx512"])
def test_the_environment_limits_the_vector_instructions(target):
    name, value = run(target).stdout.split()
    order = ["DEFAULT", "AVX2", "AVX512"]
    assert order.index(name) <= ["baseline", "avx2", "avx512"].index(target)
    _, best = run("").stdout.split()
    assert float(value) == pytest.approx(float(best), rel=1e-5)


def test_an_unknown_target_is_an_error():
    run_ = run("avx9")
    assert run_.returncode == 1
    message = "ValueError: BALLAST_TARGET: unknown target 'avx9'; there are baseline, avx2, avx512"
    assert message in run_.stderr

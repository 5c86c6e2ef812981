"""``import torch`` gives Ballast where the alias is installed, and nothing else changes."""

import pathlib
import subprocess
import sys
import textwrap

import pytest
from interpreter import python


def run(program: str, *arguments: str, tmp_path) -> subprocess.CompletedProcess:
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(program))
    command = [sys.executable, "-m", "ballast.torch", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)


def test_a_script_runs_with_its_arguments_and_its_folder(tmp_path):
    (tmp_path / "helper.py").write_text("import torch.nn as nn\nlayer = nn.Linear(2, 1)\n")
    done = run(
        """
        import sys
        import torch
        import torch.nn.functional as F
        import torch.optim.lr_scheduler
        from torch.utils.data import DataLoader, TensorDataset
        import torch.backends.cudnn as cudnn
        import helper
        cudnn.benchmark = True
        if __name__ == "__main__":
            print(sys.argv[1:], type(torch.zeros(1)).__module__, torch.cuda.is_available())
            print(helper.layer, F.relu(torch.tensor([-1.0, 2.0])).tolist())
        """,
        "--epochs",
        "3",
        tmp_path=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "['--epochs', '3'] torch False",
        "Linear(in_features=2, out_features=1, bias=True) [0.0, 2.0]",
    ]


@pytest.mark.parametrize(
    ("statement", "kind", "words"),
    [
        ("import torch.distributed as d; d.all_reduce(1)", "NotImplementedError", "one process"),
        ("import torch.tensorrt", "ModuleNotFoundError", "torch.tensorrt"),
        ("import torchaudio", "ModuleNotFoundError", "need the real PyTorch"),
        ("import torch.models", "ModuleNotFoundError", "torch.models"),
        ("import torch.data", "ModuleNotFoundError", "torch.data"),
        ("import torch; torch.no_such_thing", "AttributeError", "'no_such_thing'"),
        ("import torch; torch.cuda.Stream()", "AttributeError", "torch.cuda.is_available()"),
        ("import torch; torch.zeros(1).cuda()", "RuntimeError", "runs on CPUs"),
        ("import torch; torch.zeros(1).cfloat()", "NotImplementedError", "real numbers"),
    ],
)
def test_what_is_missing_is_named(tmp_path, statement, kind, words):
    done = run(statement, tmp_path=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(kind) and words in last


def test_a_script_that_is_not_there(tmp_path):
    command = [sys.executable, "-m", "ballast.torch", "nothing.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 1 and "can't open file 'nothing.py'" in done.stderr


def test_installing_and_taking_it_back(tmp_path):
    (tmp_path / "torch.py").write_text("is_another = True\n")
    out = python(
        """
        import sys
        sys.path.insert(0, ".")
        import ballast
        import ballast.torch
        ballast.torch.install()
        ballast.torch.install()
        import torch, torch.nn.functional
        assert torch.nn.functional is ballast.nn.functional and torch.Tensor is ballast.Tensor
        assert not hasattr(torch, "is_another") and ballast.torch.installed()
        ballast.torch.uninstall()
        assert not [name for name in sys.modules if name.split(".")[0] == "torch"]
        import torch
        assert torch.is_another
        try:
            ballast.torch.install()
        except RuntimeError as error:
            print(error)
        assert torch is sys.modules["torch"]
        """,
        cwd=tmp_path,
    )
    assert "PyTorch has been imported in this process already" in out


def test_places_that_model_files_import_from_are_there(tmp_path):
    done = run(
        """
        import torch.jit
        from torch import nn
        from torch.nn.modules.batchnorm import _BatchNorm
        from torch.nn.modules.conv import Conv2d, _ConvNd
        from torch.nn.modules.utils import _pair

        @torch.jit.ignore
        def twice(x):
            return 2 * x

        assert Conv2d is nn.Conv2d and isinstance(Conv2d(1, 1, 1), _ConvNd)
        layers = nn.BatchNorm1d(2), nn.SyncBatchNorm(2), nn.InstanceNorm1d(2)
        print([isinstance(m, _BatchNorm) for m in layers], _pair(3), _pair((1, 2)))
        print(torch.jit.script(twice)(2), torch.jit.is_scripting(), torch.version.cuda)
        """,
        tmp_path=tmp_path,
    )
    assert done.stdout == "[True, True, False] (3, 3) (1, 2)\n4 False None\n", done.stderr


def test_what_a_script_starts_has_the_alias_too(tmp_path):
    done = run(
        """
        import importlib.metadata
        import multiprocessing
        import subprocess
        import sys
        import torch

        def child(x):
            import torch
            return torch.tensor(x).sum().item()

        if __name__ == "__main__":
            command = [sys.executable, "-c", "import torch; print(torch.__version__)"]
            version = subprocess.run(command, capture_output=True, text=True).stdout.strip()
            assert version == torch.__version__, version
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(child, [[1, 2]]), importlib.metadata.version("torch"))
        """,
        tmp_path=tmp_path,
    )
    from ballast.torch import API_VERSION

    assert done.stdout == f"[3] {API_VERSION}\n", done.stderr


def test_the_version_is_the_one_that_the_documents_count_against():
    from ballast.torch import API_VERSION

    counted = pathlib.Path(__file__).parents[2] / "docs" / "pytorch.md"
    assert f"PyTorch {API_VERSION} with" in counted.read_text()

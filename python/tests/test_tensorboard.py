"""SummaryWriter: files that TensorBoard's own reader understands."""

import glob
import os
import struct
import subprocess
import sys

import numpy as np
import pytest

import ballast
from ballast.utils.tensorboard import SummaryWriter

#: A Python that has tensorboard, which Ballast does not need.
READER = os.environ.get("TENSORBOARD_PYTHON", sys.executable)


def has_tensorboard():
    """Return whether that Python can import it."""
    command = [READER, "-c", "import tensorboard"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def frames(path):
    """Return the records of an event file."""
    with open(path, "rb") as f:
        content = f.read()
    out, at = [], 0
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        out.append(content[at + 12 : at + 12 + length])
        at += 16 + length
    return out


def write(folder):
    with SummaryWriter(folder) as w:
        w.add_scalar("loss", ballast.tensor(0.5), 3, walltime=100.0)
        w.add_scalar("loss", np.float32(0.25), 4)
        w.add_scalars("both", {"train": 1.0, "test": 2}, 5)
        w.add_histogram("w", ballast.tensor([[-1.0, 0.0], [2.0, 2.0]]), 3)
        w.add_text("note", "**lr** 0.1", 3)


def test_every_call_adds_a_record(tmp_path):
    write(tmp_path)
    (main,) = glob.glob(f"{tmp_path}/events.out.tfevents.*")
    records = frames(main)
    assert len(records) == 5
    assert b"brain.Event:2" in records[0]
    assert b"loss" in records[1] and struct.pack("<f", 0.5) in records[1]
    assert struct.pack("<d", 100.0) in records[1]
    assert b"**lr** 0.1" in records[4]
    for name in ("both_train", "both_test"):
        (other,) = glob.glob(f"{tmp_path}/{name}/events.out.tfevents.*")
        assert b"both" in frames(other)[1]


def test_closed_writers_open_another_file(tmp_path):
    w = SummaryWriter(tmp_path)
    w.close()
    w.close()
    w.add_scalar("a", 1, 1)
    w.flush()
    assert len(glob.glob(f"{tmp_path}/events.*")) == 2


def test_wrong_values_are_refused(tmp_path):
    w = SummaryWriter(tmp_path)
    with pytest.raises(ValueError, match="one number"):
        w.add_scalar("a", [1, 2])
    with pytest.raises(TypeError, match="a number"):
        w.add_scalar("a", "1")
    with pytest.raises(ValueError, match="no element"):
        w.add_histogram("a", [])
    with pytest.raises(NotImplementedError, match="tensorflow"):
        w.add_histogram("a", [1.0], bins="auto")


def test_the_default_folder_is_pytorchs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SummaryWriter(comment="_x").close()
    (folder,) = glob.glob("runs/*_x")
    assert os.listdir(folder)


SCRIPT = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "histograms": 0, "scalars": 0})
a.Reload()
print([(s.step, s.value) for s in a.Scalars("loss")], a.Scalars("loss")[0].wall_time)
h = a.Histograms("w")[0].histogram_value
same = len(h.bucket) == len(h.bucket_limit)
print(h.min, h.max, h.num, h.sum, h.sum_squares, sum(h.bucket), same)
print(a.Tensors("note/text_summary")[0].tensor_proto.string_val[0].decode())
"""


@pytest.mark.skipif(not has_tensorboard(), reason="TENSORBOARD_PYTHON names no Python with it")
def test_tensorboards_own_reader_reads_it(tmp_path):
    write(tmp_path)
    # What became void by a restart is not shown.
    with SummaryWriter(tmp_path, purge_step=4, filename_suffix=".z") as w:
        w.add_scalar("loss", 0.125, 4)
    run = subprocess.run(
        [READER, "-c", SCRIPT, tmp_path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    scalars, histogram, text = run.stdout.splitlines()
    assert scalars == "[(3, 0.5), (4, 0.125)] 100.0"
    assert histogram == "-1.0 2.0 4.0 3.0 9.0 4.0 True"
    assert text == "**lr** 0.1"


def test_images_graphs_and_options_are_encoded(tmp_path):
    pytest.importorskip("PIL")
    pixels = ballast.linspace(0, 1, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    net = ballast.nn.Sequential(ballast.nn.Linear(2, 2), ballast.nn.ReLU())
    with SummaryWriter(tmp_path) as w:
        w.add_image("one", pixels[0], 1)
        w.add_images("two", pixels, 1)
        w.add_graph(net)
        w.add_hparams({"lr": 0.1, "kind": "a", "on": True}, {"accuracy": 0.5}, run_name=".")
        with pytest.raises(ValueError, match="dimensions 'HW'"):
            w.add_image("wrong", pixels[0], dataformats="HW")
    content = [f for path in glob.glob(f"{tmp_path}/*") for f in frames(path)]
    images = [f for f in content if b"\x89PNG" in f]
    # Height 4, width 5 and 10 (two side by side), three channels.
    assert b"\x08\x04\x10\x05\x18\x03" in images[0] and b"\x08\x04\x10\x0a\x18\x03" in images[1]
    assert any(b"Sequential/0" in f and b"Linear" in f for f in content)
    assert any(b"_hparams_/session_start_info" in f and b"kind" in f for f in content)
    if has_tensorboard():
        program = (
            "import sys; from tensorboard.backend.event_processing import event_accumulator as e;"
            "a = e.EventAccumulator(sys.argv[1]); a.Reload();"
            "print([a.Images(t)[0].width for t in ('one', 'two')], bool(a.Graph().node))"
        )
        done = subprocess.run(
            [READER, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip().endswith("[5, 10] True")

"""Weights by address, from a server on this machine."""

import contextlib
import hashlib
import http.server
import threading

import pytest

import ballast as torch
from ballast import hub


@contextlib.contextmanager
def served(files: dict[str, bytes], short: bool = False):
    """Serve files on the loopback address; lists what was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802
            asked.append(self.path)
            content = files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + (10 if short else 0)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def checkpoint(tmp_path):
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pth")
    return (tmp_path / "w.pth").read_bytes()


def test_weights_are_downloaded_once_and_checked(tmp_path, checkpoint, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    digest = hashlib.sha256(checkpoint).hexdigest()[:8]
    with served({f"/a/net-{digest}.pth": checkpoint}) as (address, asked):
        url = f"{address}/a/net-{digest}.pth"
        for _ in range(2):
            state = hub.load_state_dict_from_url(url, progress=False, check_hash=True)
            assert state["w"].tolist() == [1, 1, 1]
        assert len(asked) == 1
    kept = tmp_path / "home" / "hub" / "checkpoints"
    assert [p.name for p in kept.iterdir()] == [f"net-{digest}.pth"]


def test_another_content_is_refused_and_not_kept(tmp_path, checkpoint):
    with served({"/net-00000000.pth": checkpoint}) as (address, _):
        with pytest.raises(RuntimeError, match='expected "00000000"'):
            hub.load_state_dict_from_url(
                f"{address}/net-00000000.pth", model_dir=str(tmp_path / "d"), check_hash=True
            )
    assert list((tmp_path / "d").iterdir()) == []


def test_a_connection_that_breaks_off_leaves_no_file(tmp_path, checkpoint):
    with served({"/net.pth": checkpoint}, short=True) as (address, _):
        with pytest.raises(RuntimeError, match="announced"):
            hub.load_state_dict_from_url(f"{address}/net.pth", model_dir=str(tmp_path / "d"))
    assert list((tmp_path / "d").iterdir()) == []


def test_models_of_a_local_repository(tmp_path):
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['math']\ndef net(n=2):\n    'A list.'\n    return [0] * n\n"
    )
    folder = str(tmp_path)
    assert hub.list(folder, source="local") == ["net"]
    assert hub.help(folder, "net", source="local") == "A list."
    assert hub.load(folder, "net", 3, source="local") == [0, 0, 0]
    with pytest.raises(NotImplementedError, match="source='local'"):
        hub.load("owner/repository", "net")

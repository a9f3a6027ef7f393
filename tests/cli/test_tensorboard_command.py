import json
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.conftest import assert_one_line, make_run


@pytest.fixture
def with_events(tmp_path):
    """A run with an event file."""
    run = make_run(tmp_path / "runs", "tiny", None, {"status": "finished"})
    (run.tensorboard / "train").mkdir(parents=True)
    (run.tensorboard / "train" / "events.out.tfevents.cnnlab").write_bytes(b"")
    return run


def test_without_events_it_prints_how_to_write_them(cnnlab, tmp_path):
    make_run(tmp_path / "runs", "tiny", None, {"status": "finished"})
    assert_one_line(
        cnnlab("tensorboard"), 2, "runs: no run here has events; `cnnlab train … --tensorboard` writes them"
    )


def test_a_port_in_use_is_a_one_line_error(cnnlab, with_events):
    with socket.create_server(("localhost", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_line(cnnlab("tensorboard", "--port", port), 2, f"--port {port}: ", "--port 0 takes any that is free")


def test_it_serves_the_runs(tmp_path, with_events):
    with socket.create_server(("localhost", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "cnnlab", "tensorboard", "runs", "--port", str(port)],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 300
        while True:
            assert process.poll() is None
            assert time.monotonic() < deadline
            try:
                with urllib.request.urlopen(f"http://localhost:{port}/data/environment", timeout=300) as answer:
                    assert json.load(answer)["data_location"].endswith("runs")
                break
            except OSError:
                time.sleep(0.3)
    finally:
        process.kill()
        process.wait()

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cnnlab.errors import CnnlabError, RequestError, RunError
from cnnlab.runs import Run, lock
from cnnlab.runs.find import find
from cnnlab.runs.remove import check_removable, remove

DAMAGED = ["{", '{"status": "running", "process": []}', "\0" * 100]


@pytest.fixture
def run(tmp_path):
    """A run with files in every folder, next to another run."""
    for name in ("lenet-1", "lenet-2"):
        for path in (
            "checkpoints/epoch-00001.safetensors",
            "evaluation/test.json",
            "tensorboard/train/events",
            ".lock",
        ):
            (tmp_path / "runs" / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "runs" / name / path).write_text("")
        (tmp_path / "runs" / name / "run.json").write_text('{"status": "finished"}')
        expire_heartbeat(tmp_path / "runs" / name)
    return Run(tmp_path / "runs" / "lenet-1")


def expire_heartbeat(folder):
    then = time.time() - lock.HEARTBEAT_TIMEOUT - 1
    os.utime(folder / ".lock", (then, then))


@contextmanager
def run_in_use(run):
    """Another process holds the lock of the run."""
    code = (
        "import sys; from pathlib import Path; from cnnlab.runs import lock\n"
        "with lock.held(Path(sys.argv[1])): print('held', flush=True), sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, run.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield


def contents(folder):
    return sorted(folder.rglob("*"))


def check_and_remove(run):
    check_removable(run)
    remove(run)


def test_a_run_is_removed_completely_and_nothing_else(run):
    other = contents(run.path.with_name("lenet-2"))
    check_and_remove(run)
    assert list(run.path.parent.iterdir()) == [run.path.with_name("lenet-2")]
    assert contents(run.path.with_name("lenet-2")) == other


def test_a_run_is_removed_by_a_relative_path(run, monkeypatch):
    monkeypatch.chdir(run.path.parent)
    check_and_remove(Run(Path("lenet-1")))
    assert os.listdir() == ["lenet-2"]


def test_the_current_folder_is_removed_or_rejected(run, monkeypatch):
    monkeypatch.chdir(run.path)
    before = contents(run.path)
    try:
        check_and_remove(Run(Path()))
    except CnnlabError:
        assert contents(run.path) == before
    else:
        assert not run.path.exists()


@pytest.mark.parametrize("record", DAMAGED, ids=lambda record: record[:30])
def test_a_damaged_run_can_be_removed(run, record):
    (run.path / "run.json").write_text(record)
    check_and_remove(run)
    assert not run.path.exists()


def test_a_run_that_was_never_locked_can_be_removed(run):
    (run.path / ".lock").unlink()
    check_and_remove(run)
    assert not run.path.exists()


@pytest.mark.parametrize("record", ['{"status": "running"}', '{"status": "finished"}', "{"])
def test_a_run_in_use_is_rejected(run, record, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.1)
    (run.path / "run.json").write_text(record)
    before = contents(run.path.parent)
    with run_in_use(run):
        with pytest.raises(RequestError, match="lenet-1: is being trained; end that first"):
            check_removable(run)
        with pytest.raises(RequestError, match="lenet-1: another process is at work on it; end that first"):
            remove(run)
        assert contents(run.path.parent) == before
    expire_heartbeat(run.path)
    check_and_remove(run)
    assert not run.path.exists()


def test_a_link_to_a_run_is_rejected(run):
    link = run.path.with_name("best")
    link.symlink_to("lenet-1")
    before = contents(run.path.parent)
    with pytest.raises(RequestError, match="best: is a symbolic link; remove the link, or name the folder"):
        check_removable(Run(link))
    assert contents(run.path.parent) == before


def test_a_run_in_a_linked_folder_can_be_removed(run, tmp_path):
    (tmp_path / "link").symlink_to("runs")
    check_and_remove(Run(tmp_path / "link" / "lenet-1"))
    assert not run.path.exists()


def test_links_in_a_run_are_not_followed(run, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("mine")
    for name, target in [
        ("file", outside / "mine.txt"),
        ("folder", outside),
        ("checkpoints/folder", outside),
        ("tensorboard/train/up", "../../.."),
        ("itself", "itself"),
        ("nothing", "missing"),
    ]:
        (run.path / name).symlink_to(target)
    (run.path / "config.yaml").hardlink_to(outside / "mine.txt")
    check_and_remove(run)
    assert not run.path.exists()
    assert (outside / "mine.txt").read_text() == "mine"
    assert run.path.with_name("lenet-2").is_dir()


def test_files_without_write_permission_are_removed_too(run):
    (run.path / "checkpoints" / "epoch-00001.safetensors").chmod(0o444)
    os.mkfifo(run.path / "pipe")
    check_and_remove(run)
    assert not run.path.exists()


def test_a_run_that_is_already_gone_is_reported(run):
    remove(run)
    with pytest.raises(RunError, match="lenet-1"):
        remove(run)
    assert not run.path.exists()


def test_a_run_that_cannot_be_renamed_is_unchanged(run, monkeypatch):
    before = contents(run.path.parent)

    def fail(*_):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(RunError, match="lenet-1: cannot be removed: Device or resource busy"):
        remove(run)
    assert contents(run.path.parent) == before


def test_the_remains_of_a_run_that_cannot_be_removed_are_named(run, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "rmtree", fail)
    with pytest.raises(RunError, match="cannot be removed: Input/output error") as caught:
        remove(run)
    (left,) = [path for path in run.path.parent.iterdir() if path.name != "lenet-2"]
    assert str(left) in str(caught.value)


def test_a_partially_removed_run_is_never_found(run, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", fail)
    with suppress(KeyboardInterrupt):
        remove(run)
    assert [found.path.name for found in find([run.path.parent])] == ["lenet-2"]

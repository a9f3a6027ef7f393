import errno
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest

from cnnlab.errors import RequestError, RunError
from cnnlab.runs import Run, lock
from cnnlab.runs.record import STATUSES, RunRecord
from cnnlab.runs.status import check_idle, is_live, status_of
from tests.conftest import complete

HOLDER = """
import os, subprocess, sys
from pathlib import Path
from cnnlab.runs import lock

child = sys.argv[2]
with lock.held(Path(sys.argv[1])):
    if child == "started":
        subprocess.Popen([sys.executable, "-c", "import os; os.read(0, 1)"])
    if child != "forked" or os.fork() == 0:
        print("held", flush=True)
    os.read(0, 1)
"""
HERE = {"pid": 1234, "host": platform.node()}
ELSEWHERE = {"pid": 1234, "host": f"not-{platform.node()}"}


@contextmanager
def holder(folder, child="none"):
    """A process that holds the lock until its input ends, optionally with a child process."""
    command = [sys.executable, "-c", HOLDER, folder, child]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process


@pytest.fixture
def folder(tmp_path):
    """A run folder held by no process."""
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def lock_file(folder):
    """The lock file of the folder, just released."""
    (folder / ".lock").touch()
    return folder / ".lock"


def make_older(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)


def is_held(folder):
    """Whether the lock is held, with and without the heartbeat of other machines; both must agree."""
    (answer,) = {lock.is_held(folder, elsewhere=False), lock.is_held(folder, elsewhere=True)}
    return answer


@contextmanager
def another_user():
    """Run as another user if root, for whom permissions have no effect."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def output_of(code, path):
    """The output of `code` with `path`, in a new process with a timeout."""
    code = f"import sys; from pathlib import Path; path = Path(sys.argv[1]); {code}"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


def test_a_run_has_one_holder(folder, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.1)
    with holder(folder):
        assert is_held(folder)
        with (
            pytest.raises(RequestError, match="run: another process is at work on it; end that first"),
            lock.held(folder),
        ):
            pass
        assert is_held(folder)
    assert not lock.is_held(folder, elsewhere=False)
    with lock.held(folder):
        assert is_held(folder)


def test_a_holder_cannot_lock_twice(folder, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.1)
    with lock.held(folder):
        with pytest.raises(RequestError, match="another process is at work on it"), lock.held(folder):
            pass
        assert is_held(folder)


def test_there_are_never_two_holders(folder, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 60)
    inside = []

    def work(number):
        with lock.held(folder):
            inside.append(number)
            time.sleep(0.001)
            assert inside == [number]
            inside.clear()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(24)))


def test_a_lock_is_released_however_the_work_ends(folder):
    with suppress(KeyboardInterrupt), lock.held(folder):
        raise KeyboardInterrupt
    assert not lock.is_held(folder, elsewhere=False)


def test_reading_the_lock_does_not_block_acquiring_it(folder):
    done = threading.Event()

    def look():
        while not done.is_set():
            lock.is_held(folder, elsewhere=False)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(look)
        pool.submit(look)
        try:
            for _ in range(10):
                with lock.held(folder):
                    assert lock.is_held(folder, elsewhere=False)
        finally:
            done.set()


def test_a_reader_of_the_lock_is_not_reported_as_its_holder(folder, lock_file):
    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(lambda _: lock.is_held(folder, elsewhere=False), range(1000)))


def test_a_second_holder_waits_briefly(folder, monkeypatch):
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 30)
    with holder(folder) as process:
        threading.Timer(0.2, process.kill).start()
        with lock.held(folder):
            assert process.wait() != 0


@pytest.mark.parametrize("child", ["none", "started", "forked"])
def test_the_lock_of_a_killed_process_is_released_immediately(folder, monkeypatch, child):
    monkeypatch.setattr(lock, "LOCK_TIMEOUT", 0.0)
    with holder(folder, child) as process:
        assert is_held(folder)
        process.kill()
        process.wait()
        assert not lock.is_held(folder, elsewhere=False)
        with lock.held(folder):
            assert is_held(folder)


def test_a_copy_of_a_run_is_not_locked(folder, tmp_path):
    copy = tmp_path / "copy"
    with holder(folder):
        shutil.copytree(folder, copy)
        assert not lock.is_held(copy, elsewhere=False)
        with lock.held(copy):
            assert is_held(copy)
        assert is_held(folder)


def test_a_renamed_run_is_still_locked(folder, tmp_path):
    with holder(folder):
        folder.rename(tmp_path / "other")
        assert is_held(tmp_path / "other")


def test_a_run_that_was_never_locked_is_not_locked(folder, tmp_path):
    assert not is_held(folder)
    assert not is_held(tmp_path / "missing")
    assert list(tmp_path.rglob("*")) == [folder]


heartbeats = pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, True),
        (lock.HEARTBEAT_TIMEOUT - 20, True),
        (20 - lock.HEARTBEAT_TIMEOUT, True),
        (lock.HEARTBEAT_TIMEOUT + 1, False),
        (-lock.HEARTBEAT_TIMEOUT - 20, False),
    ],
)


@heartbeats
def test_a_heartbeat_shows_a_holder_on_another_machine(folder, lock_file, seconds, expected):
    make_older(lock_file, seconds)
    assert lock.is_held(folder, elsewhere=True) is expected
    assert not lock.is_held(folder, elsewhere=False)


def test_reading_the_lock_does_not_update_the_heartbeat(folder, lock_file):
    make_older(lock_file, 60)
    before = lock_file.stat().st_mtime_ns
    lock.is_held(folder, elsewhere=False)
    lock.is_held(folder, elsewhere=True)
    assert lock_file.stat().st_mtime_ns == before


def test_the_heartbeat_is_updated_only_while_the_lock_is_held(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    path = folder / ".lock"
    threads = set(threading.enumerate())
    with lock.held(folder):
        for _ in range(2):
            make_older(path, 1000)
            deadline = time.monotonic() + 300
            while time.time() - path.stat().st_mtime > 500:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    for thread in set(threading.enumerate()) - threads:
        thread.join(10)
    make_older(path, 1000)
    time.sleep(0.05)
    assert time.time() - path.stat().st_mtime > 500


def test_the_heartbeat_survives_a_removed_lock_file(folder, monkeypatch):
    monkeypatch.setattr(lock, "HEARTBEAT_SECONDS", 0.01)
    with lock.held(folder):
        (folder / ".lock").unlink()
        time.sleep(0.05)
        (folder / ".lock").touch()
        make_older(folder / ".lock", 1000)
        deadline = time.monotonic() + 300
        while time.time() - (folder / ".lock").stat().st_mtime > 500:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@heartbeats
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_on_a_file_system_without_locks_the_heartbeat_decides(
    folder, lock_file, monkeypatch, number, seconds, expected
):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(lock.fcntl, "flock", fail)
    make_older(lock_file, seconds)
    assert is_held(folder) is expected


@pytest.mark.parametrize("seconds", [0, lock.HEARTBEAT_TIMEOUT + 1])
def test_the_lock_decides_even_with_read_only_permission(folder, lock_file, monkeypatch, seconds):
    monkeypatch.chdir(folder.parent)  # another user cannot enter the parent folders
    folder.parent.chmod(0o755)
    with holder(folder):
        lock_file.chmod(0o444)
        folder.chmod(0o555)
        make_older(lock_file, seconds)
        with another_user():
            assert is_held(Path(folder.name))
    make_older(lock_file, seconds)
    with another_user():
        assert not lock.is_held(Path(folder.name), elsewhere=False)
        assert lock.is_held(Path(folder.name), elsewhere=True) is (seconds == 0)
        with (
            pytest.raises(RunError, match=r"\.lock: cannot be locked: Permission denied"),
            lock.held(Path(folder.name)),
        ):
            pass
    folder.chmod(0o755)


def test_reading_the_lock_leaves_no_open_file(folder, tmp_path):
    (tmp_path / "free").mkdir()
    (tmp_path / "free" / ".lock").touch()
    with holder(folder):
        open_before = os.listdir("/dev/fd")
        for _ in range(3):
            assert is_held(folder)
            assert not lock.is_held(tmp_path / "free", elsewhere=False)
            assert not is_held(tmp_path / "missing")
        assert len(os.listdir("/dev/fd")) == len(open_before)


@pytest.mark.parametrize("name", ["missing", "missing/run", "file"])
def test_a_missing_run_is_not_locked(tmp_path, name):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunError) as caught, lock.held(tmp_path / name):
        pass
    assert str(caught.value) == f"{tmp_path / name}: no such folder; it has been removed"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_waiting_for_a_removed_run_does_not_recreate_it(folder, tmp_path):
    def wait():
        with lock.held(folder):
            pass

    with ThreadPoolExecutor(1) as pool, lock.held(folder):
        waiting = pool.submit(wait)
        time.sleep(0.2)
        folder.rename(tmp_path / "removed")
        with pytest.raises(RunError, match="No such file or directory"):
            waiting.result()
    assert list(tmp_path.iterdir()) == [tmp_path / "removed"]


@pytest.mark.parametrize("target", ["file", "held lock", "nothing"])
def test_a_link_is_not_followed(folder, tmp_path, target):
    other = tmp_path / "other"
    other.mkdir()
    with lock.held(other) if target == "held lock" else nullcontext():
        path = other / (".lock" if target == "held lock" else "file")
        if target == "file":
            path.write_text("mine")
            make_older(path, 1000)
        (folder / ".lock").symlink_to(path)
        assert not is_held(folder)
        make_older(folder / ".lock", 1000)
        assert not is_held(folder)
        with pytest.raises(RunError, match=r"\.lock: cannot be locked"), lock.held(folder):
            pass
    assert path.exists() is (target != "nothing")
    if target == "file":
        assert path.read_text() == "mine"
        assert time.time() - path.stat().st_mtime > 500


def test_a_folder_in_place_of_the_lock_is_rejected(folder):
    (folder / ".lock").mkdir()
    make_older(folder / ".lock", 1000)
    assert not is_held(folder)
    with pytest.raises(RunError, match=r"\.lock: cannot be locked: Is a directory"), lock.held(folder):
        pass
    assert list((folder / ".lock").iterdir()) == []


def test_a_pipe_in_place_of_the_lock_does_not_block(folder):
    os.mkfifo(folder / ".lock")
    make_older(folder / ".lock", 1000)
    looking = "from cnnlab.runs import lock; print(*(lock.is_held(path, elsewhere=answer) for answer in (True, False)))"
    assert output_of(looking, folder) == "False False\n"
    holding = "from cnnlab.runs import lock; context = lock.held(path); context.__enter__(); print('held')"
    assert output_of(holding, folder) == "held\n"


def recorded(folder, status, process):
    content = json.dumps(complete({"status": status, "process": process}))
    return RunRecord.parse(Run(folder), content.encode())


def test_a_run_whose_process_is_gone_has_crashed(folder):
    record = recorded(folder, "running", HERE)
    assert status_of(record) == "crashed"
    with holder(folder) as process:
        assert status_of(record) == "running"
        process.kill()
        process.wait()
        assert status_of(record) == "crashed"


def test_a_run_possibly_on_another_machine_has_crashed_when_its_heartbeat_stopped(folder, lock_file):
    record = recorded(folder, "running", ELSEWHERE)
    assert status_of(record) == "running"
    make_older(lock_file, lock.HEARTBEAT_TIMEOUT + 1)
    assert status_of(record) == "crashed"
    with holder(folder):
        assert status_of(record) == "running"


@pytest.mark.parametrize("process", [{}, {"host": None}, None], ids=["no host", "host null", "not recorded"])
def test_a_process_without_a_host_is_on_this_machine(folder, lock_file, process):
    record = recorded(folder, "running", process)
    assert status_of(record) == "crashed"
    with holder(folder):
        assert status_of(record) == "running"
        make_older(lock_file, lock.HEARTBEAT_TIMEOUT + 1)
        assert status_of(record) == "running"
    lock_file.touch()
    assert status_of(record) == "crashed"


@pytest.mark.parametrize("status", [status for status in STATUSES if status != "running"])
def test_a_recorded_final_status_is_kept(folder, status):
    record = recorded(folder, status, HERE)
    assert status_of(record) == status
    with lock.held(folder):
        assert status_of(record) == status
        assert is_live(record.run, record.process)
    assert not is_live(record.run, record.process)


def test_the_holder_of_a_run_is_named(folder):
    run = Run(folder)
    check_idle(run, recorded(folder, "running", HERE).process)
    with holder(folder):
        with pytest.raises(RequestError) as caught:
            check_idle(run, recorded(folder, "running", ELSEWHERE).process)
        assert str(caught.value) == (
            f"{folder}: is being trained by process 1234 on not-{platform.node()}; end that first"
        )
        with pytest.raises(RequestError) as caught:
            check_idle(run, None)
        assert str(caught.value) == f"{folder}: is being trained; end that first"

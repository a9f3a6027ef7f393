import errno
import io
import itertools
import json
import os
import re
import resource
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cnnlab.errors import RunError
from cnnlab.runs import Run, checkpoints, files
from cnnlab.runs.checkpoints import Position
from tests.conftest import RECORD


def test_a_file_appears_complete(tmp_path):
    files.write_text(tmp_path / "new" / "a.txt", "text")
    assert (tmp_path / "new" / "a.txt").read_text() == "text"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def half(temporary):
        temporary.write_text("ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match=r"a.txt: cannot be written: No space left on device"):
        files.write(path, half)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_nan(tmp_path):
    files.write_json(tmp_path / "a.json", {"a": 1.5})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1.5}
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()


LARGE = 100_000  # bytes, more than the buffer size
ERRORS = [errno.ENOSPC, errno.EIO, errno.EROFS]


def raise_always(error):
    def fail(*_, **__):
        raise error

    return fail


def fail_where(condition, error, function):
    """`function` that raises if `condition` is true for its arguments."""

    def checked(*arguments, **keywords):
        if condition(*arguments):
            raise error
        return function(*arguments, **keywords)

    return checked


def open_for_writing(function):
    """`open` that uses `function` for writing."""

    def opened(file, mode="r", **keywords):
        return open(file, mode, **keywords) if mode == "rb" else function(file, mode, **keywords)

    return opened


def open_with(write=io.FileIO.write, close=io.FileIO.close):
    """`open` with replaced methods `write` and `close`."""
    raw = type("Raw", (io.FileIO,), {"write": write, "close": close})
    return open_for_writing(lambda path, mode: io.BufferedWriter(raw(path, mode)))


def write_half_then_raise(error):
    def write(file, data):
        if file.tell():
            raise error
        return io.FileIO.write(file, bytes(data)[: max(1, len(data) // 2)])

    return write


def close_then_raise(error):
    def close(file):
        was_open = not file.closed
        io.FileIO.close(file)
        if was_open:
            raise error

    return close


def is_folder(descriptor):
    return stat.S_ISDIR(os.fstat(descriptor).st_mode)


def on_open(patch, error):
    patch.setattr(files, "open", open_for_writing(raise_always(error)), raising=False)


def on_write(patch, error):
    patch.setattr(files, "open", open_with(write=raise_always(error)), raising=False)


def on_half_of_a_write(patch, error):
    patch.setattr(files, "open", open_with(write=write_half_then_raise(error)), raising=False)


def on_close(patch, error):
    patch.setattr(files, "open", open_with(close=close_then_raise(error)), raising=False)


def on_fsync(patch, error):
    patch.setattr(os, "fsync", fail_where(lambda descriptor: not is_folder(descriptor), error, os.fsync))


def on_replace(patch, error):
    patch.setattr(Path, "replace", raise_always(error))


def on_open_of_the_folder(patch, error):
    patch.setattr(os, "open", fail_where(lambda _, flags, *__: flags & os.O_DIRECTORY, error, os.open))


def on_fsync_of_the_folder(patch, error):
    patch.setattr(os, "fsync", fail_where(is_folder, error, os.fsync))


EARLY = [on_open, on_write, on_half_of_a_write, on_close, on_fsync, on_replace]
LATE = [on_open_of_the_folder, on_fsync_of_the_folder]
"""Faults after the rename."""

every_fault = pytest.mark.parametrize(
    ("number", "fault"),
    [
        pytest.param(number, fault, id=f"{errno.errorcode[number]} {fault.__name__}")
        for number, fault in itertools.product(ERRORS, EARLY + LATE)
    ],
)


def assert_fails(number, fault, path, change):
    """`change` fails with the fault, in an error that names `path`."""
    with pytest.MonkeyPatch.context() as patch:
        fault(patch, OSError(number, os.strerror(number)))
        with pytest.raises(RunError) as caught:
            change()
    assert str(caught.value) == f"{path}: cannot be written: {os.strerror(number)}"


@every_fault
@pytest.mark.parametrize("size", [10, LARGE])
def test_bytes_are_the_old_or_the_new_ones_after_any_fault(tmp_path, number, fault, size):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    assert_fails(number, fault, path, lambda: files.write_bytes(path, b"n" * size))
    assert path.read_bytes() == (b"n" * size if fault in LATE else b"old")
    assert list(tmp_path.iterdir()) == [path]


@every_fault
def test_a_first_write_leaves_nothing_or_the_complete_file_after_any_fault(tmp_path, number, fault):
    path = tmp_path / "new" / "a.json"
    assert_fails(number, fault, path, lambda: files.write_json(path, {"a": [1.5] * 10_000}))
    if fault in LATE:
        assert json.loads(path.read_text()) == {"a": [1.5] * 10_000}
    assert list(path.parent.iterdir()) == [path] * (fault in LATE)


@every_fault
def test_a_record_is_the_old_or_the_new_one_after_any_fault(tmp_path, number, fault):
    run = Run(tmp_path)
    run.create(RECORD)
    assert_fails(number, fault, tmp_path / "run.json", lambda: run.update({"status": "finished"}))
    assert run.record().raw == {**RECORD, "status": "finished" if fault in LATE else "running"}
    assert list(tmp_path.iterdir()) == [tmp_path / "run.json"]
    run.update({"status": "finished"})
    assert run.record().raw == {**RECORD, "status": "finished"}


@every_fault
def test_the_newest_checkpoint_is_the_old_or_the_new_one_after_any_fault(tmp_path, number, fault, capsys):
    run = Run(tmp_path)
    arrays = [np.full(LARGE, epoch, dtype="float32") for epoch in range(4)]
    for epoch in (1, 2):
        checkpoints.save(run, Position(epoch), {"x": arrays[epoch]}, {"epoch": epoch}, 2)
    path = run.checkpoints / Position(3).name
    assert_fails(number, fault, path, lambda: checkpoints.save(run, Position(3), {"x": arrays[3]}, {"epoch": 3}, 2))
    expected = [Position(3), Position(2), Position(1)] if fault in LATE else [Position(2), Position(1)]
    assert sorted(run.checkpoints.iterdir(), reverse=True) == [run.checkpoints / place.name for place in expected]
    path, state, got = checkpoints.newest(run)
    assert (path.name, state) == (expected[0].name, {"epoch": expected[0].epoch})
    np.testing.assert_array_equal(got["x"], arrays[expected[0].epoch])
    assert capsys.readouterr().err == ""
    checkpoints.save(run, Position(3), {"x": arrays[3]}, {"epoch": 3}, 2)
    assert checkpoints.positions(run) == [Position(3), Position(2)]


def test_a_failed_rewrite_leaves_the_checkpoint_intact(tmp_path):
    run = Run(tmp_path)
    checkpoints.save(run, Position(1), {}, {"times": 1}, 1)
    path = run.checkpoints / Position(1).name
    assert_fails(errno.ENOSPC, on_fsync, path, lambda: checkpoints.save(run, Position(1), {}, {"times": 2}, 1))
    assert checkpoints.newest(run)[1] == {"times": 1}


@pytest.mark.parametrize("size", [1, 6, 7, 8, 10_000])
def test_a_file_is_complete_when_the_system_writes_it_in_parts(tmp_path, monkeypatch, size):
    data = bytes(number % 251 for number in range(size))
    monkeypatch.setattr(
        files, "open", open_with(write=lambda file, part: io.FileIO.write(file, bytes(part)[:7])), raising=False
    )
    files.write_bytes(tmp_path / "a.bin", data)
    assert (tmp_path / "a.bin").read_bytes() == data


def test_a_folder_that_cannot_be_created_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", raise_always(OSError(errno.EROFS, "Read-only file system")))
    with pytest.raises(RunError, match=r"new/a.txt: cannot be written: Read-only file system"):
        files.write_text(tmp_path / "new" / "a.txt", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_write_beyond_the_file_size_limit_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGE // 2, hard))
    try:
        with pytest.raises(RunError, match=r"a.bin: cannot be written: File too large"):
            files.write_bytes(path, bytes(LARGE))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, ValueError])
@pytest.mark.parametrize("fault", EARLY)
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, fault, stop):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.MonkeyPatch.context() as patch:
        fault(patch, stop())
        with pytest.raises(stop):
            files.write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_place_of_the_file_is_unchanged(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(RunError, match=r"a.txt: cannot be written: Is a directory"):
        files.write_text(tmp_path / "a.txt", "text")
    assert list(tmp_path.rglob("*")) == [tmp_path / "a.txt"]


def test_a_write_replaces_a_link_and_not_its_target(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "a.txt").symlink_to("mine.txt")
    files.write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "a.txt").read_text() == "text"


@pytest.mark.parametrize("target", ["mine.txt", "missing.txt"])
def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path, monkeypatch, target):
    monkeypatch.setattr(files.secrets, "token_hex", lambda size: "5a" * size)
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / f".{os.getpid()}-5a5a5a5a.a.txt").symlink_to(target)
    with pytest.raises(RunError, match=r"a.txt: cannot be written: File exists"):
        files.write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "a.txt").exists()
    assert not (tmp_path / "missing.txt").exists()


def test_temporary_file_names_are_unique(tmp_path):
    names = []
    for _ in range(100):
        files.write(tmp_path / "a.txt", lambda path: names.append(path.name) or path.write_text("text"))
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(rf"\.{os.getpid()}-[0-9a-f]{{8}}\.a\.txt", name)
        assert files.LEFT_OVER.fullmatch(name)


def test_a_leftover_of_a_process_with_the_same_pid_does_not_block_a_write(tmp_path):
    def killed(temporary):
        temporary.write_text("ha")
        leftovers.append(temporary.rename(tmp_path / "leftover"))
        leftovers.append(temporary)
        raise KeyboardInterrupt

    leftovers = []
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "a.txt", killed)
    leftover, temporary = leftovers
    leftover.rename(temporary)
    files.write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"
    assert temporary.read_text() == "ha"


def test_concurrent_writers_of_one_file_succeed(tmp_path):
    path = tmp_path / "a.txt"
    texts = [str(number) * LARGE for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda text: files.write_text(path, text), texts * 4):
            assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_concurrent_updates_from_threads_are_not_lost(tmp_path):
    run = Run(tmp_path)
    run.create(RECORD)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: run.update({str(number): number}), range(40)))
    assert run.record().raw == {**RECORD, **{str(number): number for number in range(40)}}


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    code = """
import sys
from pathlib import Path
from cnnlab.runs import files

def half(temporary):
    temporary.write_text("ha")
    print("half", flush=True)
    sys.stdin.read()

files.write(Path(sys.argv[1]), half)
"""
    command = [sys.executable, "-c", code, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.kill()
    assert len(list(tmp_path.iterdir())) == 2
    files.remove_left_overs(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_only_leftovers_are_removed(tmp_path):
    leftovers = [".1-00000000.run.json", ".4194304-0123abcd.epoch-00001.safetensors", ".7-ffffffff.model.keras"]
    others = [
        "run.json",
        ".lock",
        "1-0123abcd.run.json",
        ".1.run.json",
        ".1-.run.json",
        ".1-0.run.json",
        ".1-0123abc.run.json",
        ".1-0123abcde.run.json",
        ".1-0123ABCD.run.json",
        ".1-0123abcg.run.json",
        ".a-0123abcd.run.json",
        ".-0123abcd.run.json",
        ".1-0123abcdrun.json",
        ".1-0123abcd.",
        "x.1-0123abcd.run.json",
        ".1-0123abcd~",
    ]
    (tmp_path / ".1-0123abcd.folder").mkdir()
    (tmp_path / ".1-0123abcd.folder/a.txt").write_text("")
    for name in [*leftovers, *others]:
        (tmp_path / name).write_text("")
    files.remove_left_overs(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_a_leftover_link_is_removed_and_not_followed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / ".1-0123abcd.run.json").symlink_to("mine.txt")
    files.remove_left_overs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_folder_has_no_leftovers(tmp_path):
    files.remove_left_overs(tmp_path / "checkpoints")
    assert list(tmp_path.iterdir()) == []


def fill(folder, text="new"):
    (folder / "inner").mkdir()
    for name in ("a.txt", "inner/b.txt"):
        (folder / name).write_text(text)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_written_and_replaced(tmp_path):
    for text in ("old", "new"):
        files.write_folder(tmp_path / "parent/model", lambda folder, text=text: fill(folder, text))
        assert contents(tmp_path) == {"parent/model/a.txt": text, "parent/model/inner/b.txt": text}
    files.write_folder(tmp_path / "parent/model", lambda folder: (folder / "c.txt").write_text("only"))
    assert contents(tmp_path) == {"parent/model/c.txt": "only"}
    assert [path.name for path in (tmp_path / "parent").iterdir()] == ["model"]


def test_a_folder_is_flushed_to_disk_before_it_is_renamed(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append(os.readlink(f"/dev/fd/{descriptor}")))
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda path, target: (done.append("rename"), rename(path, target))[1])
    files.write_folder(tmp_path / "model", fill)
    before, after = done[: done.index("rename")], done[done.index("rename") + 1 :]
    assert sorted(Path(path).name for path in before if path.endswith(".txt")) == ["a.txt", "b.txt"]
    assert sum(path.endswith(("model", "inner")) for path in before) == 2
    assert after == [str(tmp_path)]


def test_a_folder_that_cannot_be_filled_leaves_the_old_one_and_nothing_else(tmp_path):
    files.write_folder(tmp_path / "model", fill)

    def half(folder):
        fill(folder, "half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"model: cannot be written: No space left on device"):
        files.write_folder(tmp_path / "model", half)
    assert contents(tmp_path) == {"model/a.txt": "new", "model/inner/b.txt": "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_folder_that_cannot_be_renamed_leaves_the_old_one_and_nothing_else(tmp_path, monkeypatch, number):
    files.write_folder(tmp_path / "model", lambda folder: fill(folder, "old"))
    rename, calls = Path.rename, []

    def failing(path, target):
        calls.append(path)
        if len(calls) == number:
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(RunError, match=r"model: cannot be written: Input/output error"):
        files.write_folder(tmp_path / "model", fill)
    assert contents(tmp_path) == {"model/a.txt": "old", "model/inner/b.txt": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_path_that_is_not_a_folder_is_not_replaced_by_one(tmp_path, kind):
    (tmp_path / "other").mkdir()
    path = tmp_path / "model"
    path.write_text("mine") if kind == "file" else path.symlink_to("other")
    with pytest.raises(RunError, match=r"model: cannot be written: Not a directory"):
        files.write_folder(path, fill)
    assert path.is_symlink() or path.read_text() == "mine"
    assert list((tmp_path / "other").iterdir()) == []
    assert len(list(tmp_path.iterdir())) == 2


KILLED = """
import os, signal, sys
from pathlib import Path
from cnnlab.runs import files

path, moment = Path(sys.argv[1]), sys.argv[2]
kill = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
rename, calls = Path.rename, []

def rename_or_die(source, target):
    calls.append(source)
    return kill() if len(calls) == 2 and moment == "between" else rename(source, target)

def fill(folder):
    (folder / "a.txt").write_text("new")
    if moment == "filling":
        kill()

Path.rename = rename_or_die
if moment == "after":
    files.shutil.rmtree = kill
files.write_folder(path, fill)
"""


@pytest.mark.parametrize(("moment", "text"), [("filling", "old"), ("between", "old"), ("after", "new")])
def test_a_killed_process_leaves_the_old_folder_or_the_new_one(tmp_path, moment, text):
    files.write_folder(tmp_path / "model", lambda folder: (folder / "a.txt").write_text("old"))
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "model", moment], check=False, timeout=60)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    files.remove_left_overs(tmp_path)
    assert contents(tmp_path) == {"model/a.txt": text}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("target", ["regular file", "folder", "pipe", "/dev/zero", "missing", "file over the limit"])
def test_a_regular_file_is_read_and_closed(tmp_path, target):
    path = tmp_path / target  # the absolute "/dev/zero" replaces tmp_path
    if target == "folder":
        path.mkdir()
    elif target == "pipe":
        os.mkfifo(path)
    elif target.endswith(("file", "limit")):
        path.write_bytes(b"x" * (11 if target.endswith("limit") else 10))
    open_before = os.listdir("/dev/fd")
    for _ in range(3):
        if target == "regular file":
            assert files.read(path, 10) == files.read(path) == b"x" * 10
        elif target == "missing":
            with pytest.raises(FileNotFoundError):
                files.read(path)
        else:
            expected = "11 bytes" if target.endswith("limit") else "expected a file"
            with pytest.raises(ValueError, match=expected):
                files.read(path, 10)
    assert len(os.listdir("/dev/fd")) == len(open_before)

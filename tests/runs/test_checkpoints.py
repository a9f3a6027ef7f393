import hashlib
import json
import math
import os
import random
import resource
import shutil
import struct
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from cnnlab.errors import RunError
from cnnlab.runs import Run, checkpoints
from cnnlab.runs.checkpoints import Position

ARRAYS = {"a/kernel": np.arange(6, dtype="float32").reshape(2, 3), "a/count": np.array(7), "b": np.zeros((0, 2))}
STATE = {"epoch": 1, "loss": 0.1}
NUMBER = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
EMPTY = {"dtype": "F32", "data_offsets": [0, 0]}
POSITION = Position(2).name  # of the inconsistent files
METADATA = {"state": "{}", "place": POSITION, "sha256": "0"}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def save(run, *positions, keep=99):
    for position in positions:
        checkpoints.save(run, position, ARRAYS, {**STATE, "epoch": position.epoch}, keep)


def names(run):
    return sorted(path.name for path in run.checkpoints.iterdir())


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def file_of(header, data=b"", length=None):
    """A safetensors file with this header, valid or not."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def checksum(text, place=POSITION):
    """The checksum of a file without arrays."""
    return hashlib.sha256(f"{place}\n{text}".encode()).hexdigest()


def file_with_state(text, place=POSITION):
    """A file with this state and position, and a valid checksum."""
    return safetensors.numpy.save({}, {"state": text, "place": place, "sha256": checksum(text, place)})


def assert_same_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


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


@contextmanager
def no_more_files():
    """No further file can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (2, 3, 1, 2)])
@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"],
)
def test_arrays_round_trip(run, dtype, shape):
    bits = np.random.default_rng(0).integers(0, 2, (*shape, np.dtype(dtype).itemsize), dtype="uint8")
    array = bits.view(dtype).reshape(shape)
    checkpoints.save(run, Position(1), {"x": array}, {}, 1)
    assert_same_arrays(checkpoints.read(run.checkpoints / Position(1).name)[1], {"x": array})


def test_arrays_round_trip_bit_for_bit(run):
    array = np.array([np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324, 1 / 3])
    checkpoints.save(run, Position(1), {"x": array}, {}, 1)
    assert_same_arrays(checkpoints.newest(run)[2], {"x": array})


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(6.0)[::2],
        np.arange(6.0)[::-1],
        np.broadcast_to(np.float32(2), (3,)),
        np.arange(3, dtype=">f4"),
    ],
    ids=["transposed", "every other", "reversed", "broadcast", "of another byte order"],
)
def test_arrays_with_other_memory_layouts_round_trip(run, array):
    checkpoints.save(run, Position(1), {"x": array}, {}, 1)
    np.testing.assert_array_equal(checkpoints.read(run.checkpoints / Position(1).name)[1]["x"], array)


def test_arrays_may_have_any_name(run):
    arrays = {
        name: np.ones(1) for name in ["", "a/b:0", "a b", 'quote "', "back\\slash", "line\nbreak", "é×😀", "state"]
    }
    checkpoints.save(run, Position(1), arrays, {}, 1)
    assert_same_arrays(checkpoints.newest(run)[2], arrays)


@pytest.mark.parametrize(
    "number",
    [0.1, 1 / 3, -0.0, 5e-324, 1e-308, sys.float_info.max, sys.float_info.epsilon, math.inf, -math.inf, 2**64, None],
)
def test_numbers_of_the_state_round_trip_exactly(run, number):
    checkpoints.save(run, Position(1), {}, {"x": [number]}, 1)
    (found,) = checkpoints.newest(run)[1]["x"]
    assert repr(found) == repr(number)


def test_a_state_round_trips(run):
    state = {"rows": [{"epoch": 1, "loss": None}], "é\n": {"": []}, "on": True, "text": 'a "b" \\ \x1b \ud800'}
    checkpoints.save(run, Position(1), ARRAYS, state, 1)
    path, saved_state, arrays = checkpoints.newest(run)
    assert path == run.checkpoints / "epoch-00001.safetensors"
    assert saved_state == state
    assert_same_arrays(arrays, ARRAYS)


def test_nan_round_trips(run):
    checkpoints.save(run, Position(1), {}, {"x": math.nan}, 1)
    assert math.isnan(checkpoints.newest(run)[1]["x"])


def test_a_position_is_named_after_the_completed_epochs_and_steps(run):
    assert Position(3).name == "epoch-00003.safetensors"
    assert Position(3, 120).name == "epoch-00003-step-000120.safetensors"
    assert str(Position(3)) == "epoch 3"
    assert str(Position(3, 1200)) == "step 1,200 of epoch 4"


def test_positions_are_sorted_in_training_order(run):
    in_order = [
        Position(0, 5),
        Position(1),
        Position(8),
        Position(8, 9),
        Position(8, 10),
        Position(9),
        Position(10),
        Position(99_999),
        Position(99_999, 999_999),
        Position(99_999, 1_000_000),
        Position(100_000),
    ]
    save(run, *random.Random(0).sample(in_order, len(in_order)))
    assert checkpoints.positions(run) == in_order[::-1]


def test_a_run_without_saved_files_has_no_checkpoint(run):
    assert checkpoints.positions(run) == []
    assert checkpoints.newest(run) is None
    run.checkpoints.mkdir()
    assert checkpoints.newest(run) is None


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_only_the_newest_are_kept(run, keep):
    everything = [Position(8), Position(9), Position(9, 50), Position(10), Position(10, 7)]
    for done, place in enumerate(everything, 1):
        save(run, place, keep=keep)
        assert checkpoints.positions(run) == everything[max(0, done - keep) : done][::-1]


def test_only_checkpoints_are_removed(run):
    others = {
        "notes.txt",
        "epoch-00001.safetensors.damaged",
        "epoch-00001.safetensors.bak",
        "my-epoch-00001.safetensors",
        "epoch-00001-step-.safetensors",
        ".1-0123abcd.epoch-00001.safetensors",
    }
    run.checkpoints.mkdir()
    for name in others:
        (run.checkpoints / name).write_text("mine")
    (run.checkpoints / "epoch-00001.safetensors").mkdir()
    save(run, Position(2), Position(3), keep=1)
    assert set(names(run)) == {*others, "epoch-00001.safetensors", "epoch-00003.safetensors"}


@pytest.mark.parametrize(
    "name",
    [
        "epoch-3.safetensors",
        "epoch-000003.safetensors",
        "epoch-٠٠٠٠٣.safetensors",
        "epoch-00003-step-0.safetensors",
        "epoch-00003-step-000000.safetensors",
    ],
)
def test_an_unrecognised_name_is_not_a_checkpoint(run, name, capsys):
    run.checkpoints.mkdir()
    (run.checkpoints / name).write_text("mine")
    save(run, Position(2), Position(3), keep=1)
    assert names(run) == sorted([name, "epoch-00003.safetensors"])
    assert checkpoints.newest(run)[0].name == "epoch-00003.safetensors"
    (run.checkpoints / "epoch-00003.safetensors").unlink()
    assert checkpoints.newest(run) is None
    assert capsys.readouterr().err == ""


def replaced_by_folder(path):
    path.unlink()
    path.mkdir()
    (path / "file").write_text("")


def with_one_bit_changed(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "one bit": with_one_bit_changed,
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "text": lambda path: path.write_text("epoch,loss\n1,0.5\n"),
    "folder": replaced_by_folder,
    "no metadata": lambda path: path.write_bytes(safetensors.numpy.save(ARRAYS)),
    "other metadata": lambda path: path.write_bytes(safetensors.numpy.save(ARRAYS, {"format": "np"})),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_the_previous_one_is_used(run, damage, capsys):
    save(run, Position(1), Position(1, 5), Position(2))
    damage(run.checkpoints / Position(2).name)
    path, state, arrays = checkpoints.newest(run)
    assert (path.name, state) == (Position(1, 5).name, STATE)
    assert_same_arrays(arrays, ARRAYS)
    assert names(run) == [Position(1, 5).name, Position(1).name, "epoch-00002.safetensors.damaged"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cnnlab: warning: {run.checkpoints / Position(2).name}: damaged: ")
    assert line.endswith("; it is set aside as epoch-00002.safetensors.damaged, and the one before is used")
    assert checkpoints.newest(run)[0] == path
    assert capsys.readouterr().err == ""


def test_all_damaged_checkpoints_are_set_aside(run, capsys):
    save(run, Position(1), Position(2), Position(3))
    for place in (Position(1), Position(2), Position(3)):
        os.truncate(run.checkpoints / place.name, 100)
    assert checkpoints.newest(run) is None
    assert names(run) == [f"{place.name}.damaged" for place in (Position(1), Position(2), Position(3))]
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_reading_uses_the_one_before_a_damaged_checkpoint_without_moving_it(run, capsys):
    save(run, Position(1), Position(2), Position(3))
    os.truncate(run.checkpoints / Position(3).name, 100)
    replaced_by_folder(run.checkpoints / Position(2).name)
    before = contents(run.path)
    assert checkpoints.newest(run, set_aside=False)[0].name == Position(1).name
    assert contents(run.path) == before
    assert capsys.readouterr().err == ""


def test_a_checkpoint_that_cannot_be_set_aside_is_not_reported_as_set_aside(run, capsys):
    save(run, Position(1), Position(2))
    os.truncate(run.checkpoints / Position(2).name, 100)
    aside = run.checkpoints / "epoch-00002.safetensors.damaged"
    aside.mkdir()
    (aside / "file").write_text("")
    assert checkpoints.newest(run)[0].name == Position(1).name
    assert (run.checkpoints / Position(2).name).exists()
    assert "is set aside" not in capsys.readouterr().err


@pytest.mark.parametrize("other", [Position(9), Position(2, 1)])
def test_a_checkpoint_with_the_name_of_another_position_is_set_aside(run, other, capsys):
    save(run, Position(1), Position(2))
    aside = run.checkpoints / f"{other.name}.damaged"
    path = run.checkpoints / other.name
    shutil.copy(run.checkpoints / Position(1).name, path)
    content = path.read_bytes()
    message = f"{path}: damaged: it is that of epoch-00001.safetensors"
    with pytest.raises(RunError) as caught:
        checkpoints.read(path)
    assert str(caught.value) == message
    path, state, _ = checkpoints.newest(run)
    assert (path.name, state["epoch"]) == (Position(2).name, 2)
    assert names(run) == sorted([Position(1).name, Position(2).name, aside.name])
    assert aside.read_bytes() == content
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"cnnlab: warning: {message}; it is set aside as {aside.name}, and the one before is used"


def test_a_checkpoint_truncated_anywhere_is_rejected(run):
    save(run, Position(1))
    path = run.checkpoints / Position(1).name
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(RunError, match=r"epoch-00001.safetensors: damaged: "):
            checkpoints.read(path)


def test_a_checkpoint_with_any_byte_changed_is_rejected_or_equal(run):
    save(run, Position(1))
    path = run.checkpoints / Position(1).name
    state, arrays = checkpoints.read(path)
    with path.open("r+b", buffering=0) as file:
        for offset, byte in enumerate(path.read_bytes()):
            for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
                os.pwrite(file.fileno(), bytes([byte ^ mask]), offset)
                with suppress(RunError):
                    found, found_arrays = checkpoints.read(path)
                    assert found == state
                    assert_same_arrays(found_arrays, arrays)
            os.pwrite(file.fileno(), bytes([byte]), offset)
    assert_same_arrays(checkpoints.read(path)[1], arrays)


def test_a_checkpoint_with_any_mutation_is_rejected_or_equal(run):
    save(run, Position(1))
    path = run.checkpoints / Position(1).name
    content = path.read_bytes()
    chance = random.Random(0)
    for _ in range(500):
        start, end = sorted(chance.choices(range(len(content)), k=2))
        piece = chance.choice([b"", chance.randbytes(4), content[start:end] * 2, content[start:end][::-1]])
        path.write_bytes(content[:start] + piece + content[end:])
        with suppress(RunError):
            state, arrays = checkpoints.read(path)
            assert state == STATE
            assert_same_arrays(arrays, ARRAYS)


INCONSISTENT = {
    "header longer than the file": file_of({"x": NUMBER}, b"1234", length=10_000),
    "header of 2**63 bytes": file_of({"x": NUMBER}, b"1234", length=2**63),
    "header of 2**64 - 1 bytes": file_of({"x": NUMBER}, b"1234", length=2**64 - 1),
    "header of no bytes": file_of({"x": NUMBER}, b"1234", length=0),
    "header cut": file_of({"x": NUMBER}, b"1234", length=9),
    "header no map": file_of([]),
    "header no text": file_of(b'{"\xff": 1}'),
    "header no JSON": file_of(b"{'x': 1}"),
    "lists in lists": file_of(b"[" * 100_000),
    "maps in maps": file_of(b'{"a":' * 100_000),
    "offsets outside": file_of({"x": {**NUMBER, "data_offsets": [0, 400]}}, b"1234"),
    "offsets far outside": file_of({"x": {**NUMBER, "data_offsets": [2**64 - 4, 2**64 - 1]}}, b"1234"),
    "offsets below 0": file_of({"x": {**NUMBER, "data_offsets": [-4, 0]}}, b"1234"),
    "offsets reversed": file_of({"x": {**NUMBER, "data_offsets": [4, 0]}}, b"1234"),
    "offsets with a hole": file_of({"x": {**NUMBER, "data_offsets": [4, 8]}}, b"12345678"),
    "offsets overlapping": file_of({"x": NUMBER, "y": NUMBER}, b"1234"),
    "data not described": file_of({"x": NUMBER}, b"12345678"),
    "dtype too wide": file_of({"x": {**NUMBER, "dtype": "F64"}}, b"1234"),
    "dtype unknown": file_of({"x": {**NUMBER, "dtype": "Q7"}}, b"1234"),
    "dtype that NumPy lacks": file_of({"x": {**NUMBER, "dtype": "F8_E4M3", "data_offsets": [0, 1]}}, b"1"),
    "dtype of half bytes": file_of({"x": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}, b"1"),
    "dtype bfloat16": file_of({"x": {**NUMBER, "dtype": "BF16", "data_offsets": [0, 2]}}, b"12"),
    "shape too large": file_of({"x": {**NUMBER, "shape": [2**40, 2**40]}}, b"1234"),
    "shape below 0": file_of({"x": {**NUMBER, "shape": [-1]}}, b"1234"),
    "shape not whole": file_of({"x": {**NUMBER, "shape": [1.5]}}, b"1234"),
    "shape of 70 dimensions": file_of({"x": {**NUMBER, "shape": [1] * 70}}, b"1234"),
    "shape of nothing and 2**63": file_of({"__metadata__": METADATA, "x": {**EMPTY, "shape": [0, 2**63 - 1]}}),
    "shape of nothing and 2**64": file_of({"__metadata__": METADATA, "x": {**EMPTY, "shape": [0, 2**64 - 1]}}),
    "twice the same name": file_of(b'{"x":%b,"x":%b}' % ((json.dumps(NUMBER).encode(),) * 2), b"1234"),
    "metadata twice": file_of(b'{"__metadata__":{"state":"{}"},"__metadata__":%b}' % json.dumps(METADATA).encode()),
    "metadata no map": file_of({"__metadata__": []}),
    "metadata of numbers": file_of({"__metadata__": {"state": 3, "place": 2, "sha256": 0}}),
    "metadata with half a character": file_of(b'{"__metadata__":{"state":"\\ud800","place":"","sha256":"0"}}'),
    "no state": file_of({"__metadata__": {"place": POSITION, "sha256": checksum("")}}),
    "no place": file_of({"__metadata__": {"state": "{}", "sha256": checksum("{}")}}),
    "no checksum": file_of({"__metadata__": {"state": "{}", "place": POSITION}}),
    "checksum without the place": file_of({"__metadata__": {**METADATA, "sha256": checksum("{}", "")}}),
    "checksum of something else": file_of({"__metadata__": METADATA}),
    "array hidden as metadata": file_of({"__metadata__": {**METADATA, "x": json.dumps(NUMBER)}}, b"1234"),
    "nothing": file_of({}),
    "state no map": file_with_state("[]"),
    "state empty": file_with_state(""),
    "state no JSON": file_with_state("{'epoch': 1}"),
    "state of lists in lists": file_with_state("[" * 100_000),
    "state of maps in maps": file_with_state('{"a":' * 100_000),
    "state of too many digits": file_with_state('{"a": %s}' % ("9" * 5000)),
    "place before": file_with_state("{}", Position(1).name),
    "place empty": file_with_state("{}", ""),
    "place in a folder": file_with_state("{}", f"checkpoints/{Position(2).name}"),
}


def test_a_consistent_file_is_read(run):
    run.checkpoints.mkdir()
    (run.checkpoints / Position(2).name).write_bytes(file_with_state('{"epoch": 2}'))
    assert checkpoints.newest(run) == (run.checkpoints / Position(2).name, {"epoch": 2}, {})


@pytest.mark.parametrize("content", INCONSISTENT.values(), ids=INCONSISTENT)
def test_an_inconsistent_file_is_rejected(run, content, capsys):
    save(run, Position(1))
    path = run.checkpoints / Position(2).name
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"epoch-00002.safetensors: damaged: ."):
        checkpoints.read(path)
    assert checkpoints.newest(run)[0].name == Position(1).name
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [
        file_of({"x": {**NUMBER, "dtype": "\x1b[31m\ncnnlab: all is well"}}, b"1234"),
        file_with_state("{}", "\x1b[31m\ncnnlab: all is well"),
    ],
    ids=["dtype", "place"],
)
def test_a_warning_is_one_line_whatever_the_file_contains(run, content, capsys):
    save(run, Position(1))
    (run.checkpoints / Position(2).name).write_bytes(content)
    assert checkpoints.newest(run)[0].name == Position(1).name
    output = capsys.readouterr().err
    assert len(output.splitlines()) == 1
    assert "\x1b" not in output


def test_a_missing_file_is_not_reported_as_damaged(run):
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: .*epoch-00001.safetensors"):
        checkpoints.read(run.checkpoints / Position(1).name)


def test_a_checkpoint_without_read_permission_is_not_set_aside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # another user cannot enter the parent folders
    tmp_path.chmod(0o755)
    run = Run(Path("run"))
    run.path.mkdir()
    save(run, Position(1), Position(2))
    run.checkpoints.chmod(0o777)
    (run.checkpoints / Position(2).name).chmod(0)
    with another_user(), pytest.raises(PermissionError, match="Permission denied"):
        checkpoints.newest(run)
    assert names(run) == [Position(1).name, Position(2).name]


def test_a_checkpoint_folder_without_read_permission_is_not_reported_as_empty(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0o755)
    run = Run(Path("run"))
    run.path.mkdir()
    save(run, Position(1))
    run.checkpoints.chmod(0)
    with another_user(), pytest.raises((PermissionError, RunError), match="Permission denied"):
        checkpoints.newest(run)
    run.checkpoints.chmod(0o755)


def test_too_many_open_files_do_not_make_a_checkpoint_damaged(run):
    save(run, Position(1))
    checkpoints.newest(run)
    with no_more_files(), pytest.raises(OSError, match="Too many open files"):
        checkpoints.read(run.checkpoints / Position(1).name)
    with no_more_files(), pytest.raises((OSError, RunError), match="Too many open files"):
        checkpoints.newest(run)
    assert names(run) == [Position(1).name]


def test_a_pipe_is_set_aside_without_blocking(run):
    save(run, Position(1))
    os.mkfifo(run.checkpoints / Position(2).name)
    code = (
        "import sys; from pathlib import Path; from cnnlab.runs import Run, checkpoints; "
        "print(checkpoints.newest(Run(Path(sys.argv[1])))[0].name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, run.path], capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout == "epoch-00001.safetensors\n"

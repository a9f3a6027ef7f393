"""Shared by all tests: a small experiment, functions that run `cnnlab`, and one trained run."""

import gc
import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import pytest

from cnnlab import terminal
from cnnlab.cli import main
from cnnlab.experiment import upgrade
from cnnlab.runs import Run
from cnnlab.runs.claim import new_run_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CNNLAB_OFFLINE"] = "1"  # tests use no network; download tests use a local server

DATA_DIR = Path(os.environ.get("CNNLAB_DATA_DIR", "/nowhere"))
needs_mnist = pytest.mark.skipif(not (DATA_DIR / "mnist").is_dir(), reason="CNNLAB_DATA_DIR holds no MNIST")
needs_cifar10 = pytest.mark.skipif(
    not (DATA_DIR / "cifar-10-batches-bin").is_dir(), reason="CNNLAB_DATA_DIR holds no CIFAR-10"
)
needs_cifar10_folder = pytest.mark.skipif(
    not (DATA_DIR / "cifar10-folder").is_dir(), reason="CNNLAB_DATA_DIR holds no cifar10-folder"
)

LONGEST = (
    *("test_every_word", "test_exact_resume", "test_jobs", "test_faults", "test_proposed_commands"),
    *("test_callbacks_as_in_fit", "test_resume", "test_find_rate", "test_coach", "test_export", "test_fool"),
    *("test_backbones", "test_input_pipeline", "test_tutorial", "test_launch", "test_signals", "test_audit"),
)
"""Test files that take half a minute or more."""
TINY = """\
# A network small enough for a test.
name: tiny
data: {name: digits, limit: 200}
model:
  layers:
    - conv2d: {filters: 4, kernel_size: 3, strides: 2, activation: relu}
    - max_pool2d: 2
    - flatten
    - dense: 10
train:
  epochs: 2
  batch_size: 64
  optimizer: {sgd: {learning_rate: 0.1}}
  schedule: {exponential: 0.5}
"""


RECORD = {
    "status": "running",
    "experiment": {"name": "tiny", "seed": 0, "data": {"name": "digits"}, "train": {"epochs": 2, **upgrade.TRAIN}},
    "data": {"fingerprint": "f", "image_shape": [8, 8, 1], "classes": list("0123456789"), "splits": {}},
}
"""A run.json with no more than every run has."""


def complete(record: Mapping[str, Any], base: Mapping[str, Any] = RECORD) -> dict[str, Any]:
    """`record` completed to a valid run.json."""
    merged = dict(base)
    for key, value in record.items():
        both = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = complete(value, base[key]) if both else value
    if base is RECORD:
        digests = dict.fromkeys(("pictures", "labels", "in_any_order"), "")
        splits = {name: {**digests, **split} for name, split in merged["data"]["splits"].items()}
        merged["data"] = {**merged["data"], "splits": splits}
    return merged


def make_run(runs: Path, experiment_name: str, name: str | None, record: Mapping[str, Any]) -> Run:
    """A run folder that contains only this record, completed, held by no process."""
    with new_run_folder(runs, experiment_name, name, complete(record)) as run:
        return run


class Result(NamedTuple):
    """The result of a command, with the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


Cnnlab = Callable[..., Result]


IN_TURN = """
import json, sys
from pathlib import Path
from tests.conftest import invoke
folder, *commands = sys.argv[1:]
print(json.dumps([invoke(*json.loads(command), cwd=Path(folder)) for command in commands]))
"""


def invoke(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Result:
    """Run `cnnlab ARGUMENTS` in this process and restore its state."""
    outputs = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
    path, imported = sys.path.copy(), set(sys.modules)
    with (
        patch.dict(os.environ, {"COLUMNS": "100", "NO_COLOR": "1", **(env or {})}),
        chdir(cwd),
        redirect_stdout(outputs[0]),
        redirect_stderr(outputs[1]),
        warnings.catch_warnings(),
    ):
        terminal.stderr.cache_clear()  # its width depends on COLUMNS
        try:
            code = main(list(map(str, arguments)))
        finally:
            terminal.stderr.cache_clear()
            sys.path[:] = path
            for name in set(sys.modules) - imported:  # the next command may import other modules with the same names
                if (file := getattr(sys.modules[name], "__file__", None)) and Path(file).is_relative_to(cwd):
                    del sys.modules[name]
    for output in outputs:
        output.flush()
    return Result(code, *(output.buffer.getvalue().decode() for output in outputs))  # type: ignore[attr-defined]


def invoke_in_new_process(*commands: Sequence[object], cwd: Path, env: Mapping[str, str] | None = None) -> list[Result]:
    """Run each of these commands in turn in one new process, for settings read once per process."""
    done = subprocess.run(
        [sys.executable, "-c", IN_TURN, str(cwd), *(json.dumps([*map(str, command)]) for command in commands)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Result(*result) for result in json.loads(done.stdout)]


def run_cnnlab(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Result:
    """Run `cnnlab ARGUMENTS` in a new process, for tests of process-wide behaviour; takes seconds where it trains."""
    done = subprocess.run(
        [sys.executable, "-m", "cnnlab", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def cnnlab(tmp_path: Path) -> Cnnlab:
    """`cnnlab` in an empty folder, in this process; keywords set environment variables."""
    return lambda *arguments, **env: invoke(*arguments, cwd=tmp_path, env=env)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no process is left alone with one of them at the end."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish() -> None:
    """Split the CPU into two devices, possible once per process, so that `--devices 2` works in this process."""
    gc.freeze()  # otherwise a tenth of the time is garbage collection over TensorFlow's objects
    gc.set_threshold(20_000, 50, 100)
    if "tensorflow" in sys.modules:
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            (cpu,) = tf.config.list_physical_devices("CPU")
            tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `$CNNLAB_DATA_DIR`; no other data are read or written, nothing is downloaded."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("CNNLAB_DATA_DIR", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CNNLAB_MIRROR", raising=False)
    monkeypatch.setenv("CNNLAB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The file of the tiny experiment, in the working directory."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list["Figure"]:
    """All figures written, in order."""
    from matplotlib.figure import Figure

    written: list[Figure] = []
    save = Figure.savefig

    def savefig(self: Figure, *arguments: Any, **options: Any) -> None:
        written.append(self)
        save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return written


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny experiment trained into runs/tiny-1; read-only."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")
    done = invoke("train", "tiny.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    (folder / "stderr").write_text(done.stderr)
    return folder


def assert_one_line(done: Result | subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """The command failed with this exit code and one line on standard error that contains every part."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for part in parts:
        assert part in done.stderr

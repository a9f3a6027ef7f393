"""Every write during training fails once: all readable files stay correct, and the run can be resumed."""

import contextlib
import errno
import io
import json
import os
import resource
from pathlib import Path

import pytest

from cnnlab.config.load import load
from cnnlab.config.overrides import parse_set
from cnnlab.errors import RunError
from cnnlab.runs import Run, checkpoints, files
from cnnlab.runs.status import status_of
from cnnlab.training.resume import checkpoint as states
from cnnlab.training.resume.manager import CheckpointManager
from cnnlab.training.resume.plan import plan
from cnnlab.training.tasks import NewRun
from cnnlab.training.train import train
from cnnlab.training.trainer import Trainer


def experiment():
    layers = "[flatten, {dense: 10}]"
    changes = (f"model.layers={layers}", "data.limit=100", "train.epochs=2")
    return load("digits", [parse_set(change) for change in changes])


class Disk:
    """A disk that fails at operation `fault`: a write, a flush, a rename, or the flush of a folder."""

    def __init__(self, monkeypatch, code=errno.ENOSPC, half=False):
        self.count, self.fault, self.code, self.half = 0, None, code, half
        self.paths = []
        fsync, replace = os.fsync, Path.replace

        def faulty_open(path, mode, **options):
            if mode == "rb":
                return open(path, mode, **options)
            return io.BufferedWriter(FaultyFile(self, path, mode.replace("b", "")), 512)

        def faulty_fsync(descriptor):
            self.work("fsync")
            fsync(descriptor)

        def faulty_replace(path, target):
            self.work(f"replace {Path(target).name}")
            return replace(path, target)

        monkeypatch.setattr(files, "open", faulty_open, raising=False)
        monkeypatch.setattr(os, "fsync", faulty_fsync)
        monkeypatch.setattr(Path, "replace", faulty_replace)

    def work(self, what):
        self.count += 1
        self.paths.append(what)
        if self.count == self.fault:
            raise OSError(self.code, os.strerror(self.code))


class FaultyFile(io.FileIO):
    def __init__(self, disk, path, mode):
        super().__init__(path, mode)
        self._disk = disk

    def write(self, data):
        try:
            self._disk.work("write")
        except OSError:
            if self._disk.half:
                super().write(bytes(data)[: len(data) // 2])
            raise
        return super().write(bytes(data)[: max(1, len(data) // 2)])  # write(2) may write only a part


@pytest.fixture(scope="module")
def trainer():
    return Trainer.from_experiment(experiment())


@pytest.fixture
def same_graph(monkeypatch, trainer):
    """All runs share one trainer and its compiled graph."""
    monkeypatch.setattr(Trainer, "from_experiment", lambda experiment, resumed=False: trainer.reset(experiment))


@pytest.fixture
def fault_free(same_graph, tmp_path):
    """A run without disk faults."""
    return train([NewRun(experiment(), "fault_free")], tmp_path)[0].run


def metrics_without_seconds(run):
    return [line.rpartition(",")[0] for line in run.metrics.read_text().splitlines()]


def assert_readable_files_are_correct(run, fault_free):
    record = run.record()
    assert status_of(record) in ("failed", "crashed", "finished")
    if run.metrics.exists():
        assert metrics_without_seconds(run) == metrics_without_seconds(fault_free)[: len(metrics_without_seconds(run))]
    for place in checkpoints.positions(run):
        checkpoints.read(run.checkpoints / place.name)
    if (newest := states.load(run, experiment())) is not None:
        assert [row["epoch"] for row in newest.state.rows] == list(range(1, newest.state.epoch + 1))
    for file in (run.weights, run.predictions("test"), run.path / "evaluation" / "test.json"):
        assert not file.exists() or file.read_bytes() == (fault_free.path / file.relative_to(run.path)).read_bytes()
    assert record.status != "finished" or run.weights.exists()
    assert not [path for path in run.path.rglob(".*") if path.name != ".lock"]


@pytest.mark.parametrize(("code", "half"), [(errno.ENOSPC, False), (errno.EIO, True)], ids=["ENOSPC", "EIO"])
def test_any_failed_write_leaves_only_valid_files_and_the_run_can_be_resumed(
    tmp_path, monkeypatch, fault_free, code, half
):
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch, code, half)
        counted = train([NewRun(experiment(), "counted")], tmp_path)[0].run
        total, works = disk.count, list(disk.paths)
    assert counted.weights.read_bytes() == fault_free.weights.read_bytes()
    assert total > 60
    for fault in range(1, total + 1):
        if (fault % 10 != 0) if works[fault - 1] == "write" else half:
            continue  # a tenth of the writes; each flush and rename once, since they cannot be partial
        name = f"fault-{fault}"
        with pytest.MonkeyPatch.context() as patch:
            disk = Disk(patch, code, half)
            disk.fault = fault
            with contextlib.suppress(RunError):
                train([NewRun(experiment(), name)], tmp_path)
        run = Run(tmp_path / name)
        if not (run.path / "run.json").exists():  # the first operation failed
            assert not run.path.exists()
            continue
        assert_readable_files_are_correct(run, fault_free)
        if run.record().status != "finished":
            train([plan(run)])
            assert metrics_without_seconds(run) == metrics_without_seconds(fault_free)
            assert run.weights.read_bytes() == fault_free.weights.read_bytes()


@pytest.fixture
def largest_file(monkeypatch):
    """A function that limits the file size until the test ends."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_run_with_one_line_and_the_last_saved_state(
    tmp_path, tiny, cnnlab, monkeypatch, largest_file
):
    save = CheckpointManager.save

    def save_on_a_full_disk(self, epoch, *rest, **options):
        if epoch == 2:
            largest_file(7000)
        return save(self, epoch, *rest, **options)

    monkeypatch.setattr(CheckpointManager, "save", save_on_a_full_disk)
    done = cnnlab("train", "tiny.yaml", "--epochs", "3", "--quiet")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("cnnlab: ")]
    assert "epoch-00002.safetensors: cannot be written: File too large; when that is mended, " in line
    assert "`cnnlab resume runs/tiny-1` continues after epoch 1" in line
    run = Run(tmp_path / "runs/tiny-1")
    assert run.record().status == "failed"
    assert "cannot be written" in json.loads((run.path / "run.json").read_text())["error"]
    assert [str(place) for place in checkpoints.positions(run)] == ["epoch 1"]

"""Sweeps whose runs are written instead of trained."""

import json
import math

from cnnlab.config.load import to_dict, to_yaml
from cnnlab.config.space import read_space
from cnnlab.jobs.pool import Later
from cnnlab.runs import Run
from cnnlab.runs.record import RunRecord
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.points import fixed_points
from cnnlab.sweep.study import Search
from cnnlab.sweep.trials import TrialTable
from cnnlab.sweep.work import SweepWork

BASE = """\
name: small
data: {name: digits, validation: 0.2}
model: {layers: [flatten, {dense: 10}]}
train: {epochs: 2}
search:
"""
RECORD = {
    "status": "finished",
    "started": "2026-01-01T00:00:00+00:00",
    "finished": "2026-01-01T00:00:01+00:00",
    "seconds": 1.0,
    "parameters": 7850,
    "multiplications": 7840,
    "data": {
        "fingerprint": "f",
        "classes": ["a", "b"],
        "image_shape": [28, 28, 1],
        "splits": {
            name: {"examples": examples, "pictures": name, "labels": name, "in_any_order": name}
            for name, examples in {"train": 1000, "validation": 500, "test": 1000}.items()
        },
    },
}


def make_space(folder, section):
    """The space of a section `search`, in a file in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    indented = "".join(f"  {line}\n" for line in section.strip().splitlines())
    path = folder / "space.yaml"
    path.write_text(BASE + indented)
    return read_space(str(path))


def accuracy(experiment):
    """A metric of an experiment that has one best learning rate, 0.03, and gets better with the batch size."""
    rate = getattr(experiment.train.optimizer, "learning_rate", 0.1)
    return 0.9 - 0.1 * abs(math.log10(rate / 0.03)) + 1e-4 * experiment.train.batch_size


def record(experiment, **results):
    """The run.json of a finished run."""
    results = {"epoch": 2, "loss": 0.1, "accuracy": 0.9, "val_loss": 0.1, **results}
    return {**RECORD, "experiment": to_dict(experiment), "results": results}


def parsed(experiment, path, **results):
    """The record of a run that is in no folder."""
    return RunRecord.parse(Run(path), json.dumps(record(experiment, **results)).encode())


def write_run(folder, name, experiment, status="finished", **results):
    """The folder of a run."""
    run = Run(folder / name)
    run.path.mkdir(exist_ok=True)
    run.write_config(to_yaml(experiment))
    run.create({**record(experiment, **results), "status": status})
    return run


class Worker:
    """One of the processes of a sweep, without any that trains."""

    def __init__(self, folder, space, storage=None, luck=lambda name: 0.0):
        """`luck` is added to the validation accuracy of the run of a name."""
        self._luck = luck
        self.folder, self.space = SweepFolder(folder), space
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = self.folder.worker()
        name = self._lock.__enter__()
        with self.folder.locked():
            if not self.folder.space.exists():
                self.folder.create(space, storage)
            self.search = Search(self.folder, space, self.folder.storage(storage))
            self.search.begin(fixed_points(space))
            self.table = TrialTable(self.folder, space)
            self.table.write(self.search.trials())
        self.work = SweepWork(self.folder, space, self.search, name, self.table)

    def die(self):
        """As if the process were killed."""
        self._lock.__exit__(None, None, None)

    def finish(self, assignment):
        """Have a run finished."""
        experiment = assignment.experiment
        results = {"val_accuracy": accuracy(experiment) + self._luck(assignment.name)}
        if experiment.train.test == "end":
            results["test_accuracy"] = accuracy(experiment) - 0.01 + 1e-3 * (experiment.seed % 3)
        write_run(assignment.folder, assignment.name, experiment, **results)
        self.work.ended(assignment, {"event": "finished"})

    def serve(self, most=10_000):
        """Train until nothing is left, or so many runs; what was trained."""
        trained = []
        while len(trained) < most:
            taken = self.work.take()
            if taken is None or isinstance(taken, Later):
                return trained
            self.finish(taken)
            trained.append(taken)
        return trained

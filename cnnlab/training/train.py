"""The recipe: data, network, engine, run folder."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console

from cnnlab import data
from cnnlab.analysis.evaluate import check_same_data, keep
from cnnlab.config.load import load_file, to_data, to_yaml
from cnnlab.data import Dataset, fingerprint
from cnnlab.errors import CnnlabError, ConfigError, Diverged, Interrupted, RequestError, TrainingError
from cnnlab.experiment.callbacks import EarlyStopping
from cnnlab.experiment.schedules import ReduceOnPlateau
from cnnlab.experiment.schema import Experiment
from cnnlab.models import weights
from cnnlab.models.build import attach_optimizer, build_for
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import compile_forward
from cnnlab.runs import Run, files
from cnnlab.runs.folder import claim, now
from cnnlab.training import checkpoint as checkpoints
from cnnlab.training import devices, environment, own_callbacks
from cnnlab.training.callbacks import StopWhenDiverged
from cnnlab.training.checkpoint import Checkpoint
from cnnlab.training.fit import fit
from cnnlab.training.input_pipeline import Placement, place


@dataclass(frozen=True)
class _Prepared:
    """What is known and built before anything is written."""

    experiment: Experiment
    strategy: tf.distribute.Strategy
    dataset: Dataset
    model: keras.Model
    placement: Placement
    own_callbacks: list[own_callbacks.Factory]

    @property
    def is_chief(self) -> bool:
        return devices.is_chief(self.strategy)


def train(
    experiment: Experiment, runs: Path, *, name: str | None = None, console: Console | None = None
) -> tuple[Run, dict[str, Any]] | None:
    """Train an experiment into a new run folder in `runs`; the run, and its evaluation on the test set.

    Of several workers the chief alone has a folder, writes and prints; the others give None.
    Progress goes to `console`, if there is one. Nothing is left behind where the data or the network are wrong;
    after that, run.json says how the run ended.
    """
    ready = _prepare(experiment)
    run = claim(runs, experiment.name, name, _record(ready)) if ready.is_chief else None
    if run is None:
        return _carry_on(ready)
    with _status_of(run):
        run.write_config(to_yaml(experiment))
        return _carry_on(ready, run=run, console=console)


def resume(run: Run, *, console: Console | None = None) -> tuple[Run, dict[str, Any]] | None:
    """Go on with a run that did not finish, after its last whole epoch; as `train`.

    Raises RunError where it has no checkpoint or the data are not those that it was trained on, RequestError where it
    has finished or is running.
    """
    record = run.record()
    check_resumable(run, record)
    checkpoint = checkpoints.load(run)
    ready = _prepare(load_file(run.config))
    check_same_data(run, record, ready.dataset)
    if not ready.is_chief:
        return _carry_on(ready, checkpoint)
    resumed = [*record.get("resumed", []), {"after_epoch": checkpoint.epoch, "when": now()}]
    run.update({"status": "running", "process": environment.process(), "resumed": resumed})
    with _status_of(run):
        return _carry_on(ready, checkpoint, run, console)


def check_resumable(run: Run, record: Mapping[str, Any]) -> None:
    """Raise RequestError where a run has finished or, as far as this machine can tell, is still going on."""
    if record["status"] == "finished":
        raise RequestError(f"{run.path}: has finished; there is nothing to resume")
    if record["status"] == "running" and environment.is_alive(record.get("process")):
        raise RequestError(f"{run.path}: is being trained by process {record['process']['pid']}; end that first")


def _prepare(experiment: Experiment) -> _Prepared:
    strategy = devices.strategy_of(experiment.train.devices)
    dataset = data.load(experiment.data)
    _check_monitors(experiment, dataset)
    factories = own_callbacks.find(experiment.train.callbacks)
    make_deterministic(experiment.seed)
    with strategy.scope():
        model = build_for(experiment, dataset)
        attach_optimizer(model, experiment.train)
        placement = place(experiment.train.input_pipeline, dataset.train)
    return _Prepared(experiment, strategy, dataset, model, placement, factories)


def _carry_on(
    ready: _Prepared,
    checkpoint: Checkpoint | None = None,
    run: Run | None = None,
    console: Console | None = None,
) -> tuple[Run, dict[str, Any]] | None:
    """Train to the end and, where there is a `run`, write all that it holds."""
    started = time.perf_counter()
    with devices.together(ready.strategy):
        if console:
            console.print(_summary(ready))
        own = own_callbacks.make(ready.own_callbacks, run)
        with ready.strategy.scope():
            results = fit(
                ready.model,
                ready.experiment,
                ready.dataset,
                ready.placement,
                own=own,
                run=run,
                console=console,
                checkpoint=checkpoint,
            )
        if run is None:
            return None
        evaluation = _finish(ready, run, results, started, checkpoint)
    return run, evaluation


def _finish(
    ready: _Prepared, run: Run, results: Mapping[str, Any], started: float, checkpoint: Checkpoint | None
) -> dict[str, Any]:
    """Measure on the test set, and write what a finished run has."""
    outcome = compile_forward(ready.model, ready.experiment.train.loss)(ready.dataset.test)
    guard = StopWhenDiverged(ready.experiment.train.optimizer)
    guard.check(outcome.loss, "on the test examples after the last epoch")
    files.write(run.weights, lambda path: weights.save(ready.model, path))
    files.write(run.model, ready.model.save)
    run.record_test_use("train")
    evaluation = keep(run, "test", outcome, ready.dataset)
    before = sum(row["seconds"] for row in checkpoint.rows) if checkpoint else 0.0
    run.update(
        {
            "status": "finished",
            "finished": now(),
            "seconds": round(before + time.perf_counter() - started, 3),
            "results": {**results, "test_loss": outcome.loss, "test_accuracy": outcome.accuracy},
        }
    )
    return evaluation


def _check_monitors(experiment: Experiment, dataset: Dataset) -> None:
    """Raise ConfigError where validation is watched and, of data whose size was not known before, none are left."""
    schedule, callbacks = experiment.train.schedule, experiment.train.callbacks
    monitors = [spec.monitor for spec in callbacks if isinstance(spec, EarlyStopping)]
    if isinstance(schedule, ReduceOnPlateau):
        monitors.append(schedule.monitor)
    watched = [column for column in monitors if column.startswith("val_")]
    if dataset.validation is None and watched:
        raise ConfigError(
            f"data.validation: {experiment.data.validation} of {len(dataset.train):,} examples holds out none, "
            f"and {watched[0]} is watched; hold out more, or watch loss"
        )


def _summary(ready: _Prepared) -> str:
    """One line on what is about to be trained."""
    sizes = ", ".join(f"{len(examples):,} {split}" for split, examples in ready.dataset.splits().items())
    return (
        f"{ready.experiment.name}: {ready.model.count_params():,} parameters; {ready.dataset.name}: {sizes} examples, "
        f"{ready.placement.why}; on {environment.device_names(ready.strategy)}"
    )


def _record(ready: _Prepared) -> dict[str, Any]:
    test_uses = [{"by": "validation", "when": now()}] if ready.experiment.data.validation == "test" else []
    return {
        "status": "running",
        "started": now(),
        "process": environment.process(),
        "experiment": to_data(ready.experiment),
        "parameters": ready.model.count_params(),
        "data": fingerprint.record(ready.dataset),
        "input_pipeline": ready.placement.kind,
        "test_uses": test_uses,
        "versions": environment.versions(),
        "devices": environment.devices(ready.strategy),
        "git_commit": environment.git_commit(),
    }


@contextmanager
def _status_of(run: Run) -> Iterator[None]:
    """Have run.json tell how the work inside ended, whatever happens."""
    try:
        yield
    except KeyboardInterrupt:
        run.update({"status": "interrupted", "finished": now()})
        hint = f"cnnlab resume {run.path} goes on" if run.checkpoint.is_file() else f"{run.path} has no model"
        raise Interrupted(f"interrupted; {hint}") from None
    except BaseException as error:
        status = "diverged" if isinstance(error, Diverged) else "failed"
        message = str(error) if isinstance(error, CnnlabError) else repr(error)
        run.update({"status": status, "finished": now(), "error": message})
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise TrainingError(
                f"{run.path}: out of memory; try a smaller batch, such as --set train.batch_size=32"
            ) from error
        raise

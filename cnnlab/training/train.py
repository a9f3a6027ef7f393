"""The recipe: data, network, engine, run folder."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.console import Console

from cnnlab import data
from cnnlab.analysis.evaluate import keep
from cnnlab.config.load import to_data, to_yaml
from cnnlab.data import Dataset, fingerprint
from cnnlab.errors import CnnlabError, ConfigError, Diverged, Interrupted, TrainingError
from cnnlab.experiment.schedules import ReduceOnPlateau
from cnnlab.experiment.schema import Experiment, Train
from cnnlab.models import weights
from cnnlab.models.build import attach_optimizer, build_for
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import compile_forward
from cnnlab.runs import Run, files
from cnnlab.runs.folder import claim, now
from cnnlab.training import environment, schedules
from cnnlab.training.callbacks import MetricsTable, ProgressReport, StopEarly, StopWhenDiverged
from cnnlab.training.engine import Engine
from cnnlab.training.input_pipeline import Placement, place
from cnnlab.training.interrupts import kept_for_check


def train(
    experiment: Experiment, runs: Path, *, name: str | None = None, console: Console | None = None
) -> tuple[Run, dict[str, Any]]:
    """Train an experiment into a new run folder in `runs`; the run, and its evaluation on the test set.

    Progress goes to `console`, if there is one. Nothing is left behind where the data or the network are wrong;
    after that, run.json says how the run ended.
    """
    dataset = data.load(experiment.data)
    _check_monitors(experiment, dataset)
    make_deterministic(experiment.seed)
    model = build_for(experiment, dataset)
    attach_optimizer(model, experiment.train)
    placement = place(experiment.train.input_pipeline, dataset.train)

    run = claim(runs, experiment.name, name, _record(experiment, dataset, model, placement))
    with _status_of(run):
        run.write_config(to_yaml(experiment))
        if console:
            console.print(_summary(experiment, dataset, model, placement))
        started = time.perf_counter()
        results = fit(model, experiment, dataset, run, placement, console)
        outcome = compile_forward(model, experiment.train.loss)(dataset.test)
        StopWhenDiverged(experiment.train.optimizer).check(outcome.loss, "on the test examples after the last epoch")
        files.write(run.weights, lambda path: weights.save(model, path))
        files.write(run.model, model.save)
        run.record_test_use("train")
        evaluation = keep(run, "test", outcome, dataset)
        run.update(
            {
                "status": "finished",
                "finished": now(),
                "seconds": round(time.perf_counter() - started, 3),
                "results": {**results, "test_loss": outcome.loss, "test_accuracy": outcome.accuracy},
            }
        )
    return run, evaluation


def _check_monitors(experiment: Experiment, dataset: Dataset) -> None:
    """Raise ConfigError where validation is watched and, of data whose size was not known before, none are left."""
    schedule, callbacks = experiment.train.schedule, experiment.train.callbacks
    monitors = [spec.monitor for spec in callbacks]
    if isinstance(schedule, ReduceOnPlateau):
        monitors.append(schedule.monitor)
    watched = [column for column in monitors if column.startswith("val_")]
    if dataset.validation is None and watched:
        raise ConfigError(
            f"data.validation: {experiment.data.validation} of {len(dataset.train):,} examples holds out none, "
            f"and {watched[0]} is watched; hold out more, or watch loss"
        )


def fit(
    model: keras.Model,
    experiment: Experiment,
    dataset: Dataset,
    run: Run,
    placement: Placement,
    console: Console | None,
) -> dict[str, Any]:
    """Every epoch, with Keras's callbacks called as its own `fit` calls them; batch hooks fire once a graph call.

    The row of the table for the epoch whose weights the model has then.
    """
    settings = experiment.train
    engine = Engine(
        model,
        settings.loss,
        dataset.train,
        batch_size=settings.batch_size,
        seed=experiment.seed,
        augmentation=experiment.preprocessing.augmentation,
        placement=placement.kind,
    )
    forward = compile_forward(model, settings.loss)
    table = MetricsTable(run)
    stops = [StopEarly(spec, console) for spec in settings.callbacks]
    report = [ProgressReport(console, len(dataset.train))] if console else []
    callbacks = keras.callbacks.CallbackList(
        [*schedules.callbacks(settings), StopWhenDiverged(settings.optimizer), table, *report, *stops],
        model=model,
        epochs=settings.epochs,
        steps=engine.steps_per_epoch,
        verbose=0,
    )
    model.stop_training = False
    callbacks.on_train_begin()
    try:
        with kept_for_check() as check_interrupt:
            for epoch in range(settings.epochs):
                callbacks.on_epoch_begin(epoch)
                rates = _rates(model, settings, epoch, engine.steps_per_epoch)
                logs = _train_epoch(engine, epoch, rates, callbacks, check_interrupt)
                if dataset.validation:
                    outcome = forward(dataset.validation)
                    logs |= {"val_loss": outcome.loss, "val_accuracy": outcome.accuracy}
                callbacks.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
            check_interrupt()
    finally:
        for bar in report:
            bar.close()
    callbacks.on_train_end()
    kept = len(table.rows)
    for stop in stops:
        kept = stop.kept_epoch(kept)
    return table.results(kept)


def _rates(model: keras.Model, settings: Train, epoch: int, steps: int) -> NDArray[np.float32] | None:
    """The learning rate of every step, where the schedule has more than one an epoch."""
    if not schedules.changes_within_epochs(settings):
        return None
    return schedules.rates(settings, epoch, steps, float(model.optimizer.learning_rate))


def _train_epoch(
    engine: Engine,
    epoch: int,
    rates: NDArray[np.float32] | None,
    callbacks: keras.callbacks.CallbackList,
    check_interrupt: Callable[[], None],
) -> dict[str, float]:
    started = time.perf_counter()
    first = 0
    for progress in engine.epoch(epoch, rates):
        check_interrupt()
        callbacks.on_train_batch_begin(first)
        logs = {"loss": progress.loss, "accuracy": progress.accuracy}
        callbacks.on_train_batch_end(progress.steps - 1, {**logs, "examples": progress.examples})
        first = progress.steps
    return {**logs, "seconds": time.perf_counter() - started}


def _summary(experiment: Experiment, dataset: Dataset, model: keras.Model, placement: Placement) -> str:
    """One line on what is about to be trained."""
    sizes = ", ".join(f"{len(examples):,} {split}" for split, examples in dataset.splits().items())
    devices = ", ".join(environment.device_names())
    return (
        f"{experiment.name}: {model.count_params():,} parameters; {dataset.name}: {sizes} examples, {placement.why}; "
        f"on {devices}"
    )


def _record(experiment: Experiment, dataset: Dataset, model: keras.Model, placement: Placement) -> dict[str, Any]:
    return {
        "status": "running",
        "started": now(),
        "experiment": to_data(experiment),
        "parameters": model.count_params(),
        "data": fingerprint.record(dataset),
        "input_pipeline": placement.kind,
        "test_uses": [{"by": "validation", "when": now()}] if experiment.data.validation == "test" else [],
        "versions": environment.versions(),
        "devices": environment.devices(),
        "git_commit": environment.git_commit(),
    }


@contextmanager
def _status_of(run: Run) -> Iterator[None]:
    """Have run.json tell how the work inside ended, whatever happens."""
    try:
        yield
    except KeyboardInterrupt:
        run.update({"status": "interrupted", "finished": now()})
        raise Interrupted(f"interrupted; {run.path} has no model") from None
    except BaseException as error:
        status = "diverged" if isinstance(error, Diverged) else "failed"
        message = str(error) if isinstance(error, CnnlabError) else repr(error)
        run.update({"status": status, "finished": now(), "error": message})
        if isinstance(error, tf.errors.ResourceExhaustedError):
            raise TrainingError(
                f"{run.path}: out of memory; try a smaller batch, such as --set train.batch_size=32"
            ) from error
        raise

"""The recipe: data, network, engine, run folder."""

import time
from collections.abc import Callable, Iterator, Sequence
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
from cnnlab.data import Dataset, Examples, fingerprint
from cnnlab.errors import CnnlabError, ConfigError, Diverged, Interrupted, TrainingError
from cnnlab.experiment.callbacks import EarlyStopping
from cnnlab.experiment.schedules import ReduceOnPlateau
from cnnlab.experiment.schema import Experiment, Train
from cnnlab.models import weights
from cnnlab.models.build import attach_optimizer, build_for
from cnnlab.models.determinism import make_deterministic
from cnnlab.models.inference import Outcome, compile_forward
from cnnlab.runs import Run, files
from cnnlab.runs.folder import claim, now
from cnnlab.training import devices, environment, own_callbacks, schedules
from cnnlab.training.callbacks import MetricsTable, ProgressReport, StopEarly, StopWhenDiverged, kept_epoch
from cnnlab.training.engine import Engine
from cnnlab.training.input_pipeline import Placement, place
from cnnlab.training.interrupts import kept_for_check


def train(
    experiment: Experiment, runs: Path, *, name: str | None = None, console: Console | None = None
) -> tuple[Run, dict[str, Any]] | None:
    """Train an experiment into a new run folder in `runs`; the run, and its evaluation on the test set.

    Of several workers the chief alone has a folder, writes and prints; the others give None.
    Progress goes to `console`, if there is one. Nothing is left behind where the data or the network are wrong;
    after that, run.json says how the run ended.
    """
    strategy = devices.strategy_of(experiment.train.devices)
    dataset = data.load(experiment.data)
    _check_monitors(experiment, dataset)
    factories = own_callbacks.find(experiment.train.callbacks)
    make_deterministic(experiment.seed)
    with strategy.scope():
        model = build_for(experiment, dataset)
        attach_optimizer(model, experiment.train)
        placement = place(experiment.train.input_pipeline, dataset.train)
    if not devices.is_chief(strategy):
        with devices.together(strategy), strategy.scope():
            fit(model, experiment, dataset, placement, own=own_callbacks.make(factories, None))
        return None

    run = claim(runs, experiment.name, name, _record(experiment, dataset, model, placement, strategy))
    with _status_of(run), devices.together(strategy):
        run.write_config(to_yaml(experiment))
        if console:
            console.print(_summary(experiment, dataset, model, placement, strategy))
        started = time.perf_counter()
        own = own_callbacks.make(factories, run)
        with strategy.scope():
            results = fit(model, experiment, dataset, placement, own=own, run=run, console=console)
        outcome = compile_forward(model, experiment.train.loss)(dataset.test)
        guard = StopWhenDiverged(experiment.train.optimizer)
        guard.check(outcome.loss, "on the test examples after the last epoch")
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
    monitors = [spec.monitor for spec in callbacks if isinstance(spec, EarlyStopping)]
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
    placement: Placement,
    *,
    own: Sequence[keras.callbacks.Callback] = (),
    run: Run | None = None,
    console: Console | None = None,
) -> dict[str, Any]:
    """Every epoch, with Keras's callbacks called as its own `fit` calls them; batch hooks fire once a graph call.

    `own` are a user's. The row of the table for the epoch whose weights the model has then.
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
        jit=devices.compiles(settings.jit, model),
    )
    if own:
        _build_metrics(model)
    forward = compile_forward(model, settings.loss)
    table = MetricsTable(run)
    report = [ProgressReport(console, table, len(dataset.train), settings.batch_size)] if console else []
    stops = [StopEarly(spec, console) for spec in settings.callbacks if isinstance(spec, EarlyStopping)]
    callbacks = keras.callbacks.CallbackList(
        [*schedules.callbacks(settings), StopWhenDiverged(settings.optimizer), *own, table, *report, *stops],
        model=model,
        epochs=settings.epochs,
        steps=engine.steps_per_epoch,
        verbose=0,
    )
    strategy = tf.distribute.get_strategy()

    def agreed(asked: bool) -> bool:
        return devices.mean_of_workers(strategy, float(asked)) > 0

    model.stop_training = False
    callbacks.on_train_begin()
    logs: dict[str, float] = {}
    try:
        with kept_for_check(agreed) as check_interrupt:
            for epoch in range(settings.epochs):
                callbacks.on_epoch_begin(epoch)
                rates = _rates(model, settings, epoch, engine.steps_per_epoch)
                logs = _train_epoch(engine, epoch, rates, callbacks, check_interrupt)
                if dataset.validation:
                    logs |= _validate(forward, dataset.validation, callbacks)
                callbacks.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
            check_interrupt()
    finally:
        for bar in report:
            bar.close()
    callbacks.on_train_end(logs)
    return table.results(kept_epoch([*own, *stops], len(table.rows)))


def _build_metrics(model: keras.Model) -> None:
    """Have the model name its metrics, as `fit` does before it calls a callback: by them it knows what is better."""
    _, num_classes = model.output_shape
    labels, outputs = np.zeros(1, np.int32), np.zeros((1, num_classes), np.float32)
    model.compute_metrics(None, labels, outputs)
    model.reset_metrics()


def _validate(
    forward: Callable[[Examples], Outcome], examples: Examples, callbacks: keras.callbacks.CallbackList
) -> dict[str, float]:
    callbacks.on_test_begin()
    callbacks.on_test_batch_begin(0)
    outcome = forward(examples)
    logs = {"accuracy": outcome.accuracy, "loss": outcome.loss}
    callbacks.on_test_batch_end(0, logs)
    callbacks.on_test_end(logs)
    return {f"val_{name}": value for name, value in logs.items()}


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
    """Train an epoch, or as much of it as callbacks let it go on; the means of what was trained."""
    for progress in engine.epoch(epoch, rates, callbacks.on_train_batch_begin):
        check_interrupt()
        logs = {"accuracy": progress.accuracy, "loss": progress.loss}
        callbacks.on_train_batch_end(progress.steps - 1, logs)
        if callbacks.model.stop_training:
            break
    return dict(logs)


def _summary(
    experiment: Experiment, dataset: Dataset, model: keras.Model, placement: Placement, strategy: tf.distribute.Strategy
) -> str:
    """One line on what is about to be trained."""
    sizes = ", ".join(f"{len(examples):,} {split}" for split, examples in dataset.splits().items())
    return (
        f"{experiment.name}: {model.count_params():,} parameters; {dataset.name}: {sizes} examples, {placement.why}; "
        f"on {environment.device_names(strategy)}"
    )


def _record(
    experiment: Experiment, dataset: Dataset, model: keras.Model, placement: Placement, strategy: tf.distribute.Strategy
) -> dict[str, Any]:
    return {
        "status": "running",
        "started": now(),
        "experiment": to_data(experiment),
        "parameters": model.count_params(),
        "data": fingerprint.record(dataset),
        "input_pipeline": placement.kind,
        "test_uses": [{"by": "validation", "when": now()}] if experiment.data.validation == "test" else [],
        "versions": environment.versions(),
        "devices": environment.devices(strategy),
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

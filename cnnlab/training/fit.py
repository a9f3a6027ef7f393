"""The epochs: the engine, validation, and Keras's callbacks around them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.console import Console

from cnnlab.data import Dataset, Examples
from cnnlab.experiment.callbacks import EarlyStopping
from cnnlab.experiment.losses import CrossEntropy, Loss
from cnnlab.experiment.schema import Experiment, Train
from cnnlab.models.inference import Outcome, compile_forward
from cnnlab.runs import Run
from cnnlab.training import devices, schedules
from cnnlab.training.callbacks import MetricsTable, ProgressReport, StopEarly, StopWhenDiverged, kept_epoch
from cnnlab.training.checkpoint import Checkpoint, KeepCheckpoint
from cnnlab.training.engine import Engine
from cnnlab.training.input_pipeline import Placement
from cnnlab.training.interrupts import kept_for_check


def engine_for(model: keras.Model, experiment: Experiment, examples: Examples, placement: Placement) -> Engine:
    """The engine that trains `model` on `examples` as the experiment says, under the strategy of the moment."""
    settings = experiment.train
    return Engine(
        model,
        settings.loss,
        examples,
        batch_size=settings.batch_size,
        seed=experiment.seed,
        augmentation=experiment.preprocessing.augmentation,
        placement=placement.kind,
        jit=devices.compiles(settings.jit, model),
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
    checkpoint: Checkpoint | None = None,
) -> dict[str, Any]:
    """Every epoch, or all after those of `checkpoint`.

    Keras's callbacks are called as its own `fit` calls them; hooks of batches fire once a graph call.
    `own` are a user's. The result is the row of the table for the epoch whose weights the model has then.
    """
    settings = experiment.train
    engine = engine_for(model, experiment, dataset.train, placement)
    if own:
        _build_metrics(model, settings.loss)
    forward = compile_forward(model, settings.loss)
    table = MetricsTable(run)
    report = [ProgressReport(console, table, len(dataset.train), settings.batch_size)] if console else []
    stops = [StopEarly(spec, console) for spec in settings.callbacks if isinstance(spec, EarlyStopping)]
    rates = schedules.callbacks(settings)
    kept = [KeepCheckpoint(run, table, [*rates, *own, *stops])] if run else []
    callbacks = keras.callbacks.CallbackList(
        [*rates, *own, StopWhenDiverged(settings.optimizer), table, *report, *stops, *kept],
        add_history=True,
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
    if checkpoint:
        checkpoint.restore(model, [*rates, *own, *stops], table)
    remaining = range(checkpoint.epoch if checkpoint else 0, settings.epochs)
    if checkpoint and checkpoint.stopped:  # all that was missing is the end
        remaining = range(0)
    logs: dict[str, float] = {}
    try:
        with kept_for_check(agreed) as check_interrupt:
            for epoch in remaining:
                callbacks.on_epoch_begin(epoch)
                step_rates = _rates(model, settings, epoch, engine.steps_per_epoch)
                logs = _train_epoch(engine, epoch, step_rates, callbacks, check_interrupt)
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


def _build_metrics(model: keras.Model, loss: Loss) -> None:
    """Have the model name its metrics, as `fit` does before it calls a callback: by them it knows what is better.

    What labels look like tells Keras which accuracy is meant: numbers of classes, or one-hot for squared errors.
    """
    outputs = np.zeros((1, model.output_shape[-1]), np.float32)
    labels = np.zeros(1, np.int32) if isinstance(loss, CrossEntropy) else outputs
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

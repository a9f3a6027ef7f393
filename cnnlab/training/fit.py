"""The epochs: the engine, validation, and Keras's callbacks around them."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from cnnlab.data import Examples
from cnnlab.errors import Diverged
from cnnlab.experiment.callbacks import EarlyStopping, TensorBoard
from cnnlab.experiment.losses import CrossEntropy, Loss
from cnnlab.experiment.schema import Train
from cnnlab.runs import Run
from cnnlab.training import divergence
from cnnlab.training.callbacks import schedules
from cnnlab.training.callbacks.early_stopping import ReportingEarlyStopping, kept_epoch
from cnnlab.training.callbacks.metrics_table import BALANCED, MetricsTable
from cnnlab.training.callbacks.progress_bar import ProgressReport
from cnnlab.training.callbacks.tensorboard import Events
from cnnlab.training.engine.progress import START, Progress
from cnnlab.training.interrupts import Interrupts, Stopped
from cnnlab.training.resume.checkpoint import Checkpoint, CheckpointManager
from cnnlab.training.trainer import Trainer


def fit(
    trainer: Trainer,
    *,
    own: Sequence[keras.callbacks.Callback] = (),
    run: Run | None = None,
    console: Console | None = None,
    checkpoint: Checkpoint | None = None,
    interrupts: Interrupts | None = None,
) -> dict[str, Any]:
    """Every epoch, or all that is left after `checkpoint`.

    Keras's callbacks are called as its own `fit` calls them; hooks of batches fire once a graph call.
    `own` are a user's. The result is the row of the table for the epoch whose weights the model has then.
    Raises Diverged where a loss is not finite, and Stopped, when the state is saved, where a signal asked for the end.
    """
    settings, model = trainer.experiment.train, trainer.model
    if own or trainer.own:  # also on workers without such a callback: all make a variable together, or none does
        with trainer.strategy.scope():
            _build_metrics(model, settings.loss)
    table = MetricsTable(run, trainer.columns)
    report = [ProgressReport(console, table, len(trainer.dataset.train), settings.batch_size)] if console else []
    stops = [ReportingEarlyStopping(spec, console) for spec in settings.callbacks if isinstance(spec, EarlyStopping)]
    events = [Events(spec, trainer, run) for spec in settings.callbacks if run and isinstance(spec, TensorBoard)]
    rates = schedules.callbacks(settings)
    remembering = [*rates, *own, *events, *stops]
    callbacks = keras.callbacks.CallbackList(
        [*rates, *own, *events, table, *report, *stops],
        add_history=True,
        model=model,
        epochs=settings.epochs,
        steps=trainer.engine.steps_per_epoch,
        verbose=0,
    )
    keeper = CheckpointManager(model, settings, table, remembering, run)
    loop = _Loop(trainer, callbacks, keeper, interrupts or Interrupts())
    model.stop_training = False
    callbacks.on_train_begin()
    if checkpoint:
        checkpoint.restore(model, remembering, table, is_chief=trainer.is_chief)
    try:
        with loop.interrupts.deferred():
            logs = loop.run(checkpoint)
    finally:
        for bar in report:
            bar.close()
        for written in events:
            written.close()
    callbacks.on_train_end(logs)
    return table.results(kept_epoch([*own, *stops], len(table.rows)))


class _Loop:
    """One epoch after the other."""

    def __init__(
        self,
        trainer: Trainer,
        callbacks: keras.callbacks.CallbackList,
        keeper: CheckpointManager,
        interrupts: Interrupts,
    ) -> None:
        self._trainer, self._model, self._settings = trainer, trainer.model, trainer.experiment.train
        self._callbacks, self._keeper, self.interrupts = callbacks, keeper, interrupts

    def run(self, checkpoint: Checkpoint | None) -> dict[str, float]:
        """The epochs after `checkpoint`; the logs of the last one."""
        logs: dict[str, float] = {}
        first, start = (checkpoint.state.epoch, checkpoint.progress) if checkpoint else (0, START)
        if checkpoint and checkpoint.state.stopped:  # all that was missing is the end
            return logs
        self._keeper.keep(first, start, write=False)
        for epoch in range(first, self._settings.epochs):
            self._callbacks.on_epoch_begin(epoch)
            logs = self._train(epoch, start)
            start = START
            if validation := self._trainer.dataset.validation:
                logs |= _validate(self._trainer, validation, self._callbacks)
            if error := self._divergence(epoch, logs):
                self._keeper.write_last()
                raise error
            self._callbacks.on_epoch_end(epoch, logs)
            self._keeper.keep(epoch + 1)
            if self._model.stop_training:
                break
            if number := self.interrupts.asked():
                raise Stopped(number)
        return logs

    def _divergence(self, epoch: int, logs: dict[str, float]) -> Diverged | None:
        """The error where what the epoch's last step did is not finite."""
        validation = self._trainer.dataset.validation
        if validation and not math.isfinite(logs["val_loss"]):
            when = f"on the validation examples after epoch {epoch + 1}"
            return divergence.of_examples(self._trainer, validation, logs["val_loss"], when)
        return divergence.of_weights(self._trainer, epoch)

    def _train(self, epoch: int, start: Progress) -> dict[str, float]:
        """Train what is left of an epoch, or as much of it as callbacks let it go on; the means of what was trained."""
        engine = self._trainer.engine
        rates = _rates(self._model, self._settings, epoch, engine.steps_per_epoch)
        progress = start
        for progress in engine.epoch(epoch, rates, self._callbacks.on_train_batch_begin, start=start):
            self._callbacks.on_train_batch_end(progress.steps - 1, _logs(progress))
            if progress.diverged_at is not None:
                raise divergence.of_step(self._trainer, self._keeper, epoch, progress, rates)
            if self._model.stop_training:
                break
            if progress.steps < engine.steps_per_epoch:
                number = self.interrupts.asked()
                if number or self._keeper.is_due:
                    self._keeper.keep(epoch, progress)
                if number:
                    raise Stopped(number)
        return _logs(progress)


def _logs(progress: Progress) -> dict[str, float]:
    return {"accuracy": progress.accuracy, "loss": progress.loss}


def _build_metrics(model: keras.Model, loss: Loss) -> None:
    """Have the model name its metrics, as `fit` does before it calls a callback: by them it knows what is better.

    What labels look like tells Keras which accuracy is meant: numbers of classes, or one-hot for squared errors.
    """
    outputs = np.zeros((1, model.output_shape[-1]), np.float32)
    labels = np.zeros(1, np.int32) if isinstance(loss, CrossEntropy) else outputs
    model.compute_metrics(None, labels, outputs)
    model.reset_metrics()


def _validate(trainer: Trainer, examples: Examples, callbacks: keras.callbacks.CallbackList) -> dict[str, float]:
    callbacks.on_test_begin()
    callbacks.on_test_batch_begin(0)
    outcome = trainer.forward(examples)
    logs = {"accuracy": outcome.accuracy, "loss": outcome.loss}
    callbacks.on_test_batch_end(0, logs)
    callbacks.on_test_end(logs)
    measured = {f"val_{name}": value for name, value in logs.items()}
    return {**measured, BALANCED: outcome.balanced_accuracy} if BALANCED in trainer.columns else measured


def _rates(model: keras.Model, settings: Train, epoch: int, steps: int) -> NDArray[np.float32] | None:
    """The learning rate of every step, where the schedule has more than one an epoch."""
    if not schedules.changes_within_epochs(settings):
        return None
    return schedules.rates(settings, epoch, steps, float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)))

"""The epochs: the engine, validation, and Keras's callbacks around them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from cnnlab.errors import Diverged
from cnnlab.experiment.callbacks import EarlyStopping, StopAt, TensorBoard
from cnnlab.experiment.losses import CrossEntropy, Loss
from cnnlab.models.averages import averaged_weights, use_averages
from cnnlab.runs import Run
from cnnlab.training import divergence
from cnnlab.training.callbacks import schedules, user
from cnnlab.training.callbacks.early_stopping import ReportingEarlyStopping, TargetStopping, restored_epoch
from cnnlab.training.callbacks.metrics_table import BALANCED, UNMEASURED, MetricsTable
from cnnlab.training.callbacks.progress_bar import ProgressReport
from cnnlab.training.callbacks.tensorboard import Events
from cnnlab.training.engine.progress import START, Progress
from cnnlab.training.interrupts import Interrupts, Stopped
from cnnlab.training.resume.checkpoint import Checkpoint
from cnnlab.training.resume.manager import CheckpointManager
from cnnlab.training.trainer import Trainer

AfterEpoch = Callable[[Mapping[str, Any]], bool]
"""Called with each epoch's row of metrics.csv, on every worker; True ends the training."""


@dataclass(frozen=True)
class History:
    """What every epoch came to: the rows of metrics.csv. `epoch` is the one, from 1, whose weights the model has."""

    rows: Sequence[Mapping[str, Any]]
    epoch: int

    @property
    def results(self) -> dict[str, Any]:
        """The measurements of `epoch`."""
        return {column: value for column, value in self.rows[self.epoch - 1].items() if column not in UNMEASURED}

    @property
    def table(self) -> dict[str, list[float]]:
        """The rows by column; without columns that lack a value."""
        columns = {name: [row[name] for row in self.rows] for name in (self.rows[0] if self.rows else ())}
        return {name: values for name, values in columns.items() if None not in values}


def fit(
    trainer: Trainer,
    run: Run | None = None,
    *,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    checkpoint: Checkpoint | None = None,
    interrupts: Interrupts | None = None,
    console: Console | None = None,
    after_epoch: AfterEpoch = lambda row: False,
) -> History:
    """Train every epoch, or all that are left after `checkpoint`.

    Keras's callbacks are called as its own `fit` calls them; hooks of batches fire once per graph call. `callbacks` are
    a user's, by default those of the experiment. Without a `run` nothing is written.
    Raises Diverged where a loss is not finite, and Stopped, when the state is saved, where a signal asked for it.
    """
    if callbacks is None:
        callbacks = user.make(trainer.user_callbacks, run)
    loop = _Loop(trainer, run, callbacks, interrupts or Interrupts(), console)
    with user.attributed_errors(callbacks), loop.running(checkpoint):
        for epoch in loop.epochs(checkpoint):
            loop.callbacks.on_epoch_begin(epoch)
            rates = learning_rates(trainer, epoch)
            progress = start = loop.start
            before_call, size = loop.callbacks.on_train_batch_begin, trainer.size_in(epoch)
            for progress in trainer.engine.epoch(epoch, rates, before_call, size=size, start=start):
                loop.after_steps(epoch, progress, rates)
                if trainer.model.stop_training:
                    break
            loop.after_epoch(epoch, progress, after_epoch)
    return loop.history


def learning_rates(trainer: Trainer, epoch: int) -> NDArray[np.float32] | None:
    """The learning rate of every step, (steps,), where the schedule has more than one per epoch."""
    settings = trainer.experiment.train
    if not schedules.changes_within_epochs(settings):
        return None
    current = float(keras.ops.convert_to_numpy(trainer.model.optimizer.learning_rate))
    return schedules.rates(settings, epoch, trainer.engine.steps_per_epoch, current)


class _Loop:
    """The callbacks of a training, and what is done between graph calls and between epochs."""

    def __init__(
        self,
        trainer: Trainer,
        run: Run | None,
        user_callbacks: Sequence[keras.callbacks.Callback],
        interrupts: Interrupts,
        console: Console | None,
    ) -> None:
        settings, model = trainer.experiment.train, trainer.model
        self._trainer, self._model, self._settings, self._interrupts = trainer, model, settings, interrupts
        if user_callbacks or trainer.user_callbacks:  # on every worker: all create a variable together, or none does
            with trainer.strategy.scope():
                _build_metrics(model, settings.loss)
        table = MetricsTable(run, trainer.columns)
        report = [ProgressReport(console, table, len(trainer.dataset.train), settings.batch_size)] if console else []
        specs = settings.callbacks
        stops = [ReportingEarlyStopping(spec, console) for spec in specs if isinstance(spec, EarlyStopping)]
        targets = [TargetStopping(spec, console) for spec in specs if isinstance(spec, StopAt)]
        events = [Events(spec, trainer, run) for spec in specs if run and isinstance(spec, TensorBoard)]
        rates = schedules.callbacks(settings)
        self._table, self._stops = table, [*user_callbacks, *stops]
        self._closing: list[ProgressReport | Events] = [*report, *events]
        self._stateful = [*rates, *user_callbacks, *events, *stops]
        self.callbacks = keras.callbacks.CallbackList(
            [*rates, *user_callbacks, *events, table, *report, *stops, *targets],
            add_history=True,
            model=model,
            epochs=settings.epochs,
            steps=trainer.engine.steps_per_epoch,
            verbose=0,
        )
        self._manager = CheckpointManager(model, settings, table, self._stateful, run)
        self._logs: dict[str, float] = {}
        self.start = START
        """Where the next epoch begins."""

    @contextmanager
    def running(self, checkpoint: Checkpoint | None) -> Iterator[None]:
        """Begin and end the training, for all callbacks."""
        self._model.stop_training = False
        self.callbacks.on_train_begin()
        if checkpoint is None:
            self._trainer.check_start()
        else:
            checkpoint.restore(self._model, self._stateful, self._table, is_chief=self._trainer.is_chief)
        with ExitStack() as stack:
            for callback in self._closing:
                stack.callback(callback.close)
            with self._interrupts.deferred():
                yield
        use_averages(self._model)
        self.callbacks.on_train_end(self._logs)

    def epochs(self, checkpoint: Checkpoint | None) -> Iterator[int]:
        """The epochs to train, from 0."""
        first = 0
        if checkpoint:
            first, self.start = checkpoint.state.epoch, checkpoint.progress
            if checkpoint.state.stopped:  # only the end is missing
                return
        self._manager.save(first, self.start, write=False)
        for epoch in range(first, self._settings.epochs):
            yield epoch
            if self._model.stop_training:
                break
            if number := self._interrupts.requested():
                raise Stopped(number)

    def after_steps(self, epoch: int, progress: Progress, rates: NDArray[np.float32] | None) -> None:
        """After a graph call: callbacks, divergence, checkpoints within the epoch, signals."""
        self.callbacks.on_train_batch_end(progress.steps - 1, _logs(progress))
        if progress.diverged_at is not None:
            raise divergence.in_step(self._trainer, self._manager, epoch, progress, rates)
        if self._model.stop_training or progress.steps == self._trainer.engine.steps_per_epoch:
            return
        number = self._interrupts.requested()
        if number or self._manager.should_save:
            self._manager.save(epoch, progress)
        if number:
            raise Stopped(number)

    def after_epoch(self, epoch: int, progress: Progress, stops: AfterEpoch) -> None:
        """After an epoch, or as much of it as callbacks let pass: validation, divergence, callbacks, checkpoint."""
        self.start = START
        self._logs = _logs(progress) | self._validate()
        if error := self._divergence(epoch):
            self._manager.write_last()
            raise error
        self.callbacks.on_epoch_end(epoch, self._logs)
        if stops(self._table.rows[-1]):
            self._model.stop_training = True
        self._manager.save(epoch + 1)

    @property
    def history(self) -> History:
        """Of the epochs so far."""
        rows = self._table.rows
        return History(rows, restored_epoch(self._stops, len(rows)))

    def _validate(self) -> dict[str, float]:
        """The measurements of the validation examples, if there are any."""
        examples = self._trainer.dataset.validation
        if examples is None:
            return {}
        self.callbacks.on_test_begin()
        self.callbacks.on_test_batch_begin(0)
        with averaged_weights(self._model):
            outcome = self._trainer.forward(examples)
        logs = {"accuracy": outcome.accuracy, "loss": outcome.loss}
        self.callbacks.on_test_batch_end(0, logs)
        self.callbacks.on_test_end(logs)
        measured = {f"val_{name}": value for name, value in logs.items()}
        return {**measured, BALANCED: outcome.balanced_accuracy} if BALANCED in self._trainer.columns else measured

    def _divergence(self, epoch: int) -> Diverged | None:
        """The error where the last step of the epoch left numbers that are not finite."""
        validation = self._trainer.dataset.validation
        if validation and not math.isfinite(self._logs["val_loss"]):
            when = f"on the validation examples after epoch {epoch + 1}"
            return divergence.on_examples(self._trainer, validation, self._logs["val_loss"], when)
        return divergence.in_weights(self._trainer, epoch)


def _logs(progress: Progress) -> dict[str, float]:
    return {"accuracy": progress.accuracy, "loss": progress.loss}


def _build_metrics(model: keras.Model, loss: Loss) -> None:
    """Have the model name its metrics, as `fit` does before it calls a callback: callbacks ask it for them.

    The labels tell Keras which accuracy is meant: class numbers, or one-hot for squared errors.
    """
    outputs = np.zeros((1, model.output_shape[-1]), np.float32)
    labels = np.zeros(1, np.int32) if isinstance(loss, CrossEntropy) else outputs
    model.compute_metrics(None, labels, outputs)
    model.reset_metrics()

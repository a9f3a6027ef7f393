"""The compiled epoch: data resident on every device, many steps in one graph call.

Where Keras's `fit` goes through Python for every batch, here a `tf.while_loop` shuffles, gathers, casts, and runs
forward, backward and update for as many steps as take about half a second.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.experiment.losses import Loss, SumOfSquares
from cnnlab.models.inference import to_input
from cnnlab.models.losses import loss_function

SECONDS_PER_CALL = 0.5  # often enough for a progress bar and for Ctrl-C, seldom enough to cost nothing


@dataclass(frozen=True)
class Progress:
    """How far an epoch is: steps and examples so far, and their mean loss and accuracy while the weights changed."""

    steps: int
    examples: int
    loss: float
    accuracy: float


class Engine:
    """Trains `model` with its optimizer on resident examples, under the strategy that both were made in.

    `batch_size` is global. In every epoch each example counts exactly once: the last batch is as short as it is, every
    batch is divided evenly over the replicas, and its gradient is the mean over its examples wherever they lie (for
    `sum_of_squares` their sum). What regularizers add is trained on, but is no part of the loss that is reported.
    """

    def __init__(self, model: keras.Model, loss: Loss, examples: Examples, *, batch_size: int, seed: int) -> None:
        self._model = model
        self._loss = loss_function(loss)
        self._sums_over_batch = isinstance(loss, SumOfSquares)
        self._strategy = tf.distribute.get_strategy()
        self._batch_size = min(batch_size, len(examples))
        self._seed = seed
        self._size = len(examples)
        self.steps_per_epoch = -(-len(examples) // self._batch_size)
        self._images = self._resident(examples.images)
        self._labels = self._resident(examples.labels)
        self._steps_per_call = 0  # not known before the first call, which also traces
        self._run_steps = tf.function(self._steps)

    def epoch(self, epoch: int, rates: NDArray[np.float32] | None = None) -> Iterator[Progress]:
        """Train one epoch, yielding after every graph call.

        `rates` (steps,) are the learning rates of the steps, where they are not all the optimizer's.
        The order of the examples depends on the seed and `epoch` alone, so that an epoch can be repeated by itself.
        """
        order = tf.random.experimental.stateless_shuffle(
            tf.range(self._size), tf.constant([self._seed, epoch], tf.int64)
        )
        # The sums travel through the calls, so that they are added up in one order however the steps are divided.
        loss_sum, correct = tf.constant(0.0, tf.float64), tf.constant(0)
        step = 0
        step_rates = None if rates is None else tf.constant(rates)
        while step < self.steps_per_epoch:
            until = min(step + max(self._steps_per_call, 1), self.steps_per_epoch)
            started = time.perf_counter()
            loss_sum, correct = self._run_steps(
                order, tf.constant(step), tf.constant(until), loss_sum, correct, step_rates
            )
            examples = min(until * self._batch_size, self._size)
            progress = Progress(until, examples, float(loss_sum) / examples, int(correct) / examples)
            self._resize_call(until - step, time.perf_counter() - started)
            step = until
            yield progress

    def _resident(self, array: object) -> object:
        """A copy of `array` on every replica."""
        return self._strategy.experimental_distribute_values_from_function(lambda _: tf.convert_to_tensor(array))

    def _resize_call(self, steps: int, seconds: float) -> None:
        if self._steps_per_call == 0:
            self._steps_per_call = 4  # the call that traced says nothing of speed; the next few steps do
        else:
            self._steps_per_call = max(1, round(steps * SECONDS_PER_CALL / seconds))

    def _steps(
        self,
        order: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
        loss_sum: tf.Tensor,
        correct: tf.Tensor,
        rates: tf.Tensor | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        for step in tf.range(first, last):
            if rates is not None:
                self._model.optimizer.learning_rate.assign(rates[step])
            begin = step * self._batch_size
            batch = order[begin : tf.minimum(begin + self._batch_size, self._size)]
            results = self._strategy.run(self._replica_step, (batch, self._images, self._labels))
            batch_loss, batch_correct = self._strategy.reduce(tf.distribute.ReduceOp.SUM, results, axis=None)
            loss_sum += batch_loss
            correct += batch_correct
        return loss_sum, correct

    def _replica_step(self, batch: tf.Tensor, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """One update from this replica's share of the batch, an even part of the indices `batch`."""
        share, counts = _share_of(batch)
        images, labels = tf.gather(images, share), tf.gather(labels, share)
        with tf.GradientTape() as tape:
            outputs = self._model(to_input(images), training=True)
            losses = self._loss(labels, outputs)
            if counts is not None:
                losses = tf.where(counts, losses, tf.zeros_like(losses))
            loss = tf.reduce_sum(losses)
            # Divided by what is global: the optimizer adds up the replicas' gradients.
            if not self._sums_over_batch:
                loss /= tf.cast(tf.shape(batch)[0], losses.dtype)
            if self._model.losses:
                loss += tf.add_n(self._model.losses) / self._strategy.num_replicas_in_sync
        variables = self._model.trainable_variables
        self._model.optimizer.apply(tape.gradient(loss, variables), variables)
        correct = tf.argmax(outputs, axis=-1, output_type=tf.int32) == labels
        if counts is not None:
            correct &= counts
        return tf.reduce_sum(tf.cast(losses, tf.float64)), tf.reduce_sum(tf.cast(correct, tf.int32))


def _share_of(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
    """This replica's even part of the indices `batch`, and which of them count; None where all do."""
    context = tf.distribute.get_replica_context()
    replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    if replicas == 1:
        return batch, None
    size = tf.shape(batch)[0]
    begin, end = replica * size // replicas, (replica + 1) * size // replicas
    # A last batch smaller than the replicas leaves some without an example, and TensorFlow's kernels fail on empty
    # batches: such a replica computes one that counts for nothing.
    share = tf.range(begin, tf.maximum(end, begin + 1))
    return tf.gather(batch, share), share < end

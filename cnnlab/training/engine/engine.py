"""The compiled epoch: many steps per graph call, on images that are resident on every device or streamed.

Where Keras's `fit` goes through Python for every batch, here a `tf.while_loop` shuffles, gathers, casts, augments, and
runs forward, backward and update for as many steps as take about half a second.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.data.dataset import Images
from cnnlab.errors import DataError
from cnnlab.experiment.adversarial import Adversarial
from cnnlab.experiment.augmentation import Augmentation
from cnnlab.experiment.losses import Loss, SumOfSquares
from cnnlab.experiment.progressive_resizing import ImageSize
from cnnlab.models.attacks import perturb, random_start
from cnnlab.models.augmentation import Augmenter
from cnnlab.models.cpu_kernels import use_fast_kernels
from cnnlab.models.graph import compiled
from cnnlab.models.inference import to_input
from cnnlab.models.losses import LossFunction, loss_function, weighted
from cnnlab.models.resizing import resized
from cnnlab.training.distribution import devices
from cnnlab.training.engine.batch import order_of
from cnnlab.training.engine.frozen import FrozenPart
from cnnlab.training.engine.input_pipeline import as_tensor, batches, resident
from cnnlab.training.engine.progress import START, Progress

SECONDS_PER_CALL = 0.5  # often enough for a progress bar and for Ctrl-C, seldom enough to cost nothing


class Engine:
    """Trains `model` with its optimizer on examples, under the strategy that both were made in.

    `batch_size` is global. In every epoch each example counts exactly once: the last batch may be shorter, every
    batch is divided evenly over the replicas, and its gradient is the mean over its examples wherever they lie (for
    `sum_of_squares` their sum). `class_weights` (classes,) multiply the losses that the gradient is of, and the mean
    is still over the number of examples, as in Keras. Neither they nor what regularizers add is part of the loss that
    is reported, which thus compares with that of validation. With `adversarial`, both are those of perturbed images.
    `resident` and `streamed` images give the same numbers. The outputs of a `frozen` part of the network are computed
    once, before the first epoch, and take the place of the images, which then must not change. With `jit`, XLA
    compiles the forward and backward pass; on a CPU as one device, where images are not changed, the whole step.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Loss,
        examples: Examples,
        *,
        batch_size: int,
        seed: int,
        augmentation: Sequence[Augmentation] = (),
        class_weights: NDArray[np.float32] | None = None,
        adversarial: Adversarial | None = None,
        placement: Literal["resident", "streamed"] = "resident",
        frozen: FrozenPart | None = None,
        jit: bool = False,
    ) -> None:
        self._model = model
        self._frozen = frozen
        self._networks: dict[ImageSize | None, keras.Model] = {None: frozen.head if frozen else model}
        """What computes the outputs, by the size of its images; None where they keep theirs."""
        self._examples = examples
        self._augmenter = Augmenter(augmentation)
        self._adversarial = adversarial
        self._loss = loss_function(loss)
        self._weighted_loss = weighted(self._loss, class_weights)
        self._sums_over_batch = isinstance(loss, SumOfSquares)
        self._strategy = tf.distribute.get_strategy()
        self._batch_size = min(batch_size, len(examples))
        self._seed = seed
        self._size = len(examples)
        self.steps_per_epoch = -(-len(examples) // self._batch_size)
        self._is_resident = placement == "resident"
        self._images: object | None = None
        """What every replica has of the images, or of the outputs of the frozen part; None where it is streamed."""
        self._streamed: Images | NDArray[np.float32] | None = None
        if frozen is None and self._is_resident:
            self._images = self._on_every_replica(resident(examples))
        elif frozen is None:
            self._streamed = examples.images
        self._labels = self._on_every_replica(tf.convert_to_tensor(examples.labels))
        self._last_size: ImageSize | None = None
        self._steps_per_call = 0  # not known before the first call of a size, which also traces
        self._run_steps = compiled(self._steps)
        self.uses_xla = jit
        if not jit and devices.has_only_cpus():  # not tried elsewhere
            use_fast_kernels(model)
        # Not tried on a GPU; on several replicas an update waits for the others, which XLA cannot.
        is_one_cpu = self._strategy.num_replicas_in_sync == 1 and devices.has_only_cpus()
        compiles_step = jit and is_one_cpu and not augmentation and adversarial is None
        self._step = compiled(self._replica_step, jit=True) if compiles_step else self._replica_step
        compiles_gradients = jit and not compiles_step
        self._gradients = compiled(self._compute_gradients, jit=True) if compiles_gradients else self._compute_gradients

    def with_seed(self, seed: int) -> Self:
        """This engine, with its compiled graph, drawing order and augmentation from another seed."""
        other = copy.copy(self)
        other._seed = seed
        if self._frozen:
            other._images = other._streamed = None  # of other weights
        return other

    def epoch(
        self,
        epoch: int,
        rates: NDArray[np.float32] | None = None,
        before_call: Callable[[int], object] = lambda step: None,
        *,
        size: ImageSize | None = None,
        start: Progress = START,
        steps: int | None = None,
        steps_per_call: int | None = None,
    ) -> Iterator[Progress]:
        """Train one epoch, yielding after every graph call; `before_call` hears each one's first step, from 0.

        `rates` (steps,) are the learning rates of the steps, where they are not all the optimizer's.
        Images are resized to `size`, (height, width), if it is given.
        An epoch continues at `start`, and may end after `steps`. A graph call is as many steps as take about half a
        second, unless `steps_per_call` says how many.
        Raises DataError where streamed images can no longer be read.
        The order of the examples depends on the seed and `epoch` alone, so that an epoch can be repeated by itself.
        """
        end = self.steps_per_epoch if steps is None else steps
        if size is not None and size not in self._networks:
            self._networks[size] = resized(self._model, size)
        if size != self._last_size:
            self._last_size, self._steps_per_call = size, 0
        order = order_of(self._size, self._seed, epoch)
        draws = self._augmenter.draws(self._size, self._seed, epoch)
        key = tf.constant([self._seed, epoch], tf.int64)
        strength = tf.constant(self._adversarial.strength(epoch) if self._adversarial else 0.0)
        stream = None
        failures: list[DataError] = []
        if self._frozen and self._images is None and self._streamed is None:
            self._compute_features(self._frozen)
        if self._streamed is not None:
            rest = order.numpy()[start.steps * self._batch_size :]
            stream = iter(batches(self._streamed, rest, self._batch_size, failures))
        # The sums travel through the calls, so that they are added up in one order however the steps are divided.
        sums = tf.constant(start.sums, tf.float64)
        diverged_at = tf.constant(-1)
        step = start.steps
        step_rates = None if rates is None else tf.constant(rates)
        while step < end:
            until = min(step + (steps_per_call or max(self._steps_per_call, 1)), end)
            before_call(step)
            started = time.perf_counter()
            try:
                sums, diverged_at = self._run_steps(
                    order,
                    tf.constant(step),
                    tf.constant(until),
                    sums,
                    diverged_at,
                    step_rates,
                    draws,
                    (key, strength),
                    (self._images, self._labels),
                    stream,
                    size,
                )
            except tf.errors.OpError:
                if failures:
                    raise failures[0] from None
                raise
            examples = min(until * self._batch_size, self._size)
            first = int(diverged_at.numpy())
            losses, correct = sums.numpy().tolist()
            progress = Progress(until, examples, (losses, correct), None if first < 0 else first)
            if steps_per_call is None:
                self._resize_call(until - step, time.perf_counter() - started)
            step = until
            yield progress

    def _compute_features(self, frozen: FrozenPart) -> None:
        """The outputs of the frozen part: only before the first epoch are the weights of a checkpoint restored."""
        features = frozen.compute(self._examples, resident=self._is_resident)
        if self._is_resident:
            self._images = self._on_every_replica(as_tensor(features))
        else:
            self._streamed = features

    def _on_every_replica(self, tensor: tf.Tensor) -> object:
        """`tensor` on the device of every replica; the same memory where it is there already."""
        if tf.distribute.has_strategy():
            names = self._strategy.extended.worker_devices  # of this worker
        else:
            names = [device.name for kind in ("GPU", "CPU") for device in tf.config.list_logical_devices(kind)]

        remaining = iter(names)

        def copy(context: tf.distribute.experimental.ValueContext) -> tf.Tensor:
            with tf.device(next(remaining)):
                return tf.identity(tensor)

        return self._strategy.experimental_distribute_values_from_function(copy)

    def _resize_call(self, steps: int, seconds: float) -> None:
        # Workers must agree: a collective operation waits for the same step of the same call of all others.
        seconds = devices.mean_of_workers(self._strategy, seconds)
        if self._steps_per_call == 0:
            self._steps_per_call = 4  # the call that traced says nothing of speed; the next few steps do
        else:
            self._steps_per_call = max(1, round(steps * SECONDS_PER_CALL / seconds))

    def _steps(
        self,
        order: tf.Tensor,
        first: tf.Tensor,
        last: tf.Tensor,
        sums: tf.Tensor,
        diverged_at: tf.Tensor,
        rates: tf.Tensor | None,
        draws: tf.Tensor | None,
        attack: tuple[tf.Tensor, tf.Tensor],
        examples: tuple[tf.Tensor | None, tf.Tensor],
        stream: tf.data.Iterator | None,
        size: ImageSize | None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # The examples are arguments: what a graph captures lives as long as it does, and TensorFlow never frees the
        # bodies of its loops.
        resident_images, labels = examples

        def one(step: tf.Tensor, sums: tf.Tensor, diverged_at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            if rates is not None:
                self._model.optimizer.learning_rate.assign(rates[step])
            begin = step * self._batch_size
            batch = order[begin : tf.minimum(begin + self._batch_size, self._size)]
            if stream is None:
                images, places = resident_images, batch
            else:  # the batch itself, not all images
                images, places = stream.get_next(), tf.range(tf.shape(batch)[0])
            replica_sums = self._strategy.run(self._step, (batch, places, images, labels, draws, attack, size))
            step_sums = self._strategy.reduce(tf.distribute.ReduceOp.SUM, replica_sums, axis=None)
            diverges = (diverged_at < 0) & ~tf.math.is_finite(step_sums[0])
            return step + 1, sums + step_sums, tf.where(diverges, step, diverged_at)

        _, sums, diverged_at = tf.while_loop(lambda step, *_: step < last, one, (first, sums, diverged_at))
        return sums, diverged_at

    def _replica_step(
        self,
        batch: tf.Tensor,
        places: tf.Tensor,
        images: tf.Tensor,
        labels: tf.Tensor,
        draws: tf.Tensor | None,
        attack: tuple[tf.Tensor, tf.Tensor],
        size: ImageSize | None,
    ) -> tf.Tensor:
        """One update from this replica's share of the batch, an even part of it; the sums over that, (2,) float64.

        `batch` are the examples' numbers, `places` their indices in `images`, `attack` the seed (2,) and
        the strength of the epoch's perturbations.
        """
        positions, counts = _share_of(batch, may_be_one=1 in (self._batch_size, self._size % self._batch_size))

        def pick(positions: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
            """Inputs of the network, their labels and their random numbers."""
            numbers = batch if positions is None else tf.gather(batch, positions)
            inputs = tf.gather(images, places if positions is None else tf.gather(places, positions))
            if self._frozen is None:
                inputs = to_input(inputs)
            if draws is None:
                return inputs, tf.gather(labels, numbers), None
            batch_draws = tf.gather(draws, numbers)
            return self._augmenter(inputs, batch_draws), tf.gather(labels, numbers), batch_draws

        inputs, batch_labels, batch_draws = pick(positions)
        part = partner_labels = None
        if self._augmenter.mixes:
            # The first of the batch with the last, and so on: the order is random already.
            partners = tf.range(tf.shape(batch)[0]) if positions is None else positions
            others, partner_labels, _ = pick(tf.shape(batch)[0] - 1 - partners)
            inputs, part = self._augmenter.mix(inputs, others, batch_draws)
        if self._adversarial is not None:
            key, strength = attack
            start = self._starts(batch, positions, inputs, key)
            inputs = self._perturbed(
                self._networks[size], self._adversarial, strength, inputs, start, batch_labels, part, partner_labels
            )
        gradients, losses, correct = self._gradients(
            inputs, batch_labels, part, partner_labels, counts, tf.shape(batch)[0], size
        )
        self._model.optimizer.apply(gradients, self._model.trainable_variables)
        return tf.reduce_sum(tf.cast([losses, tf.cast(correct, tf.float32)], tf.float64), axis=1)

    def _starts(self, batch: tf.Tensor, positions: tf.Tensor | None, inputs: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Where the search for perturbations begins, in units of epsilon; the same on any number of replicas."""
        if self._adversarial is None or not self._adversarial.random_start:
            return tf.zeros_like(inputs)
        shape = tf.concat([tf.shape(batch), tf.shape(inputs)[1:]], axis=0)
        seed = tf.random.experimental.stateless_fold_in(key, tf.cast(batch[0], tf.int64) + len(self._examples))
        starts = random_start(shape, seed, self._adversarial.norm)
        return starts if positions is None else tf.gather(starts, positions)

    def _perturbed(
        self,
        network: keras.Model,
        adversarial: Adversarial,
        strength: tf.Tensor,
        inputs: tf.Tensor,
        start: tf.Tensor,
        labels: tf.Tensor,
        part: tf.Tensor | None,
        partner_labels: tf.Tensor | None,
    ) -> tf.Tensor:
        """The inputs, perturbed so that the loss of `network` in inference mode is large."""

        def losses(images: tf.Tensor) -> tf.Tensor:
            outputs = tf.cast(network(images, training=False), tf.float32)
            # Scaled as for training: gradients of 16 bits would vanish.
            return self._model.optimizer.scale_loss(self._losses(self._loss, outputs, labels, part, partner_labels))

        size = tf.shape(inputs)[:1]
        return perturb(
            losses,
            inputs,
            start,
            epsilon=tf.fill(size, strength * adversarial.epsilon),
            step_size=tf.fill(size, strength * adversarial.step),
            steps=adversarial.steps,
            norm=adversarial.norm,
        )

    @staticmethod
    def _losses(
        loss_of: LossFunction,
        outputs: tf.Tensor,
        labels: tf.Tensor,
        part: tf.Tensor | None,
        partner_labels: tf.Tensor | None,
    ) -> tf.Tensor:
        """The loss of each example, whose label is in part its partner's."""
        losses = loss_of(labels, outputs)
        return losses if part is None else part * losses + (1 - part) * loss_of(partner_labels, outputs)

    def _compute_gradients(
        self,
        inputs: tf.Tensor,
        labels: tf.Tensor,
        part: tf.Tensor | None,
        partner_labels: tf.Tensor | None,
        counts: tf.Tensor | None,
        batch_size: tf.Tensor,
        size: ImageSize | None,
    ) -> tuple[list[tf.Tensor], tf.Tensor, tf.Tensor]:
        """This replica's share of the gradients, and of each example its loss and whether it is predicted right.

        `part` of each label is `labels`, the rest `partner_labels`; an example that does not count has no loss.
        `batch_size` is global.
        """
        with tf.GradientTape() as tape:
            outputs = tf.cast(self._networks[size](inputs, training=True), tf.float32)

            def of_examples(loss_of: LossFunction) -> tf.Tensor:
                losses = self._losses(loss_of, outputs, labels, part, partner_labels)
                return losses if counts is None else tf.where(counts, losses, tf.zeros_like(losses))

            losses = of_examples(self._loss)
            is_weighted = self._weighted_loss is not self._loss
            loss = tf.reduce_sum(of_examples(self._weighted_loss) if is_weighted else losses)
            # Divided by what is global: the optimizer adds up the replicas' gradients.
            if not self._sums_over_batch:
                loss /= tf.cast(batch_size, losses.dtype)
            if self._model.losses:
                loss += tf.add_n(self._model.losses) / self._strategy.num_replicas_in_sync
            loss = self._model.optimizer.scale_loss(loss)
        gradients = tape.gradient(loss, self._model.trainable_variables)
        # An image mixed with a larger part of another one counts as that.
        main = labels if part is None else tf.where(part < 0.5, partner_labels, labels)
        correct = tf.argmax(outputs, axis=-1, output_type=tf.int32) == main
        if counts is not None:
            correct &= counts
        return self._agreeing(gradients), losses, correct

    def _agreeing(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """`gradients` as they are or, where loss scaling made some overflow on any replica, NaN on all.

        A step is skipped where its gradients overflow, and Keras asks only the first replica.
        """
        if not isinstance(self._model.optimizer, keras.optimizers.LossScaleOptimizer):
            return gradients
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync == 1:
            return gradients
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])
        overflows = context.all_reduce(tf.distribute.ReduceOp.SUM, tf.cast(~finite, tf.float32))
        return [tf.where(overflows > 0, tf.constant(np.nan), gradient) for gradient in gradients]


def _share_of(batch: tf.Tensor, *, may_be_one: bool) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """This replica's even part of the positions in `batch`, and which of them count; None where all are and do.

    At least two, since TensorFlow's kernels fail on empty batches, and oneDNN's gradient by a kernel of 1×1 with
    strides corrupts memory for a batch of one (TensorFlow 2.21): what is added is the first one again, and counts for
    nothing. `may_be_one`: whether there are batches of a single example.
    """
    context = tf.distribute.get_replica_context()
    replica, replicas = context.replica_id_in_sync_group, context.num_replicas_in_sync
    if replicas == 1 and not may_be_one:
        return None, None
    size = tf.shape(batch)[0]
    begin, end = replica * size // replicas, (replica + 1) * size // replicas
    share = tf.range(begin, tf.maximum(end, begin + 2))
    counts = share < end
    return tf.where(counts, share, tf.minimum(begin, size - 1)), counts

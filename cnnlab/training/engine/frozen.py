"""The frozen beginning of a network, whose outputs are computed once for all training examples."""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.data.locate import cache_folder
from cnnlab.errors import DataError
from cnnlab.experiment.layers.base import values_in
from cnnlab.experiment.layers.elementwise import Dropout
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import Line, summarize_experiment
from cnnlab.models.graph import compiled
from cnnlab.models.inference import BATCH_BYTES, BATCH_SIZE, to_input
from cnnlab.models.inspection import output_in
from cnnlab.training.engine.input_pipeline import aligned

BYTES = 4  # of a feature
MAX_TIMES_IMAGE = 16  # larger features than so many times their image's uint8 cost more memory than they save time


@dataclass(frozen=True)
class FrozenPart:
    """A network in two parts: `features`, up to the layer `last`, which does not change, and `head`, which is trained.

    Both share the layers of the network.
    """

    last: str
    features: keras.Model
    head: keras.Model

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the features of one example."""
        return tuple(self.features.output_shape[1:])

    def nbytes(self, examples: int) -> int:
        """What the features of so many examples take."""
        return BYTES * examples * math.prod(self.shape)

    def compute(self, examples: Examples, *, resident: bool) -> NDArray[np.float32]:
        """The features of all examples, (n, *shape) float32: in memory, or mapped from a temporary file.

        Raises DataError where that cannot be written.
        """
        shape = (len(examples), *self.shape)
        if not resident:
            return self._in_file(examples, shape)
        found = aligned(shape, np.float32)
        begin = 0
        for features in self._batches(examples):
            found[begin : begin + len(features)] = features
            begin += len(features)
        return found

    def _in_file(self, examples: Examples, shape: tuple[int, ...]) -> NDArray[np.float32]:
        folder = cache_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                for features in self._batches(examples):
                    file.write(features.tobytes())
                file.flush()
                return np.memmap(file, np.float32, "r", shape=shape)
        except OSError as error:
            size = f"{self.nbytes(len(examples)) / 1e6:,.1f} MB"
            raise DataError(f"{folder}: no file of {size} for the outputs of {self.last}: {error.strerror}") from None

    def _batches(self, examples: Examples) -> Iterator[NDArray[np.float32]]:
        """In inference mode and in the order of the examples, so that each is always computed in the same batch."""
        image_shape = self.features.input_shape[1:]
        size = max(1, min(BATCH_SIZE, BATCH_BYTES // (BYTES * math.prod(image_shape))))
        specification = tf.TensorSpec([None, *image_shape], tf.uint8)
        run = compiled(
            lambda images: tf.cast(self.features(to_input(images), training=False), tf.float32), [specification]
        )
        for part in examples.chunks(multiple=size):
            images = examples.images[part]
            for begin in range(0, len(images), size):
                yield _at_least_two(run, images[begin : begin + size])


def _at_least_two(run: Callable[[tf.Tensor], tf.Tensor], batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """As training does: oneDNN's kernels for a batch of one are others."""
    twice = np.repeat(batch, 2, axis=0) if len(batch) == 1 else batch
    features: NDArray[np.float32] = run(tf.constant(twice)).numpy()
    return features[: len(batch)]


def choose_frozen(model: keras.Model, experiment: Experiment) -> tuple[FrozenPart | None, str]:
    """The part of the network whose outputs are computed once, if there is one, and the line that says so or why not.

    The line is empty where the network does not begin with a frozen layer. The choice depends on the experiment alone,
    not on the memory of the machine: a run that is resumed elsewhere makes the same one.
    """
    names = {layer.name for layer in model.layers}
    prefix = [line for line in frozen_prefix(summarize_experiment(experiment).lines) if line.place.name in names]
    if not prefix:
        return None, ""
    limit = MAX_TIMES_IMAGE * values_in(prefix[0].input_shape) // BYTES
    first = next(number for number, line in enumerate(prefix) if line.is_frozen)
    last = next((line for line in reversed(prefix[first:]) if values_in(line.output_shape) <= limit), None)
    reason = _why_not(experiment)
    if last is None or reason:
        reason = reason or f"they take more than {MAX_TIMES_IMAGE} times the memory of the images"
        return None, f"frozen up to {prefix[-1].place.name}: its outputs are computed in every step, since {reason}"
    name = last.place.name
    features = output_in(model.get_layer(name))
    part = FrozenPart(name, keras.Model(model.input, features), keras.Model(features, model.output))
    shape = " × ".join(map(str, part.shape))
    return part, f"frozen up to {name}: its outputs, {shape} per example, are computed once, before the first epoch"


def frozen_prefix(lines: Sequence[Line]) -> list[Line]:
    """The lines at the beginning whose outputs training does not change; empty where none of them is frozen.

    Layers inside blocks are not divided: a block begins where the path in the experiment is longer.
    """
    prefix: list[Line] = []
    for line in lines:
        is_inside = len(line.place.path) > 4  # ("model", "layers", 3, "conv2d")
        changes = isinstance(line.spec, Dropout) or (line.cost.parameters > 0 and not line.is_frozen)
        if is_inside or changes:
            break
        prefix.append(line)
    return prefix if any(line.is_frozen for line in prefix) else []


def _why_not(experiment: Experiment) -> str | None:
    """Why the outputs of frozen layers cannot be computed once; None where they can."""
    if experiment.preprocessing.augmentation:
        return "augmentation changes the images in every epoch"
    if experiment.train.adversarial:
        return "adversarial training changes the images in every step"
    if experiment.train.progressive_resizing:
        return "progressive resizing changes the size of the images"
    return None

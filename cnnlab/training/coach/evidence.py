"""What a training shows of itself, measured where a diagnosis asks for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from keras.layers import Layer, ReLU
from numpy.typing import NDArray

from cnnlab.data import Examples
from cnnlab.data.balance import is_imbalanced
from cnnlab.experiment.layers.base import Weighted
from cnnlab.experiment.schema import Train
from cnnlab.experiment.summary import BYTES, Line, Summary
from cnnlab.models.inference import Outcome, to_input
from cnnlab.models.inspection import output_in
from cnnlab.paths import show_path
from cnnlab.training.trainer import Trainer

MAX_MEASURED_EXAMPLES = 2048  # training examples at most, in inference mode
MAX_INSPECTED_EXAMPLES = 256  # training examples whose activations are looked at
MAX_INSPECTED_BYTES = 1 << 27  # of these and their images: fewer of large ones
COPIES = 3  # of an image as float32, beside the activations
CHANCE_STDS = 3  # standard deviations above chance
MIN_LEARNED_ACCURACY = (
    0.9  # balanced accuracy on the training split, above which no cause is looked for in network or optimizer
)
ACCURACY_GAP = 0.05  # of accuracies
MAX_STD_RATIO = 10  # times He's standard deviation, or less than it by as much
ACTIVATION_BOUNDS = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}

Table = Mapping[str, Sequence[float]]
"""The table of epochs, by column."""
Finding = tuple[str, Sequence[str]]
"""What is seen, and what `--set` takes to make it better."""


@dataclass(frozen=True)
class Evidence:
    """A trained network and its table of epochs.

    `results` are those of the epoch whose weights it has; `held_out` is what it makes of the validation split, else of
    the test split, None where there is neither or it is not to be looked at.
    """

    trainer: Trainer
    table: Table
    results: Mapping[str, Any]
    held_out: Outcome | None
    config: str
    """The path of the complete experiment."""

    @property
    def train(self) -> Train:
        """How it was trained."""
        return self.trainer.experiment.train

    @property
    def losses(self) -> Sequence[float]:
        """Of training, one per epoch."""
        return self.table.get("loss", [])

    @property
    def shows_what_is_minimized(self) -> bool:
        """Whether losses and accuracies of the table are those of the objective: they leave class weights out."""
        return self.train.class_weights is None

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return len(self.losses) * math.ceil(len(self.trainer.dataset.train) / self.train.batch_size)

    @property
    def summary(self) -> Summary:
        """The network as the experiment describes it."""
        return self.trainer.summary

    @property
    def lines(self) -> tuple[Line, ...]:
        """The network's layers, with their places in the experiment."""
        return self.summary.lines

    @cached_property
    def weighted(self) -> dict[str, Line]:
        """The layers with a kernel that is trained, by their key in the experiment."""
        trained = [line for line in self.lines if isinstance(line.spec, Weighted) and not line.is_frozen]
        found = {show_path(line.place.path): line for line in trained}
        return {path: line for path, line in found.items() if path.endswith(f".{line.spec.kind}")}  # type: ignore[union-attr]

    @cached_property
    def training(self) -> Outcome:
        """What it makes of the training split, or of a part of that, in inference mode."""
        return self.trainer.forward(self._sample(MAX_MEASURED_EXAMPLES))

    @property
    def has_learned(self) -> bool:
        """Whether it does well on the training split, which no fault of the network or the optimizer lets it."""
        return self.training.balanced_accuracy >= MIN_LEARNED_ACCURACY

    @property
    def late_fall(self) -> float:
        """How much of what the training loss fell was in the last fifth of the epochs."""
        whole = self.losses[0] - self.losses[-1] if self.losses else 0.0
        return (self.losses[-1 - len(self.losses) // 5] - self.losses[-1]) / whole if whole > 0 else 0.0

    @property
    def training_mode_accuracy(self) -> float:
        """Of the training split while it was trained."""
        return float(self.results["accuracy"])

    @property
    def judged(self) -> Outcome:
        """The outcome that the network is judged by."""
        return self.training if self.held_out is None else self.held_out

    @cached_property
    def class_counts(self) -> NDArray[np.intp]:
        """Of the training split, (classes,)."""
        dataset = self.trainer.dataset
        return np.bincount(dataset.train.labels, minlength=dataset.num_classes)

    @property
    def is_imbalanced(self) -> bool:
        """Whether accuracy alone misleads."""
        return is_imbalanced(self.class_counts)

    @cached_property
    def activations(self) -> dict[str, NDArray[np.float32]]:
        """The output of each layer for some training examples, by its name; the image as `image`."""
        outputs = self.trainer.inspector.outputs(to_input(tf.constant(self._inspected.images[:])))
        return {name: np.asarray(tf.cast(output, tf.float32)) for name, output in outputs.items()}

    @property
    def penalty(self) -> float:
        """What the regularizers add to the loss."""
        return float(tf.add_n(self.trainer.model.losses)) if self.trainer.model.losses else 0.0

    def layer(self, line: Line) -> Layer:
        """The built layer."""
        return self.trainer.model.get_layer(line.place.name)

    def input_of(self, line: Line) -> NDArray[np.float32]:
        """What the layer gets of some training examples."""
        wanted = self.layer(line).input
        return next(self.activations[layer.name] for layer in self.trainer.model.layers if output_in(layer) is wanted)

    def spread(self, line: Line) -> tuple[float, float]:
        """The standard deviation of a layer's kernel, and that of He's initializer for it."""
        kernel = np.asarray(self.layer(line).kernel)
        return float(kernel.std()), math.sqrt(2 / math.prod(kernel.shape[:-1]))

    def gradient(self, name: str) -> float:
        """The root mean square of the gradient of a layer's kernel, of some training examples."""
        return float(np.sqrt(np.mean(np.asarray(self._gradients[f"{name}/kernel"]) ** 2)))

    @cached_property
    def _gradients(self) -> dict[str, tf.Tensor]:
        images = to_input(tf.constant(self._inspected.images[:]))
        return self.trainer.inspector.gradients(images, tf.constant(self._inspected.labels)).weights

    @cached_property
    def _inspected(self) -> Examples:
        image_bytes = COPIES * BYTES * math.prod(self.trainer.dataset.image_shape)
        example_bytes = self.summary.activation_bytes(1) + image_bytes
        return self._sample(max(1, min(MAX_INSPECTED_EXAMPLES, MAX_INSPECTED_BYTES // example_bytes)))

    def _sample(self, most: int) -> Examples:
        """Training examples, evenly from all of them: they may be in the order of their classes."""
        train = self.trainer.dataset.train
        return train.take(np.linspace(0, len(train) - 1, min(most, len(train))).astype(np.int64))


def is_at_chance(outcome: Outcome) -> bool:
    """Whether the predictions have as little to do with the labels as if they were made without the images.

    Then a class is found as often as it is predicted at all, and the balanced accuracy is one part in the number of
    classes, but for how far chance moves it. Unlike accuracy it cannot be raised by answering with the commonest class.
    """
    counts = np.bincount(outcome.labels, minlength=outcome.scores.shape[1])
    present = counts > 0
    rates = np.bincount(outcome.predictions, minlength=len(counts)) / len(outcome.labels)
    classes = int(present.sum())
    variance = np.sum((rates * (1 - rates))[present] / counts[present]) / classes**2
    return classes > 1 and outcome.balanced_accuracy <= 1 / classes + CHANCE_STDS * math.sqrt(variance) < 1


def activation_of(layer: Layer) -> str:
    """The name of the function that a layer applies."""
    if isinstance(layer, ReLU):
        return "relu"
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))

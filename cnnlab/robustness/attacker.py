"""Attacks on a trained network, whose results are measured as files would hold them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnlab.evaluation.load import LoadedModel
from cnnlab.experiment.adversarial import RELATIVE_STEP, Norm
from cnnlab.models.attacks import perturb, random_noise, random_start, rounded
from cnnlab.models.graph import compiled
from cnnlab.models.inference import to_input
from cnnlab.models.losses import class_scores, loss_function

Kind = Literal["noise", "fgsm", "pgd"]
Bytes = NDArray[np.uint8]
BATCH_SIZE = 512  # images at once; 256 took a third longer for LeNet on two cores
BATCH_BYTES = (
    1 << 24
)  # fewer large images, since activations are kept for the gradient: as many as take this as float32
LOSS_SCALE = 2.0**10  # small gradients of 16 bits would be 0, and only their direction counts


@dataclass(frozen=True)
class Attack:
    """How images are perturbed.

    `noise` is random and of length epsilon in the `norm`, `fgsm` one gradient step of that length, `pgd` the best of
    `restarts` searches of `steps` steps from random starts. `step_size` is 2.5 * epsilon / steps if it is None.
    """

    kind: Kind
    norm: Norm = "linf"
    steps: int = 40
    step_size: float | None = None
    restarts: int = 1

    @property
    def name(self) -> str:
        """As tables and figures call it."""
        return {"noise": "noise", "fgsm": "FGSM", "pgd": f"PGD-{self.steps}"}[self.kind]


@dataclass(frozen=True)
class Attacked:
    """Perturbed images (n, height, width, channels) uint8, the scores (n, classes) and losses (n,) that they get."""

    images: Bytes
    scores: NDArray[np.float32]
    losses: NDArray[np.float32]

    @property
    def predictions(self) -> NDArray[np.intp]:
        """The class with the highest score, (n,)."""
        best: NDArray[np.intp] = self.scores.argmax(axis=1)
        return best


class Attacker:
    """Attacks of one norm on a network, compiled once.

    They ascend the loss of the training, with the labels in place of what it mixes or smooths.
    """

    def __init__(self, loaded: LoadedModel, norm: Norm, seed: int = 0) -> None:
        self.loaded = loaded
        self.batch_size = max(1, min(BATCH_SIZE, BATCH_BYTES // (4 * math.prod(loaded.model.input_shape[1:]))))
        self._norm, self._seed, self._drawn = norm, seed, 0
        self._loss = loss_function(loaded.experiment.train.loss)
        images = tf.TensorSpec([None, *loaded.model.input_shape[1:]], tf.uint8)
        numbers, labels = tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.int32)
        scalar, key = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int64)
        sign = tf.TensorSpec([], tf.float32)
        self._run = compiled(self._attack, [images, labels, numbers, numbers, scalar, scalar, key, sign])

    def __call__(
        self,
        attack: Attack,
        images: Bytes,
        labels: NDArray[np.int32],
        epsilon: float | NDArray[np.float32],
        *,
        targeted: bool = False,
        advance: Callable[[int], None] = lambda _: None,
    ) -> Attacked:
        """Perturb images by at most `epsilon`, one number or (n,), away from `labels` or, `targeted`, towards them.

        Of several restarts each image keeps the one that succeeds, and of those the one with the largest loss
        (`targeted`: the smallest). `advance` gets the number of images after every batch of every restart.
        """
        radii = np.broadcast_to(np.float32(epsilon), len(images)).astype(np.float32)
        best: Attacked | None = None
        for _ in range(attack.restarts if attack.kind == "pgd" else 1):
            parts = []
            for part in _batches(len(images), self.batch_size):
                parts.append(self._attack_batch(attack, images[part], labels[part], radii[part], targeted=targeted))
                advance(part.stop - part.start)
            found = Attacked(*(np.concatenate(values) for values in zip(*parts, strict=True)))
            best = found if best is None else _better(best, found, labels, targeted=targeted)
        if best is None:
            raise ValueError(f"expected at least one restart, got {attack.restarts}")
        return best

    def _attack_batch(
        self, attack: Attack, images: Bytes, labels: NDArray[np.int32], radii: NDArray[np.float32], *, targeted: bool
    ) -> tuple[Bytes, NDArray[np.float32], NDArray[np.float32]]:
        kinds: tuple[Kind, ...] = ("noise", "fgsm", "pgd")
        steps = {"noise": 0, "fgsm": 1, "pgd": attack.steps}[attack.kind]
        step_size = (
            RELATIVE_STEP * radii / attack.steps if attack.step_size is None else np.full_like(radii, attack.step_size)
        )
        if attack.kind == "fgsm":
            step_size = radii
        self._drawn += 1
        key = tf.constant([self._seed, self._drawn], tf.int64)
        sign = np.float32(-1 if targeted else 1)
        found = self._run(
            images, labels, radii, step_size, np.int32(steps), np.int32(kinds.index(attack.kind)), key, sign
        )
        perturbed, scores, losses = (value.numpy() for value in found)
        return perturbed, scores, losses

    def _attack(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        epsilon: tf.Tensor,
        step_size: tf.Tensor,
        steps: tf.Tensor,
        kind: tf.Tensor,
        key: tf.Tensor,
        sign: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        inputs = to_input(images)
        shape = tf.shape(inputs)
        start = tf.stack(
            [random_noise(shape, key, self._norm), tf.zeros_like(inputs), random_start(shape, key, self._norm)]
        )
        perturbed = perturb(
            lambda values: LOSS_SCALE * sign * self._loss(labels, self._outputs(values)),
            inputs,
            start[kind],
            epsilon=epsilon,
            step_size=step_size,
            steps=steps,
            norm=self._norm,
        )
        files = rounded(perturbed, inputs, epsilon, self._norm)
        outputs = self._outputs(to_input(files))
        return files, class_scores(self.loaded.experiment.train.loss, outputs), self._loss(labels, outputs)

    def _outputs(self, images: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.loaded.model(images, training=False), tf.float32)


def distances(images: Bytes, others: Bytes, norm: Norm) -> NDArray[np.float64]:
    """How far each of two times n images are apart in the norm, for pixels in [0, 1], (n,)."""
    change = (others.astype(np.float64) - images).reshape(len(images), -1) / 255
    found: NDArray[np.float64] = np.abs(change).max(axis=1) if norm == "linf" else np.linalg.norm(change, axis=1)
    return found


def _batches(count: int, size: int) -> Iterator[slice]:
    yield from (slice(first, min(first + size, count)) for first in range(0, count, size))


def _better(first: Attacked, second: Attacked, labels: NDArray[np.int32], *, targeted: bool) -> Attacked:
    def rank(attacked: Attacked) -> NDArray[np.float64]:
        hit = attacked.predictions == labels
        succeeds, gain = (hit, -attacked.losses) if targeted else (~hit, attacked.losses)
        return np.where(succeeds, 1e30, 0) + gain

    take = rank(second) > rank(first)
    return Attacked(
        np.where(take[:, None, None, None], second.images, first.images),
        np.where(take[:, None], second.scores, first.scores),
        np.where(take, second.losses, first.losses),
    )

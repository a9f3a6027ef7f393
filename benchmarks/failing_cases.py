"""Small trainings with known problems, and healthy ones, each as changes to a network trained on digits."""

# ruff: noqa: E501 - a case is one line

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

BASE = """\
name: failing
data: digits
model:
  layers: [flatten, dense: {units: 64, activation: relu}, dense: {units: 32, activation: relu}, dense: 10]
train: {epochs: 10, batch_size: 32, optimizer: adam}
"""
CNN = (
    "model.layers=[conv2d: {filters: 8, kernel_size: 3, strides: 2, activation: relu}, max_pool2d: 2, flatten, "
    "dense: {units: 32, activation: relu}, dense: 10]"
)
SMALL_CNN = (
    "model.layers=[conv2d: {filters: 16, kernel_size: 3, activation: relu}, max_pool2d: 2, flatten, "
    "dense: {units: 64, activation: relu}, dense: 10]"
)
NORMALIZED_CNN = (
    "model.layers=[conv2d: {filters: 16, kernel_size: 3, use_bias: false}, batch_norm, activation: relu, max_pool2d: 2,"
    " conv2d: {filters: 32, kernel_size: 3, use_bias: false}, batch_norm, activation: relu, max_pool2d: 2, flatten,"
    " dense: 10]"
)
TWO_CLASSES = "model.layers=[flatten, dense: 8, dense: 2]"
NORMALIZED = "model.layers=[flatten, dense: 64, batch_norm, activation: relu, dense: 10]"
BALANCED = "val_balanced_accuracy"


@dataclass(frozen=True)
class Case:
    """A training: BASE with these changes, on the data written by `data`, by default on digits.

    `diagnosis` is the expected diagnosis, empty for a healthy training.
    `metric` is the column that measures success.
    """

    name: str
    diagnosis: str
    changes: tuple[str, ...]
    data: Callable[[Path], str] | None = None
    metric: str = "val_accuracy"


def _write(path: Path, images: NDArray[np.floating], labels: NDArray[np.integer]) -> str:
    """Write an archive of 8×8 images in [0, 255]; the option `data=…` that uses it."""
    np.savez(path, x_train=images.astype(np.uint8)[..., np.newaxis], y_train=labels)
    classes = int(labels.max()) + 1
    return f"data={{name: npz, file: {path}, image_shape: [8, 8, 1], num_classes: {classes}}}"


def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    found = load_digits()
    return found.images * 15, found.target


def low_contrast(path: Path) -> str:
    """Digits with grey levels from 120 to 130."""
    images, labels = _digits()
    return _write(path, 120 + images / 24, labels)


def noisy_labels(path: Path) -> str:
    """Digits with random labels for 40 % of the examples."""
    images, labels = _digits()
    random = np.random.default_rng(0)
    wrong = random.random(len(labels)) < 0.4
    return _write(path, images, np.where(wrong, random.integers(0, 10, len(labels)), labels))


def noisy_images(path: Path) -> str:
    """Digits with noise of similar amplitude."""
    images, labels = _digits()
    noise = np.random.default_rng(0).normal(0, 120, images.shape)
    return _write(path, np.clip(images + noise, 0, 255), labels)


def random_labels(path: Path) -> str:
    """Digits with shuffled labels."""
    images, labels = _digits()
    return _write(path, images, np.random.default_rng(0).permutation(labels))


def brighter(path: Path) -> str:
    """Noise; one image in twenty, the positive class, is slightly brighter."""
    labels = (np.arange(4000) % 20 == 0).astype(int)
    images = np.random.default_rng(0).integers(0, 120, (4000, 8, 8))
    return _write(path, images + 12 * labels[:, np.newaxis, np.newaxis], labels)


def rare_digit(path: Path) -> str:
    """The digit 8 against all others, one in ten, with noise."""
    images, labels = _digits()
    noise = np.random.default_rng(0).normal(0, 120, images.shape)
    return _write(path, np.clip(images + noise, 0, 255), (labels == 8).astype(int))


def rare_digits(path: Path) -> str:
    """Five frequent digits, and a tenth of the examples of the other five, with noise."""
    images, labels = _digits()
    selected = (labels < 5) | (np.arange(len(labels)) % 10 == 0)
    noise = np.random.default_rng(0).normal(0, 120, images.shape)
    return _write(path, np.clip(images + noise, 0, 255)[selected], labels[selected])


def _hidden(activation: str, units: int, count: int, more: str = "") -> str:
    layer = f"dense: {{units: {units}, activation: {activation}{more}}}"
    return f"model.layers=[flatten, {', '.join([layer] * count)}, dense: 10]"


SGD = "train.optimizer={sgd: 0.1}"
CASES = (
    Case("Adam, learning rate 0.1", "learning rate too high", ("train.optimizer.adam.learning_rate=0.1",)),
    Case("Adam, learning rate 1", "learning rate too high", ("train.optimizer.adam.learning_rate=1",)),
    Case("convolutions, Adam, learning rate 0.3", "learning rate too high", (CNN, "train.optimizer.adam.learning_rate=0.3")),
    Case("SGD, learning rate 2", "learning rate too high", ("train.optimizer={sgd: 2}",)),
    Case("SGD, learning rate 0.2, momentum 0.99", "learning rate too high", ("train.optimizer={sgd: {learning_rate: 0.2, momentum: 0.99}}",)),
    Case("RMSprop, learning rate 0.1", "learning rate too high", (CNN, "train.optimizer={rmsprop: 0.1}")),
    Case("SGD, wide network, constant rate", "unsteady at the end", (_hidden("relu", 1200, 3), "train.batch_size=128", "train.optimizer={sgd: 0.1}", "train.epochs=15")),
    Case("SGD, learning rate 0.4", "learning rate too high", ("train.batch_size=128", "train.optimizer={sgd: 0.4}", "train.epochs=12")),
    Case("SGD, four wide layers, constant rate", "unsteady at the end", (_hidden("relu", 800, 4), "train.batch_size=128", "train.optimizer={sgd: 0.1}", "train.epochs=13")),
    Case("Adam, learning rate 0.02, four layers", "learning rate too high", (_hidden("relu", 128, 4), "train.optimizer={adam: 0.02}", "train.epochs=12")),
    Case("Adam, learning rate 1e-6", "learning rate too low", ("train.optimizer.adam.learning_rate=1e-6",)),
    Case("Adam, learning rate 3e-5", "learning rate too low", (CNN, "train.optimizer.adam.learning_rate=3e-5")),
    Case("SGD, learning rate 1e-4", "learning rate too low", ("train.optimizer={sgd: 1e-4}",)),
    Case("SGD, learning rate 0.001, convolutions", "learning rate too low", (CNN, "train.optimizer={sgd: 0.001}")),
    Case("rate decayed to nothing", "learning rate too low", ("train.optimizer={sgd: 0.05}", "train.schedule={exponential: 0.2}")),
    Case("SGD, few epochs", "too few epochs", ("train.optimizer={sgd: 0.01}", "train.epochs=5")),
    Case("convolutions, few epochs", "too few epochs", (CNN, "train.optimizer={sgd: 0.02}", "train.epochs=5")),
    Case("dropout, few epochs", "too few epochs", ("model.layers=[flatten, dense: {units: 64, activation: relu}, dropout: 0.5, dense: 10]", "train.optimizer={sgd: 0.01}", "train.epochs=6")),
    Case("weights start at zero", "initial weights", (_hidden("relu", 64, 2, ", kernel_initializer: zeros"),)),
    Case("weights start at one", "initial weights", (_hidden("relu", 64, 2, ", kernel_initializer: ones"),)),
    Case("tiny weights", "initial weights", (_hidden("relu", 64, 3, ", kernel_initializer: {random_normal: 0.0001}"), SGD)),
    Case("huge weights", "initial weights", (_hidden("relu", 64, 3, ", kernel_initializer: {random_normal: 3.0}"),)),
    Case("huge weights, tanh", "initial weights", (_hidden("tanh", 64, 2, ", kernel_initializer: {truncated_normal: 20.0}"),)),
    Case("huge weights, sigmoid", "initial weights", (_hidden("sigmoid", 64, 2, ", kernel_initializer: {random_normal: 10.0}"), SGD)),
    Case("pixels times 255, SGD", "input scale", ("model.layers=[flatten, rescale: 255, dense: {units: 64, activation: relu}, dense: 10]", SGD)),
    Case("pixels times 255, sigmoid", "input scale", ("model.layers=[flatten, rescale: 255, dense: {units: 64, activation: sigmoid}, dense: 10]", SGD)),
    Case("pixels times 0.001", "input scale", ("model.layers=[flatten, rescale: 0.001, dense: {units: 64, activation: relu}, dense: 10]",)),
    Case("pixels divided by 255 twice", "input scale", ("model.layers=[rescale: 0.00392, conv2d: {filters: 8, kernel_size: 3, strides: 2, activation: relu}, flatten, dense: 10]", SGD)),
    Case("low contrast", "input scale", ("train.epochs=20",), low_contrast),
    Case("low contrast, SGD", "input scale", (SGD,), low_contrast),
    Case("softmax twice", "output and loss do not fit", ("model.layers=[flatten, dense: {units: 64, activation: relu}, dense: {units: 10, activation: softmax}]", "train.optimizer={sgd: 0.05}")),
    Case("softmax twice, convolutions", "output and loss do not fit", (CNN.replace("dense: 10", "dense: {units: 10, activation: softmax}"), SGD)),
    Case("relu on the output", "output and loss do not fit", (CNN.replace("dense: 10", "dense: {units: 10, activation: relu}"),)),
    Case("sigmoid on the output", "output and loss do not fit", (CNN.replace("dense: 10", "dense: {units: 10, activation: sigmoid}"), SGD)),
    Case("logits taken for probabilities", "output and loss do not fit", ("train.loss={cross_entropy: {from_logits: false}}",)),
    Case("mean squared error of a softmax", "output and loss do not fit", ("model.layers=[flatten, dense: {units: 64, activation: relu}, dense: {units: 10, activation: softmax}]", "train.loss=mse", SGD)),
    Case("five layers of sigmoids, SGD", "vanishing gradients", (_hidden("sigmoid", 64, 5), SGD)),
    Case("five layers of sigmoids, Adam", "vanishing gradients", (_hidden("sigmoid", 64, 5), "train.epochs=5")),
    Case("eight layers of tanh, tiny weights", "initial weights", (_hidden("tanh", 64, 8, ", kernel_initializer: {random_normal: 0.01}"), SGD)),
    Case("three layers of sigmoids", "vanishing gradients", (_hidden("sigmoid", 32, 3), SGD)),
    Case("batch normalization, few steps", "batch normalization not settled", (NORMALIZED_CNN, "data.limit=120", "train.epochs=25", "train.batch_size=64", "train.optimizer={adam: 0.003}")),
    Case("batch normalization, one step per epoch", "batch normalization not settled", (NORMALIZED_CNN, "data.limit=100", "train.epochs=40", "train.batch_size=100", "train.optimizer={adam: 0.003}")),
    Case("batch normalization, momentum 0.999", "batch normalization not settled", (NORMALIZED, "train.epochs=5", "train.optimizer={adam: 0.01}", "model.layers[2].batch_norm.momentum=0.999")),
    Case("batch normalization, batches of one", "batch of one", (NORMALIZED, "data.limit=100", "train.batch_size=1")),
    Case("batch normalization, batches of one, deeper", "batch of one", ("model.layers=[flatten, dense: 64, batch_norm, activation: relu, dense: 32, batch_norm, activation: relu, dense: 10]", "data.limit=300", "train.epochs=4", "train.batch_size=1")),
    Case("dropout 0.95", "dropout too high", ("model.layers=[flatten, dense: {units: 64, activation: relu}, dropout: 0.95, dense: {units: 32, activation: relu}, dropout: 0.9, dense: 10]",)),
    Case("dropout 0.9 of the pixels", "dropout too high", (CNN.replace("[conv2d", "[dropout: 0.9, conv2d"),)),
    Case("L2 of 1", "regularization too strong", (_hidden("relu", 64, 2, ", kernel_regularizer: {l2: 1.0}"),)),
    Case("L1 of 0.1", "regularization too strong", (_hidden("relu", 64, 2, ", kernel_regularizer: {l1: 0.1}"),)),
    Case("weight decay of 20", "regularization too strong", ("train.optimizer={adamw: {learning_rate: 0.001, weight_decay: 20.0}}",)),
    Case("weight decay of 1, SGD", "regularization too strong", ("train.optimizer={sgd: {learning_rate: 0.1, weight_decay: 1.0}}",)),
    Case("a bottleneck of one unit", "bottleneck", ("model.layers=[flatten, dense: {units: 64, activation: relu}, dense: {units: 1, activation: relu}, dense: 10]", "train.epochs=30")),
    Case("a bottleneck of two units", "bottleneck", ("model.layers=[flatten, dense: {units: 2, activation: relu}, dense: 10]", "train.epochs=30")),
    Case("one image in twenty", "imbalance", (TWO_CLASSES,), brighter, BALANCED),
    Case("one image in twenty, SGD", "imbalance", (TWO_CLASSES, "train.optimizer={sgd: 0.02}", "train.epochs=20"), brighter, BALANCED),
    Case("one digit in ten", "imbalance", (TWO_CLASSES,), rare_digit, BALANCED),
    Case("five rare digits", "imbalance", (), rare_digits, BALANCED),
    Case("noisy labels", "overfitting", ("train.epochs=60", "train.optimizer.adam.learning_rate=0.003"), noisy_labels),
    Case("noisy labels, wide network", "overfitting", (_hidden("relu", 256, 2), "train.epochs=40"), noisy_labels),
    Case("noisy labels, convolutions", "overfitting", (SMALL_CNN, "train.epochs=80", "train.optimizer.adam.learning_rate=0.003"), noisy_labels),
    Case("noisy labels, SGD", "overfitting", ("train.optimizer={sgd: {learning_rate: 0.1, momentum: 0.9}}", "train.epochs=40"), noisy_labels),
    Case("noisy images", "overfitting", (_hidden("relu", 128, 2), "train.epochs=40"), noisy_images),
    Case("random labels", "nothing learned", ("train.epochs=60",), random_labels),
)  # fmt: skip
HEALTHY = (
    Case("a multilayer perceptron", "", ("train.epochs=20",)),
    Case("a convolutional network", "", (CNN, "train.epochs=30")),
    Case("batch normalization", "", (NORMALIZED, "train.epochs=20")),
    Case("batch normalization between convolutions", "", (NORMALIZED_CNN, "train.epochs=20")),
    Case("dropout of a half", "", ("model.layers=[flatten, dense: {units: 64, activation: relu}, dropout: 0.5, dense: 10]", "train.epochs=20")),
    Case("one image in twenty, weighted", "", (TWO_CLASSES, "train.epochs=60", "train.class_weights=balanced", "train.optimizer={sgd: 0.02}"), brighter, BALANCED),
)  # fmt: skip

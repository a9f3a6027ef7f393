"""Keras's `fit` on its JAX backend, on arrays, with as many steps per call as `fit, tuned`.

The network is made here, layer by layer: cnnlab's own builder needs TensorFlow, which this environment does not have.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

from typing import Any

import keras
import numpy as np

from benchmarks.contestants.serving import kind_and_options, read_task, scale_of, serve

STEPS_PER_EXECUTION = 64
LAYERS = {
    "conv2d": keras.layers.Conv2D,
    "dense": keras.layers.Dense,
    "flatten": keras.layers.Flatten,
    "max_pool2d": keras.layers.MaxPooling2D,
}
OPTIONS = ("filters", "units", "kernel_size", "pool_size", "padding", "activation")


def main() -> None:
    """Train epochs on request."""
    task, images, labels = read_task()
    settings = task["train"]
    keras.utils.set_random_seed(0)
    scale, offset = scale_of(task)
    x = images.astype(np.float32) / 255 * np.float32(scale) + np.float32(offset)
    model = keras.Sequential([keras.Input(images.shape[1:]), *map(layer_of, task["model"]["layers"])])
    is_mse = settings["loss"] == "mse"
    loss = "mse" if is_mse else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    y = keras.utils.to_categorical(labels, 10) if is_mse else labels
    optimizer = optimizer_of(settings["optimizer"])
    model.compile(optimizer, loss, metrics=["accuracy"], steps_per_execution=STEPS_PER_EXECUTION)

    def run_epoch() -> float:
        history = model.fit(x, y, batch_size=settings["batch_size"], epochs=1, verbose=0)
        return float(history.history["loss"][0])

    serve(run_epoch)


def layer_of(layer: Any) -> keras.Layer:
    """The Keras layer of `{kind: options}`; initial values do not change the speed."""
    kind, options = kind_and_options(layer)
    return LAYERS[kind](**{name: options[name] for name in OPTIONS if name in options})


def optimizer_of(optimizer: Any) -> keras.Optimizer:
    """The Keras optimizer of `{kind: options}`."""
    kind, options = kind_and_options(optimizer)
    if kind == "sgd":
        return keras.optimizers.SGD(options["learning_rate"], momentum=options["momentum"])
    return keras.optimizers.Adam(options["learning_rate"], options["beta_1"], options["beta_2"], options["epsilon"])


if __name__ == "__main__":
    main()

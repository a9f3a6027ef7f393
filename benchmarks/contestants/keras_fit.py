"""Keras's `fit` with the network built by cnnlab and the optimizer of Keras, as it is usually called: on arrays."""

import sys

import numpy as np

from benchmarks.contestants.serving import read_task, serve
from cnnlab.cli.tensorflow import import_tensorflow

STEPS_PER_EXECUTION = 64


def main(*, tuned: bool = False) -> None:
    """Train epochs on request; `tuned`, from a cached and prefetched `tf.data` pipeline and many steps per call."""
    import_tensorflow()
    import keras
    import tensorflow as tf

    from benchmarks.contestants.network import built

    task, images, labels = read_task()
    model, settings = built(task, images)
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    calls = {"steps_per_execution": STEPS_PER_EXECUTION} if tuned else {}
    model.compile(optimizer, model.loss, metrics=["accuracy"], **calls)
    x = images.astype(np.float32) / 255
    y = keras.utils.to_categorical(labels, 10) if settings.loss.kind == "mse" else labels
    if tuned:
        cached = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(x))
        data = {"x": cached.batch(settings.batch_size, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)}
    else:
        data = {"x": x, "y": y, "batch_size": settings.batch_size}

    def run_epoch() -> float:
        history = model.fit(**data, epochs=1, verbose=0)
        return float(history.history["loss"][0])

    serve(run_epoch)


if __name__ == "__main__":
    main(tuned="--tuned" in sys.argv)

"""Keras's `fit` on arrays, with the network built by cnnlab and the optimizer of Keras."""

import numpy as np

from benchmarks.contestants.serving import read_task, serve
from cnnlab.cli.tensorflow import import_tensorflow


def main() -> None:
    """Train epochs on request."""
    import_tensorflow()
    import keras

    from benchmarks.contestants.network import built

    task, images, labels = read_task()
    model, settings = built(task, images)
    optimizer = model.optimizer  # cnnlab's subclass, whose update kernels Keras does not have
    model.compile(type(optimizer).from_config(optimizer.get_config()), model.loss, metrics=["accuracy"])
    x = images.astype(np.float32) / 255
    y = keras.utils.to_categorical(labels, 10) if settings.loss.kind == "mse" else labels

    def run_epoch() -> float:
        history = model.fit(x, y, batch_size=settings.batch_size, epochs=1, verbose=0)
        return float(history.history["loss"][0])

    serve(run_epoch)


if __name__ == "__main__":
    main()

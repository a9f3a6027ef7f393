"""Keras's own `fit` on arrays, on the network and with the optimizer that cnnlab builds.

That optimizer updates by a single kernel (`cnnlab.models.updates`), which makes `fit` with Adam a little faster than it
is for others.
"""

import numpy as np

from benchmarks.contestants.serving import read_task, serve
from cnnlab.cli.tensorflow import quietly_imported


def main() -> None:
    """Serve."""
    quietly_imported()
    import keras

    from benchmarks.contestants.network import built

    task, images, labels = read_task()
    model, settings = built(task, images)
    x = images.astype(np.float32) / 255
    y = keras.utils.to_categorical(labels, 10) if settings.loss.kind == "mse" else labels

    def run_epoch() -> float:
        history = model.fit(x, y, batch_size=settings.batch_size, epochs=1, verbose=0)
        return float(history.history["loss"][0])

    serve(run_epoch)


if __name__ == "__main__":
    main()

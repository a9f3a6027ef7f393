"""Keras's own `fit` on arrays, as its users write it, on the network that cnnlab builds."""

import numpy as np

from benchmarks.contestants.serving import read_task, scale_of, serve
from cnnlab.cli.tensorflow import quietly_imported


def main() -> None:
    """Serve."""
    quietly_imported()
    import keras

    from cnnlab.experiment.schema import Experiment
    from cnnlab.models.build import attach_optimizer, build

    task, images, labels = read_task()
    experiment = Experiment.model_validate(task, strict=False)
    settings = experiment.train
    keras.utils.set_random_seed(0)
    scale = scale_of(task)
    model = build(
        experiment.model,
        images.shape[1:],
        10,
        name="model",
        scaling=None if scale == (1.0, 0.0) else scale,
        precision=settings.precision,
    )
    attach_optimizer(model, settings)
    x = images.astype(np.float32) / 255
    y = keras.utils.to_categorical(labels, 10) if settings.loss.kind == "mse" else labels

    def run_epoch() -> float:
        history = model.fit(x, y, batch_size=settings.batch_size, epochs=1, verbose=0)
        return float(history.history["loss"][0])

    serve(run_epoch)


if __name__ == "__main__":
    main()

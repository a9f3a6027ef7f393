"""The network of both TensorFlow contestants."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.serving import scale_of
from cnnlab.experiment.schema import Experiment, Train
from cnnlab.models.build import attach_optimizer, build


def built(task: dict[str, Any], images: NDArray[np.uint8]) -> tuple[keras.Model, Train]:
    """The network of an experiment, compiled for images of this shape, and its training settings."""
    experiment = Experiment.model_validate(task, strict=False)
    keras.utils.set_random_seed(0)
    scale = scale_of(task)
    model = build(
        experiment.model,
        images.shape[1:],
        10,
        name="model",
        scaling=None if scale == (1.0, 0.0) else scale,
        precision=experiment.train.precision,
    )
    attach_optimizer(model, experiment.train)
    return model, experiment.train

"""The network that is exported: from images as decoded to probabilities."""

import keras

from cnnlab.evaluation.load import LoadedModel
from cnnlab.experiment.losses import CrossEntropy
from cnnlab.export.targets import Input
from cnnlab.models.views import averaged_over_views

IMAGES = "images"


def output_name(loaded: LoadedModel) -> str:
    """`probabilities`, or `scores` where they need not sum to 1."""
    return "probabilities" if loaded.gives_probabilities else "scores"


def with_preprocessing(loaded: LoadedModel, input: Input) -> keras.Model:
    """The network from `images` (n, height, width, channels) to a dict of one output (n, classes) float32.

    Images are uint8, or float32 in [0, 1]. The output is named by `output_name`; `loaded` is of precision float32.
    """
    images = value = keras.Input(loaded.model.input_shape[1:], dtype=str(input), name=IMAGES)
    if input is Input.UINT8:
        value = keras.layers.Rescaling(1 / 255, name="to_unit_interval", dtype="float32")(value)
    value = averaged_over_views(loaded.model, loaded.experiment.test_time)(value)
    name, loss = output_name(loaded), loaded.experiment.train.loss
    if isinstance(loss, CrossEntropy) and loss.from_logits:
        value = keras.layers.Softmax(name=name, dtype="float32")(value)
    return keras.Model(images, {name: value}, name=loaded.model.name)

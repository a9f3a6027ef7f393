"""A network on images of another size than those that it was built for."""

import keras

from cnnlab.experiment.progressive_resizing import ImageSize
from cnnlab.models.build import PREPROCESSING
from cnnlab.models.inspection import output_in


def resized(model: keras.Model, size: ImageSize) -> keras.Model:
    """A network with the layers of `model`, before whose first one images are resized to (height, width), bilinearly.

    It takes the same images as `model`, and shares its weights, whose shapes must not depend on the size.
    """
    layers = [layer for layer in model.layers if layer.name in PREPROCESSING]
    images = output_in(layers[-1]) if layers else model.input
    network = keras.Model(images, model.output)
    small = keras.layers.Resizing(*size, interpolation="bilinear", dtype="float32", name="resizing")(images)
    # Not `network(small)`, which checks the size.
    return keras.Model(model.input, network.call(small), name=model.name)

"""The mean of a network's outputs over several views of an image."""

import keras

from cnnlab.experiment.test_time import TestTime


def averaged_over_views(model: keras.Model, test_time: TestTime | None) -> keras.Model:
    """A network with the weights of `model` whose outputs are the means over the views; `model` itself without any.

    Both take images (n, height, width, channels) float32 in [0, 1]; the means are float32.
    """
    if test_time is None:
        return model
    image = keras.Input(model.input_shape[1:], name="image")
    total = 0.0
    for shift, weight in _shifts(test_time.translate):
        view = _shifted(image, shift)
        views = [view, keras.ops.flip(view, axis=2)] if test_time.flip else [view]
        for one in views:
            total += weight / len(views) * keras.ops.cast(model(one), "float32")
    return keras.Model(image, total, name=model.name)


def _shifts(distance: int) -> list[tuple[int, float]]:
    """Pixels that an image is shifted by, downwards and to the right, and the weight of each."""
    return [(0, 0.5), (-distance, 0.25), (distance, 0.25)] if distance else [(0, 1.0)]


def _shifted(image: keras.KerasTensor, shift: int) -> keras.KerasTensor:
    if not shift:
        return image
    distance = abs(shift)
    height, width = image.shape[1:3]
    padded = keras.ops.pad(image, [(0, 0), (distance, distance), (distance, distance), (0, 0)])
    first = distance - shift
    return padded[:, first : first + height, first : first + width]

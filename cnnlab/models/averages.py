"""Moving averages of weights, which Keras's optimizers keep where they are asked to (`use_ema`)."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from numpy.typing import NDArray


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Give the network the averages of its weights; then exactly what it had before.

    Keras's SwapEMAWeights swaps by adding, which changes the last digits of the weights.
    """
    pairs = _pairs(model)
    before = [_values(variable) for variable, _ in pairs]
    use_averages(model)
    try:
        yield
    finally:
        for (variable, _), value in zip(pairs, before, strict=True):
            variable.assign(value)


def use_averages(model: keras.Model) -> None:
    """Overwrite the weights with their averages, if the optimizer keeps any."""
    for variable, average in _pairs(model):
        variable.assign(_values(average))


def _pairs(model: keras.Model) -> list[tuple[keras.Variable, keras.Variable]]:
    """The weights that are averaged, each with its average; none where the optimizer keeps no averages."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema:
        return []
    return list(zip(model.trainable_variables, optimizer._model_variables_moving_average, strict=True))


def _values(variable: keras.Variable) -> NDArray[np.float32]:
    values: NDArray[np.float32] = keras.ops.convert_to_numpy(variable)
    return values

"""Learning rates of single weights, as multiples of that of the optimizer."""

from collections.abc import Collection, Sequence
from typing import Any

import keras

BIASES = ("bias", "beta")
"""The names of what layers add: biases, and the shifts of batch normalization."""


def scale_layers(model: keras.Model, layers: Collection[keras.Layer], factor: float) -> None:
    """Have the optimizer multiply the learning rate of some layers, and with it their weight decay, by `factor`."""
    optimizer = _optimizer(model)
    keys = {optimizer._var_key(variable) for layer in layers for variable in layer.trainable_variables}
    if keys:
        _scale_updates(optimizer, keys, factor)
        _scale_decay(optimizer, keys, factor)


def scale_biases(model: keras.Model, factor: float) -> None:
    """Have the optimizer multiply the learning rate of biases by `factor`, and leave their weight decay as it is."""
    optimizer = _optimizer(model)
    keys = {optimizer._var_key(variable) for variable in model.trainable_variables if variable.name in BIASES}
    if keys and factor != 1:
        _scale_updates(optimizer, keys, factor)


def _optimizer(model: keras.Model) -> Any:
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


# Methods are replaced on the instance, so that model.keras has the class that Keras knows.


def _scale_updates(optimizer: Any, keys: Collection[str], factor: float) -> None:
    """Replace the method of a Keras optimizer that changes a variable, for those with these keys."""
    update_step = optimizer.update_step

    def scaled_update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        update_step(
            gradient, variable, learning_rate * factor if optimizer._var_key(variable) in keys else learning_rate
        )

    optimizer.update_step = scaled_update_step


def _scale_decay(optimizer: Any, keys: Collection[str], factor: float) -> None:
    """Replace the method of a Keras optimizer that decays weights, for those with these keys."""
    apply_weight_decay, decay = optimizer._apply_weight_decay, optimizer.weight_decay

    def scaled_weight_decay(variables: Sequence[Any]) -> None:
        apply_weight_decay([variable for variable in variables if optimizer._var_key(variable) not in keys])
        if decay:
            # Keras multiplies it by the learning rate. Every replica sets it, for they meet inside.
            optimizer.weight_decay = decay * factor
            try:
                apply_weight_decay([variable for variable in variables if optimizer._var_key(variable) in keys])
            finally:
                optimizer.weight_decay = decay

    optimizer._apply_weight_decay = scaled_weight_decay

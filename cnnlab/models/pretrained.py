"""Starting a network from the weights of another one."""

import hashlib
from pathlib import Path

import keras

from cnnlab.config.pretrained import weights_file
from cnnlab.errors import ConfigError
from cnnlab.experiment.layers.backbone import Backbone
from cnnlab.experiment.pretrained import Pretrained
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import summarize_experiment
from cnnlab.models import learning_rates, weights
from cnnlab.models.weights import Arrays
from cnnlab.runs import files


def read(experiment: Experiment) -> Arrays | None:
    """The weights that an experiment starts from; None where it starts from random ones.

    Raises ConfigError where they are missing, or are not those of its `sha256`.
    """
    spec = experiment.model.pretrained
    if spec is None:
        return None
    found = weights_file(spec.from_)
    if spec.sha256 is None or spec.layers is None:
        raise ConfigError(f"model.pretrained: no layer matches those of {found.path}")
    return _checked(spec, found.path)


def _checked(spec: Pretrained, path: Path) -> Arrays:
    digest = hashlib.sha256(files.read(path)).hexdigest()
    if digest != spec.sha256:
        raise ConfigError(
            f"model.pretrained.from: {path}: its SHA-256 is {digest}, expected {spec.sha256}; it is not the file that "
            "this experiment started from; put that back"
        )
    return weights.read(path)


def started(experiment: Experiment) -> list[str]:
    """The layers that start from weights in a file."""
    spec = experiment.model.pretrained
    backbones = [
        f"backbone_{index}"
        for index, layer in enumerate(experiment.model.layers)
        if isinstance(layer, Backbone) and layer.weights
    ]
    return [*backbones, *((spec.layers if spec else None) or ())]


def assign(model: keras.Model, experiment: Experiment, arrays: Arrays) -> None:
    """Set the weights of the layers that start from `arrays`. Raises ConfigError where they do not fit."""
    for name in started(experiment):
        for weight, variable in weights.named(model.get_layer(name)).items():
            array = arrays.get(weight)
            if array is None or (array.shape, str(array.dtype)) != (tuple(variable.shape), str(variable.dtype)):
                got = "missing" if array is None else f"{array.dtype} {array.shape}"
                raise ConfigError(
                    f"model.pretrained.layers: {name}: {weight} is {got} there, expected {variable.dtype} "
                    f"{tuple(variable.shape)}"
                )
            variable.assign(array)


def freeze(model: keras.Model, experiment: Experiment) -> None:
    """Make the frozen layers untrainable, which has their batch normalization stay in inference mode."""
    for line in summarize_experiment(experiment).lines:
        if line.is_frozen:
            model.get_layer(line.place.name).trainable = False


def slow_down(model: keras.Model, experiment: Experiment) -> None:
    """Have the optimizer of `model` multiply the learning rate of some layers by `learning_rate_factor`."""
    spec = experiment.model.pretrained
    if spec is None:
        return
    layers = [model.get_layer(name) for name in spec.slowed(summarize_experiment(experiment).names)]
    learning_rates.scale_layers(model, layers, spec.learning_rate_factor)

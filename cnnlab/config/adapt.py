"""An experiment on other data than its file's: what else has to change, and what is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnnlab.config.files import Source
from cnnlab.config.load import read
from cnnlab.config.overrides import Override
from cnnlab.errors import ConfigError
from cnnlab.experiment.data import num_outputs
from cnnlab.experiment.layers.base import LayerSpec
from cnnlab.experiment.layers.elementwise import Activation, Dropout, Flatten
from cnnlab.experiment.layers.pooling import GlobalPooling
from cnnlab.experiment.layers.weighted import Conv2D, Dense
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import summarize
from cnnlab.paths import KeyPath, show_path


@dataclass
class Adapted:
    """The changes of an experiment for other data, and the reason for each that is not the data."""

    data: dict[str, Any]
    changes: list[Override] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def adapt(source: Source, data: Mapping[str, Any], option: str, sets: Sequence[Override] = ()) -> Adapted:
    """The changes for the section `data`, given by `option`; `sets` are those that are made after them.

    The last layer gets an output per class, if it has one per class now. Where the network is too deep for the size
    that was proposed for images, they get the size of the file's. What is set otherwise stays.
    """
    adapted = Adapted(dict(data))
    of_data = [change for change in sets if change.path[0] == "data"]
    try:
        before = read(source).experiment
        after = _with_data(source, adapted.data, option, of_data)
    except ConfigError:  # whoever reads it with all changes reports it, with all else
        adapted.changes = [Override(("data",), adapted.data, option)]
        return adapted
    is_given = any(change.path[:2] == ("data", "image_size") for change in of_data)
    if "image_size" in data and not is_given and not _is_possible(after) and _is_possible(before):
        height, width, _ = before.data.image_shape
        enlarged = {**adapted.data, "image_size": [height, width]}
        if _is_possible(_with_data(source, enlarged, option, of_data)):
            adapted.data = enlarged
            text = f"data.image_size: {height}×{width}, as in {source.path.name}: its layers need larger images"
            adapted.notes.append(text)
    adapted.changes = [Override(("data",), adapted.data, option)]
    change = _fitted(before, num_outputs(after.data), option)
    if change and not any(_overlap(change.path, other.path) for other in sets):
        adapted.changes.append(change)
        adapted.notes.append(f"{show_path(change.path)}: {change.value}, an output per class of the data")
    return adapted


def _with_data(source: Source, data: Mapping[str, Any], option: str, sets: Sequence[Override]) -> Experiment:
    return read(source, [Override(("data",), dict(data), option), *sets]).experiment


def _is_possible(experiment: Experiment) -> bool:
    """Whether the network takes images of that size."""
    try:
        summarize(experiment.model.layers, experiment.input_shape)
    except LayerError:
        return False
    return True


def _fitted(experiment: Experiment, outputs: int, option: str) -> Override | None:
    """The change by which the network gets so many outputs; None where it has them, or another number than classes."""
    was = num_outputs(experiment.data)
    found = _last_units(experiment.model.layers)
    if outputs == was or found is None or found[1] != was:
        return None
    return Override(found[0], outputs, option)


def _last_units(layers: Sequence[LayerSpec]) -> tuple[KeyPath, int] | None:
    """The option that sets the number of outputs, and its value; None where no layer at the end has one."""
    for index in reversed(range(len(layers))):
        match layers[index]:
            case Dense(units=units):
                return ("model", "layers", index, "dense", "units"), units
            case Conv2D(filters=filters):
                return ("model", "layers", index, "conv2d", "filters"), filters
            case Activation() | Dropout() | Flatten() | GlobalPooling():
                continue
        return None
    return None


def _overlap(path: KeyPath, other: KeyPath) -> bool:
    shared = min(len(path), len(other))
    return path[:shared] == other[:shared]

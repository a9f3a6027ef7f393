"""The weights of a network as named arrays in a safetensors file: numbers only, nothing that could carry code."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cnnlab.errors import RunError
from cnnlab.runs import files

Arrays = dict[str, NDArray[Any]]


def save(model: keras.Model, path: Path) -> None:
    """Every weight as `layer/weight`, such as `conv2d_0/kernel` (height, width, channels, filters) float32."""
    arrays = {name: weight.numpy() for name, weight in named(model).items()}
    path.write_bytes(safetensors.numpy.save(arrays))


def read(path: Path, most: int | None = None) -> Arrays:
    """The arrays in the file. Raises RunError where it is missing, damaged or has more than `most` bytes."""
    try:
        arrays: Arrays = safetensors.numpy.load(files.read(path, most))
    except FileNotFoundError:
        raise RunError(f"{path}: missing; the run did not finish, or the file was removed") from None
    except (OSError, safetensors.SafetensorError, ValueError, AttributeError, KeyError) as error:
        # The last two: a type of number that NumPy does not have.
        raise RunError(f"{path}: damaged: {error}") from None
    return arrays


def assign(model: keras.Model, arrays: Arrays, path: Path) -> None:
    """Set the weights of `model` to what was read of `path`. Raises RunError where they are of another network."""
    expected = {name: f"{weight.dtype} {tuple(weight.shape)}" for name, weight in named(model).items()}
    got = {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}
    if got != expected:
        name = min(name for name in {*got, *expected} if got.get(name) != expected.get(name))
        raise RunError(
            f"{path}: not the weights of this run's network: {name} is {got.get(name, 'missing')}, "
            f"expected {expected.get(name, 'no such weight')}"
        )
    for name, weight in named(model).items():
        weight.assign(arrays[name])


def named(network: keras.Layer) -> dict[str, keras.Variable]:
    """The weights of a network, or of one layer, by `layer/weight`; inside a backbone, by `backbone_0/layer/weight`."""
    return {f"{place}/{weight.name}": weight for place, layer in layers_of(network) for weight in layer.weights}


def layers_of(network: keras.Layer, prefix: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """The layers of a network, or the one layer, each with its name; a backbone's after the name of that."""
    if not isinstance(network, keras.Model):
        yield prefix + network.name, network
        return
    inside = f"{prefix}{network.name}/" if prefix or network.name.startswith("backbone_") else ""
    for layer in network.layers:
        yield from layers_of(layer, inside)

"""Arrays, images and kernels as they are given on the command line.

Images are (height, width, channels) float64, kernels (height, width, input channels, output channels). Every function
raises RequestError or RunError where what was given is none.
"""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnnlab.errors import DataError, RequestError, RunError
from cnnlab.images.decode import ORIENTATION, Decoded, Size, decode
from cnnlab.lessons.convolution import Array, Padding
from cnnlab.lessons.kernels import KERNELS, LARGEST, named
from cnnlab.messages import did_you_mean, shorten
from cnnlab.runs import files
from cnnlab.runs.find import find_one
from cnnlab.terminal import note

MOST_NUMBERS = 4_000_000
MOST_PADDING = 1000
LONGEST_SIDE = 1024  # pixels of an image
MAX_BYTES = 1 << 28
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that exchange height and width


def array(text: str, option: str) -> Array:
    """The numbers in JSON, in a .json or in a .npy file, with as many axes as they have."""
    values = _read(Path(text), option) if text.endswith((".json", ".npy")) else _from_json(text, option)
    shown = f"{option} {text}" if text.endswith((".json", ".npy")) else option
    if values.size == 0 or values.size > MOST_NUMBERS:
        raise RequestError(f"{shown}: {values.size:,} numbers; expected 1 to {MOST_NUMBERS:,}")
    if not (np.abs(values) <= LARGEST).all():
        raise RequestError(f"{shown}: has NaN, infinity or numbers beyond {LARGEST:g}; expected finite numbers")
    return values


def _read(path: Path, option: str) -> Array:
    try:
        content = files.read(path, MAX_BYTES)
    except OSError as error:
        raise RequestError(f"{option} {path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise RequestError(f"{option} {path}: {error}; expected a file of numbers") from None
    if path.suffix == ".json":
        return _from_json(content.decode(errors="replace"), f"{option} {path}")
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise RequestError(f"{option} {path}: no array of numbers: {' '.join(str(error).split())}") from None
    if values.dtype.kind not in "biuf":
        raise RequestError(f"{option} {path}: an array of {values.dtype}; expected numbers")
    return np.asarray(values, np.float64)


def _from_json(text: str, place: str) -> Array:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        expected = "expected an array such as [[1, 2], [3, 4]], or a .json or .npy file"
        raise RequestError(f"{place}: {shorten(text)} is not JSON; {expected}") from None
    _shape(value, place)
    try:
        return np.asarray(value, np.float64)
    except OverflowError:
        raise RequestError(f"{place}: has a number that is too large; expected at most {LARGEST:g}") from None


def _shape(value: Any, place: str) -> tuple[int, ...]:
    """Of nested lists of numbers, which all have the same length on each level."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ()
    if not isinstance(value, list):
        raise RequestError(f"{place}: {shorten(value)} is not a number; expected numbers and lists of them")
    shapes = [_shape(item, place) for item in value]
    if different := [index for index, shape in enumerate(shapes) if shape != shapes[0]]:
        index = different[0]
        raise RequestError(
            f"{place}: ragged: item {index} of a list has the shape {list(shapes[index])} and item 0 "
            f"{list(shapes[0])}; expected rows of equal length"
        )
    return (len(value), *(shapes[0] if shapes else ()))


def image_array(text: str, option: str = "--input") -> Array:
    """An image, of one channel where the numbers have two axes."""
    values = array(text, option)
    if values.ndim == 2:
        return values[:, :, None]
    if values.ndim != 3:
        raise RequestError(
            f"{option}: the shape is {list(values.shape)}; expected [height, width] or [height, width, channels]"
        )
    return values


def given(text: str | None, image: Path | None) -> tuple[Array, str]:
    """The input and its name: an array, an image file, or the photograph that is there."""
    if text is not None:
        return image_array(text), "input"
    if image is None:
        image = shipped_photograph()
        note(f"neither --input nor --image: the input is the photograph {image.name} that scikit-learn ships")
    return photograph(image), image.name


def padding(text: str | None, option: str, otherwise: Padding = "valid") -> Padding:
    """`valid`, `same` or a number of zeros."""
    if text is None:
        return otherwise
    if text in ("valid", "same"):
        return text
    if text.isdecimal() and int(text) <= MOST_PADDING:
        return int(text)
    raise RequestError(f"{option} {text}: expected valid, same, or the zeros on each side, up to {MOST_PADDING}")


def bias(text: str, kernels: Sequence[Array], channels: int) -> Array:
    """One number for all output channels, or one for each; a 2-D kernel has as many as the input."""
    values = array(text, "--bias").ravel()
    count = sum(one.shape[3] * (channels if one.shape[2] == 1 else 1) for one in kernels)
    if values.size not in (1, count):
        raise RequestError(f"--bias: {values.size} numbers; expected 1, or {count}, one per output channel")
    return np.broadcast_to(values, count)


def photograph(path: Path) -> Array:
    """An image file in [0, 1]; grey where it has no colours. What is changed is reported."""
    try:
        given = decode(str(path), Size(1, 1, 3, "stretch"))
        size = _size(path, given)
        pixels = decode(str(path), size).pixels
    except DataError as error:
        raise RequestError(f"--image {path}: {error}") from None
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return np.asarray(pixels / 255.0)


def _size(path: Path, given: Decoded) -> Size:
    """That of the file, smaller where its longest side is longer than LONGEST_SIDE."""
    width, height = given.size
    with Image.open(path) as image:
        if "upright" in given.changes and image.getexif().get(ORIENTATION) in SIDEWAYS:
            width, height = height, width
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    if scale < 1:
        note(f"{path}: resized from {height}×{width} to {round(height * scale)}×{round(width * scale)}")
    return Size(max(1, round(height * scale)), max(1, round(width * scale)), 3, "stretch")


def shipped_photograph() -> Path:
    """A photograph of a building in China, 427×640, that scikit-learn ships; scikit-learn is not imported."""
    found = importlib.util.find_spec("sklearn")
    path = Path(found.origin if found and found.origin else "").parent / "datasets" / "images" / "china.jpg"
    if not path.is_file():
        raise RequestError("the photograph of scikit-learn is not installed with it; give an image file or an array")
    return path


def kernel(text: str) -> Array:
    """Of a name, of numbers, or RUN:LAYER/INDEX. A 2-D kernel is (height, width, 1, 1)."""
    if text.partition(":")[0] in KERNELS:
        return named(text)[:, :, None, None]
    if text.endswith((".json", ".npy")) or text.lstrip().startswith("["):
        values = array(text, "--kernel")
        if values.ndim not in (2, 3, 4):
            raise RequestError(
                f"--kernel: the shape is {list(values.shape)}; expected [height, width], [height, width, input "
                "channels] or [height, width, input channels, output channels]"
            )
        return values.reshape(*values.shape, *(1,) * (4 - values.ndim))
    if ":" in text:
        return _of_run(text)
    raise RequestError(f"--kernel {text}: no kernel of that name; {did_you_mean(text, KERNELS)}")


def _of_run(text: str) -> Array:
    """Of the weights of a run: one filter, or without index all filters of a layer; without its bias."""
    folder, _, place = text.rpartition(":")
    layer, _, index = place.partition("/")
    run = find_one(Path(folder))
    run.record()  # of a folder that is damaged, or has links, nothing is read
    kernels = {
        name.removesuffix("/kernel"): values
        for name, values in _weights(run.weights).items()
        if name.endswith("/kernel") and values.ndim == 4
    }
    if layer not in kernels:
        has = did_you_mean(layer, kernels) if kernels else "it has none at all"
        raise RequestError(f"--kernel {text}: {folder} has no convolution '{layer}'; {has}")
    values: Array = kernels[layer].astype(np.float64)
    if layer.startswith("depthwise"):  # Keras: (height, width, input channels, multiplier); each sees one channel
        values = values.reshape(*values.shape[:2], 1, -1)
    if not index:
        return values
    count = values.shape[3]
    if not index.isdecimal() or int(index) >= count:
        raise RequestError(f"--kernel {text}: filter '{index}'; {layer} has {count:,}, expected 0 to {count - 1}")
    return values[..., int(index)][..., None]


def _weights(path: Path) -> dict[str, Any]:
    import safetensors
    import safetensors.numpy

    try:
        return dict(safetensors.numpy.load(files.read(path)))
    except FileNotFoundError:
        raise RunError(f"{path}: missing; the run did not finish, or the file was removed") from None
    except (OSError, safetensors.SafetensorError, ValueError, AttributeError, KeyError) as error:
        raise RunError(f"{path}: damaged: {error}") from None

"""Images and options of a convolution as they are given on the command line.

Images are (height, width, channels) float64. Every function raises RequestError where what was given is none.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnnlab.errors import DataError, RequestError
from cnnlab.images.batch import Report
from cnnlab.images.decode import Decoded, Size
from cnnlab.images.stream import decode_one
from cnnlab.lessons.arrays import array
from cnnlab.lessons.convolution import Array, Padding
from cnnlab.terminal import note

MOST_PADDING = 1000
LONGEST_SIDE = 1024  # pixels of an image


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
    values = array(text, "--bias", "a number, or an array such as [1, 2], one number per output channel").ravel()
    count = sum(one.shape[3] * (channels if one.shape[2] == 1 else 1) for one in kernels)
    if values.size not in (1, count):
        expected = f"1, or {count}, one per output channel" if count > 1 else "1, since there is one output channel"
        raise RequestError(f"--bias: {values.size} numbers; expected {expected}")
    return np.broadcast_to(values, count)


def photograph(path: Path) -> Array:
    """An image file in [0, 1]; grey where it has no colours. What is changed is reported."""
    size = _size(path, _decoded(path, Size(1, 1, 3, "stretch")))
    decoded = _decoded(path, size)
    _report(replace(decoded, changes=decoded.changes - {"resized"}), size)  # of which _size has said more
    pixels = decoded.pixels
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return np.asarray(pixels / 255.0)


def _decoded(path: Path, size: Size) -> Decoded:
    decoded = decode_one(str(path), size, None)
    if isinstance(decoded, DataError):
        raise RequestError(f"--image {path}: {decoded}")
    return decoded


def _report(decoded: Decoded, size: Size) -> None:
    """Say what was changed, as the commands that predict do."""
    if not decoded.changes and decoded.brightest is None:
        return  # without the import, which takes as long as all else
    from cnnlab.data.conversions import Summary

    report = Report()
    report.add(0, decoded)
    for text in Summary.of(report).notes(size, 1):
        note(text)


def _size(path: Path, given: Decoded) -> Size:
    """That of the upright image, smaller where its longest side is longer than LONGEST_SIDE."""
    width, height = given.upright_size
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    size = Size(max(1, round(height * scale)), max(1, round(width * scale)), 3, "stretch")
    if scale < 1:
        note(f"{path}: resized from {height}×{width} to {size.height}×{size.width}")
    return size


def shipped_photograph() -> Path:
    """A photograph of a building in China, 427×640, that scikit-learn ships; scikit-learn is not imported."""
    found = importlib.util.find_spec("sklearn")
    path = Path(found.origin if found and found.origin else "").parent / "datasets" / "images" / "china.jpg"
    if not path.is_file():
        raise RequestError("the photograph of scikit-learn is not installed with it; give an image file or an array")
    return path

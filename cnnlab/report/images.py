"""Images of data sets and of figures as small files."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnlab.data import Examples
from cnnlab.plots.tiles import as_colours
from cnnlab.report.blocks import Picture

GAP, WHITE = 2, 255  # pixels between images of a strip, and their colour
QUALITY = 80  # of WebP; images of one channel are kept exactly
WIDEST_FIGURE = 1400  # pixels


def strip(images: NDArray[np.uint8], alt: str, caption: str = "", columns: int = 0) -> Picture:
    """Images (n, height, width, channels) beside one another as one file, `columns` in a row where that is given."""
    count, height, width, channels = images.shape
    columns = min(columns or count, count)
    rows = -(-count // columns)
    pitch = height + GAP, width + GAP
    canvas = np.full((rows * pitch[0] - GAP, columns * pitch[1] - GAP, 3), WHITE, np.uint8)
    for number, pixels in enumerate(as_colours(images)):
        top, left = number // columns * pitch[0], number % columns * pitch[1]
        canvas[top : top + height, left : left + width] = pixels
    is_grey = channels in (1, 2)
    image = Image.fromarray(canvas).convert("L" if is_grey else "RGB")
    return Picture(_webp(image, exact=is_grey), image.size, alt, caption, is_pixels=True)


def figure(path: Path, alt: str, caption: str = "") -> Picture | None:
    """A figure from a file, no wider than WIDEST_FIGURE; None where it cannot be read."""
    try:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    if image.width > WIDEST_FIGURE:
        height = round(image.height * WIDEST_FIGURE / image.width)
        image = image.resize((WIDEST_FIGURE, height), Image.Resampling.LANCZOS)
    return Picture(_webp(image, exact=False), image.size, alt, caption)


def take(examples: Examples, which: Sequence[int]) -> NDArray[np.uint8]:
    """The images of these examples, in this order; those on disk are read in theirs."""
    numbers = np.asarray(which, np.intp)
    order = np.argsort(numbers, kind="stable")
    images = np.empty((len(numbers), *examples.images.shape[1:]), np.uint8)
    images[order] = examples.take(numbers[order]).images[:]
    return images


def _webp(image: Image.Image, *, exact: bool) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=exact, quality=QUALITY, method=4)
    return file.getvalue()

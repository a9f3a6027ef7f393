"""Pictures side by side, each with what it is called."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cnnlab.errors import RequestError, RunError
from cnnlab.runs import files

TILE = 96  # pixels that a small picture is enlarged to, at least
GAP, TEXT, BORDER = 8, 12, 12  # pixels
BACKGROUND, INK = (255, 255, 255), (40, 40, 40)


def draw(images: NDArray[np.uint8], titles: Sequence[str], heading: str, path: Path, columns: int) -> None:
    """Write a PNG of `images` (n, height, width, channels), enlarged by whole factors so that pixels show.

    Raises RequestError where the file is no .png or cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise RequestError(f"{path}: expected the name of a .png file")
    count, height, width, _ = images.shape
    columns = min(columns, count)
    factor = max(1, -(-TILE // max(height, width)))
    tile = factor * width, factor * height
    font = ImageFont.load_default(TEXT)
    line = TEXT + 4
    cell = tile[0] + GAP, tile[1] + line + GAP
    rows = -(-count // columns)
    size = (
        max(2 * BORDER + columns * cell[0] - GAP, 2 * BORDER + int(font.getlength(heading))),
        (2 * BORDER + line + rows * cell[1]),
    )
    grid = Image.new("RGB", size, BACKGROUND)
    pen = ImageDraw.Draw(grid)
    pen.text((BORDER, BORDER - 4), heading, INK, font)
    for index, (image, title) in enumerate(zip(images, titles, strict=True)):
        left = BORDER + index % columns * cell[0]
        top = BORDER + line + index // columns * cell[1]
        # Of two channels the first, of more than three the first three.
        picture = Image.fromarray(image[..., 0] if image.shape[-1] < 3 else np.ascontiguousarray(image[..., :3]))
        grid.paste(picture.convert("RGB").resize(tile, Image.Resampling.NEAREST), (left, top))
        pen.text((left, top + tile[1]), _fitting(title, font, tile[0]), INK, font)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, lambda temporary: grid.save(temporary, format="PNG"))
    except (OSError, RunError) as error:
        reason = error if isinstance(error, RunError) else f"{path}: cannot be written: {error.strerror or error}"
        raise RequestError(str(reason)) from None


def _fitting(text: str, font: "ImageFont.FreeTypeFont | ImageFont.ImageFont", width: int) -> str:
    """As much of `text` as fits in `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"

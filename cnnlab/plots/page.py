"""Pages of tiles: sections below one another, each a heading above panels side by side."""

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from cnnlab.errors import RequestError, RunError
from cnnlab.plots.figure import DPI, SOFTWARE, drawing
from cnnlab.plots.tiles import LINE, SIGNED, UNSIGNED, Tiles, arrange, numbers, paint
from cnnlab.runs import files

WIDTH, BORDER, GAP = 1920, 40, 36  # pixels: of the page, as a projector's, around it, between panels
TALLEST = 6000  # pixels of a page, from which on the next section begins another
TALLEST_PANEL = 700  # pixels that tiles fill, unless there are more than fit at their smallest
TITLE, HEADING, NUMBER = 7.0, 9.0, 5.5  # points
BELOW = 14  # pixels after tiles
LEADING = 1.35  # of a line
INK, PALE = "0.15", "0.45"
BAR = (24, 200)  # pixels of a legend
CHARACTER = 1 / 122  # width of an average character, in pixels per point and pixel of resolution

Plain = Callable[[str], str]


@dataclass(frozen=True)
class Section:
    """Panels side by side, each of tiles below one another; as wide as `columns` panels share the page."""

    heading: str
    panels: Sequence[Sequence[Tiles]]
    text: str = ""
    columns: int | None = None

    def texts(self) -> list[str]:
        """All texts in it."""
        tiles = [one for panel in self.panels for one in panel]
        return [self.heading, self.text, *(t for one in tiles for t in (one.title, *one.captions))]


@dataclass
class _Sheet:
    """What is drawn on a page; `y` is where the next goes."""

    y: float = float(BORDER)
    boxes: list[tuple[int, int, NDArray[np.uint8]]] = field(default_factory=list)
    texts: list[tuple[float, float, str, dict[str, Any]]] = field(default_factory=list)

    def write(self, text: str, x: float, width: float, size: float, **style: Any) -> None:
        """Lines of text from `y` on, which is moved below them."""
        height = LEADING * size / 72 * DPI
        for line in _wrapped(text, width, size, **style):
            self.y += height
            self.texts.append((x, self.y - 0.3 * height, line, {"size": size, "color": INK, **style}))


def _wrapped(text: str, width: float, size: float, **style: Any) -> list[str]:
    most = max(8, int(width / (size * DPI * CHARACTER * (1.1 if style.get("weight") else 1))))
    return textwrap.wrap(text, most)


def draw(sections: Sequence[Section], heading: str, path: Path) -> list[Path]:
    """Write the sections as PNG; more than fit on one page as `NAME-1.png`, `NAME-2.png`, ….

    Raises RequestError where a file cannot be written.
    """
    with _ready(sections, heading, path) as plain:
        sheets = [_begun(plain(heading), sections)]
        for section in sections:
            if sheets[-1].y > TALLEST:
                sheets.append(_begun(plain(heading), sections))
            _add(sheets[-1], section, plain)
        for old in path.parent.glob(f"{path.stem}-[0-9]*.png"):  # of an earlier page that was longer
            old.unlink()
        names = [path] if len(sheets) == 1 else [path.with_stem(f"{path.stem}-{n + 1}") for n in range(len(sheets))]
        return [_save(sheet, name) for sheet, name in zip(sheets, names, strict=True)]


def draw_single(sections: Sequence[Section], heading: str, path: Path) -> Path:
    """Write the sections as one PNG, however tall. Raises RequestError where it cannot be written."""
    with _ready(sections, heading, path) as plain:
        sheet = _begun(plain(heading), sections)
        for section in sections:
            _add(sheet, section, plain)
        try:
            return _save(sheet, path)
        except RunError as error:
            raise RequestError(str(error)) from None


@contextmanager
def _ready(sections: Sequence[Section], heading: str, path: Path) -> Iterator[Plain]:
    """The folder of a page made, and Matplotlib ready for its texts."""
    texts = [heading, *(text for section in sections for text in section.texts())]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{path.parent}: cannot be made: {error.strerror or error}") from None
    with drawing(texts) as plain:
        yield plain


def _begun(heading: str, sections: Sequence[Section]) -> _Sheet:
    """A page with its heading, and what its colours mean."""
    sheet = _Sheet()
    sheet.write(heading, BORDER, WIDTH - 2 * BORDER, HEADING + 1, weight="bold")
    tiles = [one for section in sections for panel in section.panels for one in panel if not one.are_colours]
    signs = [bool((one.images < 0).any()) for one in tiles]
    x, sheet.y = BORDER, sheet.y + GAP / 2
    for is_signed, name, ends in (
        (True, SIGNED, ("most negative", "0", "most positive")),
        (False, UNSIGNED, ("0", "", "largest")),
    ):
        if is_signed in signs:
            x = _legend(sheet, name, ends, x)
    sheet.y += BAR[0] + GAP / 2 if tiles else 0
    return sheet


def _legend(sheet: _Sheet, name: str, ends: tuple[str, str, str], x: int) -> int:
    """A bar of the colours; the x after it."""
    import matplotlib as mpl

    row = (mpl.colormaps[name](np.linspace(0, 1, BAR[1]))[:, :3] * 255).round().astype(np.uint8)
    style = {"size": TITLE, "color": INK}
    first = x + int(len(ends[0]) * TITLE * DPI * CHARACTER) + 12
    sheet.boxes.append((int(sheet.y), first, np.broadcast_to(row, (*BAR, 3))))
    base = sheet.y + BAR[0] - 5
    sheet.texts.append((x, base, ends[0], style))
    if ends[1]:
        sheet.texts.append((first + BAR[1] / 2, base, ends[1], {**style, "ha": "center"}))
    sheet.texts.append((first + BAR[1] + 12, base, ends[2], style))
    return first + BAR[1] + int(len(ends[2]) * TITLE * DPI * CHARACTER) + 90


def _add(sheet: _Sheet, section: Section, plain: Plain) -> None:
    """A section below what there is."""
    sheet.y += GAP / 2
    sheet.write(plain(section.heading), BORDER, WIDTH - 2 * BORDER, HEADING, weight="bold")
    if section.text:
        sheet.write(plain(section.text), BORDER, WIDTH - 2 * BORDER, TITLE)
    columns = section.columns or max(1, len(section.panels))
    width = (WIDTH - 2 * BORDER + GAP) // columns - GAP
    top, lowest = sheet.y, sheet.y
    lines = max((len(_wrapped(panel[0].title, width, TITLE)) for panel in section.panels), default=0)
    for number, panel in enumerate(section.panels):
        x, sheet.y = BORDER + number * (width + GAP), top
        for index, tiles in enumerate(panel):
            _add_tiles(sheet, tiles, (x, width), plain, 0 if index else lines)  # the first ones on one height
        lowest = max(lowest, sheet.y)
    sheet.y = lowest + GAP / 2


def _add_tiles(sheet: _Sheet, tiles: Tiles, place: tuple[int, int], plain: Plain, lines: int) -> None:
    """A title of at least so many lines, and the tiles; `place` is the x and the width that they have."""
    x, width = place
    layout = arrange(tiles, width, min(width, TALLEST_PANEL))
    sheet.y += 6
    missing = max(0, lines - len(_wrapped(tiles.title, width, TITLE)))
    sheet.write(plain(tiles.title), x, width, TITLE)
    sheet.y += missing * LEADING * TITLE / 72 * DPI
    labels = numbers(tiles, layout)
    sheet.y = int(sheet.y + 8 + (LINE if labels else 0))
    small = {"size": NUMBER, "color": PALE}
    sheet.texts += [(x + right, sheet.y + down, text, small) for right, down, text in labels]
    sheet.boxes.append((int(sheet.y), x + layout.margin, paint(tiles, layout)))
    for index, caption in enumerate(tiles.captions):
        row, column = divmod(index, layout.columns)
        below = sheet.y + (row + 1) * layout.pitch[0] - 8
        sheet.texts.append((x + column * layout.pitch[1], below, plain(caption), {"size": NUMBER, "color": INK}))
    sheet.y += layout.rows * layout.pitch[0] + BELOW


def _save(sheet: _Sheet, path: Path) -> Path:
    """Texts by Matplotlib, the rest pasted below them: its `imshow` takes seconds for so many pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = int(sheet.y) + BORDER
    pixels = np.full((height, WIDTH, 3), 255, np.uint8)
    for top, left, box in sheet.boxes:
        shown = box[: height - top, : WIDTH - left]
        pixels[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
    for x, y, text, style in sheet.texts:
        figure.text(x / WIDTH, 1 - y / height, text, va="baseline", **style)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    texts = np.asarray(canvas.buffer_rgba())[:height, :WIDTH, :3]  # type: ignore[no-untyped-call]
    image = Image.fromarray(np.minimum(pixels, texts))
    about = PngInfo()
    about.add_text("Software", SOFTWARE)
    files.write(path, lambda temporary: image.save(temporary, "png", dpi=(DPI, DPI), pnginfo=about))
    return path

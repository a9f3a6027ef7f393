"""What a report consists of, whatever it is written in: `html.py` and `markdown.py` render a `Document`.

All texts are plain and may come from a stranger's run; renderers escape them. In a `Text`, what is between backticks is
code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Text:
    """A paragraph. `lead` is the result in a sentence, `note` something a reader should know, `warning` more so."""

    text: str
    kind: Literal["plain", "lead", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Facts:
    """Names with their values, in order."""

    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, and what its column is sorted by, where that is not the text."""

    text: str
    sort: float | None = None
    link: str = ""
    """The key of a section on the page."""


@dataclass(frozen=True)
class Column:
    """A column of a table; `help` explains its name."""

    name: str
    help: str = ""
    is_numeric: bool = False


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are columns; an empty text is a missing value."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    is_sortable: bool = False


@dataclass(frozen=True)
class Series:
    """A line, or points, of a chart. NaN leaves a gap.

    `low` and `high` are a band around a line, or error bars of points. Series of one `group`, from 0, share a colour
    and are switched on and off together. `labels` name points, one each.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    kind: Literal["line", "dotted", "points"] = "line"
    group: int = 0
    labels: Sequence[str] = ()
    emphasized: Sequence[int] = ()
    """Points that are drawn in bold, such as those of a Pareto front."""


@dataclass(frozen=True)
class Chart:
    """Series over common axes. `x_names` are categories: x is then their index."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log_x: bool = False
    log_y: bool = False
    x_names: Sequence[str] = ()
    y_range: tuple[float | None, float | None] = (None, None)
    names_points: bool = True
    """Whether labels are written beside points; they are always read under the pointer."""
    diagonal: bool = False
    """Whether the line y = x is drawn, as in a reliability diagram."""


@dataclass(frozen=True)
class Scale:
    """An axis of parallel coordinates: numbers, or categories, whose values are indices of `names`.

    It reaches at least from one of `ends` to the other.
    """

    name: str
    names: Sequence[str] = ()
    is_log: bool = False
    ends: tuple[float, float] | None = None


@dataclass(frozen=True)
class Parallel:
    """Lines across upright axes side by side, with a value on each; NaN where a line has none.

    The lines, with their labels, are in order from the worst to the best one, which is drawn in bold.
    """

    title: str
    scales: Sequence[Scale]
    lines: Sequence[Sequence[float]]
    labels: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """An image file: its bytes, in PNG or WebP, its size in pixels, what it shows, and a caption."""

    data: bytes
    size: tuple[int, int]
    alt: str
    caption: str = ""
    is_pixels: bool = False
    """Whether it is enlarged without smoothing."""

    @property
    def media_type(self) -> str:
        """`image/png` or `image/webp`."""
        return "image/webp" if self.data[:4] == b"RIFF" else "image/png"


@dataclass(frozen=True)
class Pictures:
    """Images beside one another, small ones, or below."""

    items: Sequence[Picture]
    caption: str = ""
    are_small: bool = False


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix: one row per true class, one column per predicted one; `images` behind some of the cells."""

    labels: Sequence[str]
    counts: Sequence[Sequence[int]]
    images: Mapping[tuple[int, int], Picture] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """A layer of a network; layers of a block are deeper than those around it."""

    name: str
    kind: str
    shape: str
    details: str = ""
    parameters: int = 0
    multiplications: int = 0
    depth: int = 0


@dataclass(frozen=True)
class Diagram:
    """A network as boxes from its input to its output."""

    title: str
    nodes: Sequence[Node]


@dataclass(frozen=True)
class Code:
    """Text as it is in a file or is typed."""

    text: str
    language: Literal["yaml", "shell", "text"] = "text"
    caption: str = ""


@dataclass(frozen=True)
class Item:
    """A point of a checklist: true where it holds, false where it does not, None where the tool cannot know."""

    label: str
    state: bool | None
    text: str


@dataclass(frozen=True)
class Checklist:
    """Points that are answered from what is recorded."""

    items: Sequence[Item]


Block = Text | Facts | Table | Chart | Parallel | Pictures | Confusion | Diagram | Code | Checklist


@dataclass(frozen=True)
class Section:
    """A part of the page; `key` is unique on it and fit for a link. Inner sections come after the blocks."""

    title: str
    key: str
    blocks: Sequence[Block] = ()
    sections: Sequence["Section"] = ()
    is_folded: bool = False


@dataclass(frozen=True)
class Document:
    """A page; `footer` says by what and when it was made."""

    title: str
    lead: Sequence[Block]
    sections: Sequence[Section]
    footer: str

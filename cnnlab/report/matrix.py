"""A confusion matrix as an HTML table: thousands of cells, so each is written as shortly as HTML allows."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup, escape

from cnnlab.report import texts
from cnnlab.report.blocks import Confusion

SHADES = 9
LONGEST = 40  # characters of a class in the matrix
MANY = 20  # classes, from which on cells are small


def matrix(confusion: Confusion, key: str) -> Markup:
    """The table; cells with an image behind them are links to `KEY-ROW-COLUMN`."""
    labels = [texts.name(label, LONGEST) for label in confusion.labels]
    size = "many" if len(labels) > MANY else "few"
    stand = " upright" if len(labels) > 6 and max(map(len, labels), default=0) > 3 else ""
    head = "".join(f"<th scope=col><span>{escape(label)}</span>" for label in labels)
    parts = [
        f'<table class="matrix {size}{stand}"><thead><tr><th scope="col" class="corner">true ↓ predicted →</th>'
        f"{head}</tr></thead><tbody>",
    ]
    for row, (label, counts) in enumerate(zip(labels, confusion.counts, strict=False)):
        parts += [f"<tr><th scope=row><span>{escape(label)}</span>", *_cells(confusion, row, counts, key)]
    return Markup("".join([*parts, "</tbody></table>"]))


def _cells(confusion: Confusion, row: int, counts: Sequence[int], key: str) -> Iterator[str]:
    total = sum(counts)
    for column, count in enumerate(counts):
        if not count:
            yield "<td>"
            continue
        hue = "r" if row == column else "w"
        cell = f"<td class={hue}{shade(count, total)}>"
        linked = (row, column) in confusion.images
        yield f'{cell}<a href="#{key}-{row}-{column}">{count}</a>' if linked else f"{cell}{count}"


def shade(count: int, total: int) -> int:
    """From 1 to SHADES: the root of the share of the row, so that rare mistakes are seen."""
    return max(1, min(SHADES, round(SHADES * (count / total) ** 0.5))) if total else 1

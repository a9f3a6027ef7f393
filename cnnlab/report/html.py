"""A `Document` as one HTML file that asks for nothing else: styles, script and images are in it."""

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import BashLexer, TextLexer, YamlLexer

from cnnlab.report import curves, diagram, matrix, parallel, svg, texts
from cnnlab.report.blocks import Block, Chart, Code, Document, Picture, Series

LEXERS = {"yaml": YamlLexer, "shell": BashLexer, "text": TextLexer}
UNIT = re.compile(r"(?<=\d) %")  # stays beside its number
MOST_ROWS, MOST_COLUMNS = 50, 20  # of the table below a chart
LISTED = 40  # sections within one that the table of contents names
ENLARGED, ENLARGED_SMALL = 140, 60  # pixels that tiny images are enlarged to, about


@dataclass(frozen=True)
class _Page:
    """A block or several charts in a row, with an id of their own."""

    kind: str
    items: Sequence[tuple[Block, str]]


def render(document: Document) -> str:
    """The page."""
    style, script = _file("report.css"), _file("report.js")
    return (
        _environment()
        .get_template("page.html")
        .render(
            document=document,
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cnnlab.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters |= {"name": texts.name, "inline": _inline, "anchor": texts.anchor, "code": _code, "uri": _uri}
    environment.globals |= {
        "blocks_of": _blocks,
        "chart_svg": svg.chart,
        "swatch": svg.swatch,
        "legend": _legend,
        "chart_data": _data,
        "diagram_svg": diagram.diagram,
        "parallel_svg": parallel.parallel,
        "parallel_caption": parallel.CAPTION,
        "matrix": matrix.matrix,
        "shown_size": _shown_size,
        "listed": LISTED,
    }
    return environment


def _finalized(value: Any) -> Any:
    """What the template writes: texts without what cannot be seen, markup as it is."""
    return texts.prose(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _file(name: str) -> str:
    return (resources.files("cnnlab.report") / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _inline(text: str) -> Markup:
    """A text, with code where it has backticks."""
    parts = [(is_code, escape(texts.prose(part))) for is_code, part in texts.spans(UNIT.sub("\u00a0%", text))]
    return Markup("").join(Markup("<code>{}</code>").format(part) if is_code else part for is_code, part in parts)


def _code(block: Code) -> Markup:
    lexer = LEXERS[block.language](stripnl=False, ensurenl=False)
    return Markup(highlight(texts.visible(block.text), lexer, HtmlFormatter(nowrap=True)))


def _uri(picture: Picture) -> Markup:
    return Markup(f"data:{picture.media_type};base64,{base64.b64encode(picture.data).decode()}")


def _shown_size(picture: Picture, is_small: bool) -> tuple[int, int]:
    """In CSS pixels: images of few pixels are enlarged, by a whole number."""
    width, height = picture.size
    wanted = ENLARGED_SMALL if is_small else ENLARGED
    factor = max(1, round(wanted / max(width, height, 1))) if picture.is_pixels or is_small else 1
    return width * factor, height * factor


def _blocks(blocks: Sequence[Block], key: str) -> Iterator[_Page]:
    """The blocks with their kinds and ids, charts that follow one another together."""
    named = [(block, f"{texts.anchor(key)}-{index + 1}") for index, block in enumerate(blocks)]
    for kind, items in groupby(named, key=lambda pair: type(pair[0])):
        if kind is Chart:
            yield _Page("charts", list(items))
        else:
            yield from (_Page(kind.__name__.lower(), [item]) for item in items)


def _legend(chart: Chart) -> list[tuple[int, list[Series]]]:
    """Groups in order, each with those of its series that differ in name or kind."""
    groups: dict[int, dict[tuple[str, str], Series]] = {}
    for series in chart.series:
        groups.setdefault(series.group, {}).setdefault((series.name, series.kind), series)
    entries = [(group, list(found.values())) for group, found in groups.items()]
    is_plain = len(chart.series) == 1 and chart.series[0].name in ("", chart.y_label, chart.title)
    return [] if is_plain else entries


def _data(chart: Chart) -> tuple[list[str], list[list[str]], str]:
    """Column names and rows of the table of a chart's values, thinned, and what that left out, `30 of 60 rows`."""
    if any(series.kind == "points" for series in chart.series):
        points = [(series, index) for series in chart.series for index in range(min(len(series.x), len(series.y)))]
        kept = [points[index] for index in _kept(len(points))]
        across = [] if chart.x_names else [chart.x_label]  # of categories, x is where beside them a point is drawn
        rows = [
            [
                *(series.name, svg.point_name(chart, series, index)),
                *(svg.shown(series.x[index]) for _ in across),
                svg.shown(series.y[index]),
            ]
            for series, index in kept
        ]
        return ["Series", "Point", *across, chart.y_label], rows, _some_of(len(kept), len(points), "row")
    columns = [dict(zip(series.x, series.y, strict=False)) for series in chart.series[:MOST_COLUMNS]]
    values = sorted({x for column in columns for x in column if x == x})
    kept_values = [values[index] for index in _kept(len(values))]
    names = [chart.x_label, *(series.name for series in chart.series[:MOST_COLUMNS])]
    rows = [[svg.shown(x), *(svg.shown(c.get(x, float("nan"))) for c in columns)] for x in kept_values]
    left_out = [
        _some_of(len(kept_values), len(values), "row"),
        _some_of(len(columns), len(chart.series), "line"),
    ]
    return names, rows, ", ".join(filter(None, left_out))


def _kept(rows: int) -> Sequence[int]:
    return range(rows) if rows <= MOST_ROWS else curves.thinned(range(rows), MOST_ROWS - 1)


def _some_of(shown: int, count: int, noun: str) -> str:
    return "" if shown == count else f"{shown:,} of {count:,} {noun}s"

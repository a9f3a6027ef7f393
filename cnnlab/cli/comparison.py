"""What `cnnlab compare` prints."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from cnnlab.cli.tables import Format, render, width_of_output
from cnnlab.config.differences import short
from cnnlab.errors import printable

if TYPE_CHECKING:
    from cnnlab.analysis.compare import Comparison

MAX_SETTING = 40  # characters; a longer one is below the table in Markdown and HTML
NO_BREAK = "\0"  # stands for a space at which no line is broken
COSTS = ("best_epoch", "parameters", "multiplications", "seconds_per_epoch")


def format_comparison(found: "Comparison", format: Format, *, published: bool) -> str:
    """A table with notes below; settings that do not fit into a line are above it, one paragraph per group."""
    from cnnlab.analysis.outcomes import legend, outcome_row
    from cnnlab.config.differences import brief

    settings = {key: brief(key, [row.settings[key] for row in found.rows]) for key in found.settings}
    outcomes = [outcome_row(found, row, published=published) for row in found.rows]
    empty = {key for key in outcomes[0] if all(outcome[key] is None for outcome in outcomes)}
    if len(found.rows) == 1 and found.rows[0].verdict.test is None:
        empty.add("verdict")
    outcomes = [{key: value for key, value in outcome.items() if key not in empty} for outcome in outcomes]
    notes = [*legend(found), *found.notes]
    if format is Format.TABLE:
        return _as_text(settings, outcomes, notes)
    apart = {key: values for key, values in settings.items() if max(len(str(value)) for value in values) > MAX_SETTING}
    columns = [*outcomes[0], *(key for key in settings if key not in apart)]
    return render(_rows(outcomes, settings), columns, format, [*_paragraphs(apart, outcomes), *notes])


def _rows(outcomes: Sequence[Mapping[str, Any]], settings: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [
        {**outcome, **{key: values[index] for key, values in settings.items()}}
        for index, outcome in enumerate(outcomes)
    ]


def _as_text(settings: Mapping[str, Sequence[Any]], outcomes: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> str:
    """One table if it is no wider than the output; else the settings, then the results, then the costs."""
    width = width_of_output()
    columns = list(outcomes[0])
    text = render(_rows(outcomes, settings), [*columns, *settings], Format.TABLE, width=None)
    below = "".join(f"\n\n{wrap(note, width, '')}" for note in notes)
    if _widest(text) <= width:
        return text + below
    paragraphs = [wrap(paragraph, width, "    ") for paragraph in _paragraphs(settings, outcomes)]
    differing = ["What differs:", *paragraphs, ""] if paragraphs else []
    tables = [render(outcomes, columns, Format.TABLE, width=None)]
    if _widest(tables[0]) > width:
        costs = ["group", *(column for column in columns if column in COSTS)]
        tables = [render(outcomes, [column for column in columns if column not in COSTS], Format.TABLE)]
        tables += ["", render(outcomes, costs, Format.TABLE)] if len(costs) > 1 else []
    return "\n".join([*differing, *tables]) + below


def _paragraphs(settings: Mapping[str, Sequence[Any]], outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line per group with its settings."""
    if not settings:
        return []
    names = short(list(settings))
    return [
        f"{outcome['group']}: "
        + "; ".join(f"{name}: {values[index]}" for name, values in zip(names, settings.values(), strict=True))
        for index, outcome in enumerate(outcomes)
    ]


def wrap(text: str, width: int, indent: str) -> str:
    """A text in lines, its commands each on one, so that they can be copied."""
    unbroken = re.sub("`[^`]*`", lambda command: command[0].replace(" ", NO_BREAK), printable(text))
    filled = textwrap.fill(unbroken, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return filled.replace(NO_BREAK, " ")


def _widest(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)

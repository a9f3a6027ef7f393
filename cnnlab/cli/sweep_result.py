"""What `cnnlab sweep` prints of a sweep that has come to its end."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnnlab.cli import tables

if TYPE_CHECKING:
    from cnnlab.config.space import Space
    from cnnlab.sweep.folder import SweepFolder
    from cnnlab.sweep.outcome import Finalist, Outcome


def print_outcome(outcome: "Outcome", folder: "SweepFolder", space: "Space", format: tables.Format) -> None:
    """The finalists, one row each, and how to read them."""
    from cnnlab.sweep.summary import describe, finalist_row, notes

    rows = [finalist_row(outcome, one) for one in outcome.finalists]
    if not rows:
        print(f"{folder.path}: {outcome.candidates} trials, no finalists were asked for; {folder.trials} has them")
        return
    columns = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    if format is tables.Format.TABLE:
        for number, one in enumerate(outcome.finalists):
            print(f"{number + 1}. trial {one.trial}: {describe(space, one.point)}")
        print()
    elif format in (tables.Format.JSON, tables.Format.CSV):
        rows = [{**row, **_exact(one)} for row, one in zip(rows, outcome.finalists, strict=True)]
        columns = list(rows[0])
    print(tables.render(rows, columns, format, notes(outcome, folder)))


def _exact(one: "Finalist") -> Mapping[str, Any]:
    return {
        "optimism": one.optimism,
        "optimism_low": one.low,
        "optimism_high": one.high,
        "point": dict(one.point),
        "runs": one.group.runs if one.group else [],
    }

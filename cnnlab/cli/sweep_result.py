"""What `cnnlab sweep` prints of a sweep that has come to its end."""

from typing import TYPE_CHECKING, Any

from cnnlab.cli import tables
from cnnlab.cli.comparison import wrap

if TYPE_CHECKING:
    from cnnlab.config.space import Space
    from cnnlab.sweep.folder import SweepFolder
    from cnnlab.sweep.outcome import Finalist, Outcome


def print_outcome(outcome: "Outcome", folder: "SweepFolder", space: "Space", format: tables.Format) -> None:
    """The finalists, one row each, and how to read them."""
    from cnnlab.sweep.summary import describe, finalist_row, notes

    if format in (tables.Format.JSON, tables.Format.CSV):
        rows = [_exact(outcome, one, is_flat=format is tables.Format.CSV) for one in outcome.finalists]
        print(tables.render(rows, list(rows[0]), format, notes(outcome, folder)))
        return
    rows = [finalist_row(outcome, one) for one in outcome.finalists]
    columns = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    if format is tables.Format.TABLE:
        for number, one in enumerate(outcome.finalists):
            print(f"{number + 1}. trial {one.trial}: {describe(space, one.point)}")
        print(f"\n{tables.render(rows, columns, format)}")
        for note in notes(outcome, folder):
            print(f"\n{wrap(note, tables.width_of_output(), '')}")
        return
    print(tables.render(rows, columns, format, notes(outcome, folder)))


def _exact(outcome: "Outcome", one: "Finalist", *, is_flat: bool) -> dict[str, Any]:
    """A finalist as numbers; its values and runs as text where a cell can have only that."""
    from cnnlab.config import yaml
    from cnnlab.sweep.summary import comparison_row

    row = comparison_row(outcome, one)
    test, metric = row and row.estimate, outcome.metric
    runs = one.group.runs if one.group else []
    return {
        "trial": one.trial,
        metric: one.value,
        f"{metric}_fresh": one.fresh and one.fresh.mean,
        f"{metric}_fresh_standard_deviation": one.fresh and one.fresh.std,
        "n": one.fresh and one.fresh.n,
        "optimism": one.optimism,
        "optimism_low": one.low,
        "optimism_high": one.high,
        "test_accuracy": test and test.mean,
        "test_accuracy_standard_deviation": test and test.std,
        "difference": row and row.verdict.difference,
        "p": row and row.verdict.p,
        "verdict": row and ("winner" if one is outcome.winner else row.verdict.text),
        "parameters": row and row.group.record.parameters,
        "point": yaml.dump_inline(dict(one.point)) if is_flat else dict(one.point),
        "runs": " ".join(runs) if is_flat else runs,
    }

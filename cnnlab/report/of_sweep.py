"""The first lines about a sweep: the winner, what it is worth on fresh seeds, how much of it was luck."""

from collections.abc import Iterator

from cnnlab.messages import pluralize
from cnnlab.report.blocks import Block, Cell, Column, Table, Text
from cnnlab.report.of_search import states_text
from cnnlab.report.sweep_source import SweepSource
from cnnlab.report.words import text
from cnnlab.sweep.outcome import Finalist, Outcome
from cnnlab.sweep.summary import comparison_row, finalist_row, notes

HELP = {
    "fresh seeds": "The same metric, of runs on seeds that the search did not use.",
    "n": "Number of fresh seeds that have finished.",
    "optimism": "The value of the trial less the mean of the fresh seeds: how much of it was luck.",
    "verdict": "Whether the difference from the winner on the test set is more than chance.",
    "p": "Probability of such a difference by chance alone; corrected for the number of comparisons.",
}


def title(sweep: SweepSource) -> str:
    """`lenet: sweep of 60 trials`."""
    trials = "" if sweep.problem else f" of {pluralize(sweep.wanted, 'trial')}"
    return f"{sweep.space.base.name}: sweep{trials}"


def lead(sweep: SweepSource) -> list[Block]:
    """The outcome, as far as there is one."""
    return [*_outcome(sweep), *_progress(sweep)]


def search_text(sweep: SweepSource) -> str:
    """How the hyperparameters were chosen, for the checklist."""
    keys = pluralize(len(sweep.space.dimensions), "key")
    trials = "" if sweep.problem else f", {pluralize(sweep.wanted, 'trial')}: {states_text(sweep.trials)}"
    return (
        f"{sweep.space.search.sampler} over {keys}{trials}, compared by {sweep.metric}; the bounds are in the section "
        "Search. Trials that are not in this folder cannot be known here."
    )


def _outcome(sweep: SweepSource) -> Iterator[Block]:
    outcome, best = sweep.outcome, sweep.ranked[0] if sweep.ranked else None
    if outcome is not None and outcome.winner is not None:
        yield Text(_winner(sweep, outcome, outcome.winner), "lead")
        yield _table(sweep, outcome)
        *caveats, experiment = notes(outcome, sweep.folder)
        yield Text(" ".join(caveats), "note")
        yield Text(experiment)
    elif best is not None:
        point = sweep.described(best.number, best.point)
        yield Text(f"Trial {best.number} is the best so far, {sweep.metric} {best.value:.4f}: {point}.", "lead")
        why = "no finalists were asked for" if sweep.space.search.finalists == 0 else "the finalists are not chosen yet"
        yield Text(
            f"This is the best of {pluralize(len(sweep.ranked), 'complete trial')}, measured on the examples that it "
            f"was chosen by, and so partly luck: {why}.",
            "note",
        )
    elif not sweep.problem:
        yield Text("No trial has finished.", "lead")
    else:
        yield Text("The outcome is not known.", "lead")


def _winner(sweep: SweepSource, outcome: Outcome, winner: Finalist) -> str:
    point = sweep.described(winner.trial, winner.point)
    of = f" of {outcome.candidates:,}" if outcome.candidates else ""
    row = comparison_row(outcome, winner)
    chosen = f"Trial {winner.trial} is the winner{of} by {outcome.metric}: {point}."
    if row is None or row.estimate is None:
        return f"{chosen} Its runs on fresh seeds have not finished."
    found = row.estimate
    interval = "" if found.low is None else f" (95 % interval {found.low:.4f} to {found.high:.4f})"
    seeds = pluralize(found.n, "fresh seed")
    return f"{chosen} Its test accuracy is {found.mean:.4f}{interval}, the mean of {seeds}."


def _table(sweep: SweepSource, outcome: Outcome) -> Table:
    rows = [finalist_row(outcome, one) for one in outcome.finalists]
    keys = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    columns = [
        *(Column(key.replace("test_", "test "), HELP.get(key, ""), is_numeric=key != "verdict") for key in keys),
        Column("values of the keys"),
    ]
    cells = [
        [*(_cell(row[key]) for key in keys), text(sweep.described(one.trial, one.point))]
        for row, one in zip(rows, outcome.finalists, strict=True)
    ]
    return Table("Finalists, the best by validation first", columns, cells)


def _cell(value: object) -> Cell:
    if isinstance(value, float):
        return Cell(f"{value:.4f}", value)
    return Cell(f"{value:,}", float(value)) if isinstance(value, int) else text(value)


def _progress(sweep: SweepSource) -> Iterator[Block]:
    if sweep.problem:
        yield Text(sweep.problem, "warning")
    left = sweep.wanted - sweep.ended
    if left and not sweep.problem:
        more = " The finalists were chosen before." if sweep.outcome and sweep.outcome.finalists else ""
        yield Text(f"{left:,} of {pluralize(sweep.wanted, 'trial')} have not ended.{more}", "note")
    search, outcome = sweep.space.search, sweep.outcome
    if outcome is not None and outcome.finalists:
        finished = sum(one.fresh.n for one in outcome.finalists if one.fresh)
        wanted = len(outcome.finalists) * search.seeds
        if finished < wanted:
            yield Text(f"{finished:,} of {pluralize(wanted, 'run')} on fresh seeds have finished.", "note")
    if workers := len(sweep.folder.workers()):
        at_work = "1 process was" if workers == 1 else f"{workers:,} processes were"
        yield Text(f"{at_work} at work on it when this page was written.", "note")

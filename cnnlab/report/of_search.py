"""The section about the search of a sweep: its space, what the trials came to, which keys mattered."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from cnnlab.config.dimensions import Dimension
from cnnlab.messages import pluralize
from cnnlab.report import search_plots
from cnnlab.report.axes import number as short_number
from cnnlab.report.blocks import Block, Cell, Column, Facts, Section, Table, Text
from cnnlab.report.sweep_source import SweepSource
from cnnlab.report.words import duration, number, text
from cnnlab.sweep import study as states
from cnnlab.sweep.trials import ENDED, TrialRow

MOST_ROWS, MOST_KEYS = 2_000, 24  # of the table of trials


def section(sweep: SweepSource) -> Section:
    """What was searched, and what was found."""
    blocks: list[Block] = [Facts(list(_facts(sweep))), _space(sweep)]
    if sweep.problem:
        return Section("Search", "search", blocks)
    parts = [
        ("Best value so far", "search-budget", list(search_plots.budget(sweep))),
        ("Importance of the keys", "search-importance", list(search_plots.importance(sweep))),
        ("Value of the metric by key", "search-slices", list(search_plots.slices(sweep))),
        ("Parallel coordinates", "search-parallel", list(search_plots.parallel(sweep))),
        ("All trials", "search-trials", list(_table(sweep))),
    ]
    inner = [Section(title, key, found) for title, key, found in parts if found]
    return Section("Search", "search", blocks, inner)


def states_text(trials: Sequence[TrialRow]) -> str:
    """`57 complete, 2 pruned, 1 failed`."""
    found = Counter(trial.state for trial in trials)
    counts = {state: found[state] for state in (*ENDED, states.RUNNING, states.WAITING)}
    return ", ".join(f"{count:,} {state}" for state, count in counts.items() if count)


def _facts(sweep: SweepSource) -> Iterator[tuple[str, str]]:
    search = sweep.space.search
    yield "Sampler", f"{search.sampler}, seed {search.seed}"
    yield "Metric", f"{sweep.metric}, on the validation examples after the last epoch"
    yield "Pruner", search.pruner
    if search.max_parameters is not None:
        yield "Most parameters", f"{search.max_parameters:,}"
    if not sweep.problem:
        yield "Trials", f"{sweep.wanted:,}: {states_text(sweep.trials) or 'none has begun'}"
        seconds = [trial.seconds for trial in sweep.trials if trial.seconds is not None]
        yield "Computation", duration(sum(seconds)) if seconds else "not recorded"
    yield "Finalists", f"{search.finalists:,}, {pluralize(search.seeds, 'fresh seed')} each"


def _space(sweep: SweepSource) -> Table:
    dimensions = sweep.space.dimensions
    columns = [Column("key"), Column("values"), Column("only where", "The condition under which the key applies.")]
    has_conditions = any(one.values.when for one in dimensions)
    rows = [[text(one.key), text(_values(sweep, one)), text(_condition(one))] for one in dimensions]
    width = 3 if has_conditions else 2
    return Table("The space that was searched", columns[:width], [row[:width] for row in rows])


def _values(sweep: SweepSource, dimension: Dimension) -> str:
    values = dimension.values
    if values.choice:
        return ", ".join(f"[{name}]" if "," in name else name for name in sweep.categories[dimension.key])
    low, high = map(short_number, values.ends)
    step = f", step {short_number(float(values.step))}" if values.step is not None else ""
    return f"{low} to {high}, {values.kind.replace('_', ' ')}{step}"


def _condition(dimension: Dimension) -> str:
    def named(wanted: object) -> str:
        return " or ".join(map(str, wanted)) if isinstance(wanted, list) else str(wanted)

    return ", ".join(f"{key} is {named(wanted)}" for key, wanted in dimension.values.when.items())


def _table(sweep: SweepSource) -> Iterator[Block]:
    trials, keys = sweep.trials[:MOST_ROWS], sweep.space.dimensions[:MOST_KEYS]
    if not trials:
        return
    columns = [
        Column("trial", is_numeric=True),
        Column("state", "A pruned trial has the value that it had when it was ended."),
        *(Column(name, is_numeric=True) for name in (sweep.metric, "epochs", "seconds", "parameters")),
        *(Column(sweep.names[one.key], one.key, is_numeric=_is_numeric(one)) for one in keys),
    ]
    rows = [
        [
            number(float(trial.number), ".0f"),
            text(": ".join(filter(None, (trial.state, trial.reason)))),
            number(trial.value, ".4f"),
            number(trial.epochs),
            number(trial.seconds, ".1f"),
            number(trial.parameters),
            *(_cell(sweep, one, trial) for one in keys),
        ]
        for trial in trials
    ]
    yield Table("Trials", columns, rows, is_sortable=True)
    if len(trials) < len(sweep.trials):
        yield Text(f"The first {len(trials):,} of {len(sweep.trials):,} trials; trials.csv has all.", "note")
    if len(keys) < len(sweep.space.dimensions):
        yield Text(f"The first {len(keys)} of {len(sweep.space.dimensions):,} keys; trials.csv has all.", "note")


def _cell(sweep: SweepSource, dimension: Dimension, trial: TrialRow) -> Cell:
    place = sweep.place(dimension, trial)
    return Cell(sweep.shown(dimension, trial), None if math.isnan(place) else place)


def _is_numeric(dimension: Dimension) -> bool:
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in dimension.values.choice or ())

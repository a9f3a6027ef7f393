"""Plots of the trials of a sweep: the best so far, what keys are worth, trials by key, parallel coordinates."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

from cnnlab.config.dimensions import Dimension
from cnnlab.messages import join_names, pluralize
from cnnlab.report.blocks import Block, Chart, Parallel, Scale, Series, Text
from cnnlab.report.sweep_source import SweepSource
from cnnlab.sweep import study as states
from cnnlab.sweep.importance import FOLDS, LEAST_TRIALS, Importance
from cnnlab.sweep.trials import ENDED, TrialRow

MOST_SLICES, MOST_AXES, MOST_KEYS = 24, 8, 24  # keys that are drawn, and whose importance is
MOST_LINES = 1_000  # trials
FEW_PREDICTED = 0.1  # R² below which a forest knows hardly more than the mean
NO_MATTER, MOST_IDLE = 0.02, 5  # an importance that is none, and keys with such a one that are named
WIDE_LOSSES = 30  # the largest by the smallest, from where on the axis is logarithmic


def budget(sweep: SweepSource) -> Iterator[Block]:
    """The best value by trial, and by seconds of training."""
    ended = sweep.of(*ENDED)
    if not sweep.ranked:
        return
    title = f"Best {sweep.metric} so far"
    is_log = _is_log(sweep)
    by_trial = _best_so_far(sweep, [float(trial.number) for trial in ended], ended)
    yield Chart(f"{title}, by trial", "trial", sweep.metric, [by_trial], log_y=is_log)
    if all(trial.seconds is not None for trial in ended):
        spent = list(accumulate(trial.seconds or 0.0 for trial in ended))
        by_time = _best_so_far(sweep, spent, ended)
        yield Chart(f"{title}, by computation", "seconds of training", sweep.metric, [by_time], log_y=is_log)
    yield Text(
        "Of complete trials, in the order of their numbers; the seconds are those of all trials together. The best of "
        "more trials is also luckier: what it is worth is what it reaches on fresh seeds."
    )


def _best_so_far(sweep: SweepSource, x: Sequence[float], trials: Sequence[TrialRow]) -> Series:
    """A line with a step where a trial was better than all before."""
    xs: list[float] = []
    ys: list[float] = []
    for at, trial in zip(x, trials, strict=True):
        if trial.state != states.COMPLETE or trial.value is None:
            continue
        is_better = not ys or (trial.value > ys[-1] if sweep.higher_is_better else trial.value < ys[-1])
        if is_better:
            xs += [at, at] if ys else [at]
            ys += [ys[-1], trial.value] if ys else [trial.value]
    return Series(sweep.metric, [*xs, x[-1]], [*ys, ys[-1]])


def importance(sweep: SweepSource) -> Iterator[Block]:
    """What each key is worth to a forest that predicts the trials, and how well it does."""
    found = sweep.importance
    if found is None:
        count = len(sweep.ranked)
        reason = (
            "all of them have the same value"
            if count >= LEAST_TRIALS
            else f"that takes at least {LEAST_TRIALS} complete trials"
        )
        yield Text(f"Not known from {pluralize(count, 'complete trial')}: {reason}.", "note")
        return
    yield Text(_importance_words(sweep, found))
    if found.r2 < FEW_PREDICTED:
        yield Text("It knows hardly more than that trials differ: what is drawn here may be chance.", "warning")
    keys = list(found.keys)[:MOST_KEYS]
    means, spreads = zip(*(found.keys[key] for key in keys), strict=True)
    series = Series(
        "mean and standard deviation over folds",
        range(len(keys)),
        means,
        [mean - spread for mean, spread in zip(means, spreads, strict=True)],
        [mean + spread for mean, spread in zip(means, spreads, strict=True)],
        kind="points",
    )
    yield Chart(
        "Growth of the error when a key is shuffled", "", "share of the variance", [series], x_names=_names(sweep, keys)
    )


def _importance_words(sweep: SweepSource, found: Importance) -> str:
    left_out = len(sweep.trials) - found.trials
    (first, (growth, _)), *rest = found.keys.items()
    idle = [f"`{sweep.names[key]}`" for key, (mean, _) in rest if mean < NO_MATTER]
    without = f"; {join_names(idle, MOST_IDLE)} {'does' if len(idle) == 1 else 'do'} not matter to it" if idle else ""
    return (
        f"A random forest predicts the ranks of trials that it has not seen with an R² of {found.r2:.2f} "
        f"({FOLDS}-fold cross-validation over {found.trials:,} complete trials"
        + (f"; {left_out:,} others are left out" if left_out else "")
        + f"). Most important to it is `{sweep.names[first]}`: with its values shuffled among trials, the squared "
        f"error grows by {growth:.2f} of the variance{without}. That is within the values that were searched only."
    )


def _names(sweep: SweepSource, keys: Sequence[str]) -> list[str]:
    return [sweep.names[key] for key in keys]


def slices(sweep: SweepSource) -> Iterator[Block]:
    """The metric of all trials against each key."""
    if not any(trial.value is not None for trial in sweep.trials):
        return
    drawn = sweep.by_importance[:MOST_SLICES]
    for one in drawn:
        yield _slice(sweep, one)
    failed = len(sweep.of(states.FAILED))
    if failed:
        yield Text(f"{pluralize(failed, 'trial')} failed, and {'has' if failed == 1 else 'have'} no value.", "note")
    yield from _left_out(sweep, len(drawn))


def _left_out(sweep: SweepSource, drawn: int) -> Iterator[Text]:
    count = len(sweep.space.dimensions)
    if drawn < count:
        which = "most important" if sweep.importance else "first"
        yield Text(f"The {drawn} {which} of {count:,} keys are drawn.", "note")


def _slice(sweep: SweepSource, dimension: Dimension) -> Chart:
    names = sweep.categories.get(dimension.key, [])
    series = [
        _points(sweep, dimension, sweep.ranked, "complete; the best in bold", 0),
        _points(sweep, dimension, sweep.of(states.PRUNED), "pruned, when it was ended", 1),
    ]
    return Chart(
        f"{sweep.metric} by `{sweep.names[dimension.key]}`",
        sweep.names[dimension.key],
        sweep.metric,
        [one for one in series if one.x],
        log_x=dimension.values.kind.startswith("log"),
        log_y=_is_log(sweep),
        x_names=names,
        names_points=False,
    )


def _points(sweep: SweepSource, dimension: Dimension, trials: Sequence[TrialRow], name: str, group: int) -> Series:
    """Trials as points, those of a category beside one another."""
    shown = [trial for trial in trials if dimension.key in trial.point and trial.value is not None]
    spread = 0.6 if dimension.values.choice else 0.0
    x = [sweep.place(dimension, trial) + spread * (trial.number * 0.618034 % 1 - 0.5) for trial in shown]
    best = [index for index, trial in enumerate(shown) if sweep.ranked and trial is sweep.ranked[0]]
    labels = [f"trial {trial.number}: {sweep.shown(dimension, trial)}" for trial in shown]
    return Series(
        name,
        x,
        [math.nan if trial.value is None else trial.value for trial in shown],
        kind="points",
        group=group,
        labels=labels,
        emphasized=best,
    )


def _is_log(sweep: SweepSource) -> bool:
    """Whether the axis of the metric is logarithmic: losses of trials that almost diverged hide all others."""
    values = [trial.value for trial in sweep.trials if trial.value is not None]
    return not sweep.higher_is_better and min(values, default=0.0) > 0 and max(values) > WIDE_LOSSES * min(values)


def parallel(sweep: SweepSource) -> Iterator[Block]:
    """A line per complete trial across the keys and the metric."""
    trials = sweep.ranked[:MOST_LINES]
    if len(trials) < 2:
        return
    chosen = {one.key for one in sweep.by_importance[:MOST_AXES]}
    drawn = [one for one in sweep.space.dimensions if one.key in chosen]
    scales = [
        Scale(sweep.names[one.key], sweep.categories[one.key])
        if one.values.choice
        else Scale(sweep.names[one.key], is_log=one.values.kind.startswith("log"), ends=one.values.ends)
        for one in drawn
    ]
    lines = [[*(sweep.place(one, trial) for one in drawn), trial.value or 0.0] for trial in reversed(trials)]
    labels = [f"trial {trial.number}" for trial in reversed(trials)]
    yield Parallel(
        f"Complete trials by the values of their keys, and {sweep.metric}",
        [*scales, Scale(sweep.metric, is_log=_is_log(sweep))],
        lines,
        labels,
    )
    if len(trials) < len(sweep.ranked):
        yield Text(f"The {len(trials):,} best of {len(sweep.ranked):,} complete trials are drawn.", "note")
    yield from _left_out(sweep, len(drawn))

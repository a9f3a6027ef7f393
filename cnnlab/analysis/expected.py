"""Results of a run, compared with the usual ones of its experiment."""

from collections.abc import Sequence

from cnnlab.analysis import significance
from cnnlab.analysis.results import Result
from cnnlab.analysis.significance import ALPHA, estimate, format_mean_std
from cnnlab.quantities import rounded_time


def compare_with_expected(accuracies: Sequence[float], usual: Sequence[Result], examples: int) -> str:
    """One line that compares test accuracies of an experiment with its `usual` results on the same data.

    `0.9810, as expected (0.9820 ± 0.0010, n = 5)`; empty with fewer than two usual results. `examples` is the
    size of the test set. A single run is as expected inside the 95 % prediction interval, several if their mean does
    not differ detectably.
    """
    if len(usual) < 2:
        return ""
    known = [result.accuracy for result in usual]
    found, theirs = estimate(accuracies), estimate(known)
    ours, context = format_mean_std(found), f"({format_mean_std(theirs)}, n = {theirs.n})"
    off, expected = significance.standard_deviations_off(found.mean, known, 1 / examples)
    if len(accuracies) > 1:
        expected = significance.unpaired(accuracies, known, 1 / examples).p >= ALPHA
    if expected:
        return f"{ours}, as expected {context}"
    side = "above" if off > 0 else "below"
    return f"{ours}, {abs(off):.1f} standard deviations {side} what this config gives {context}"


def describe_expected(usual: Sequence[Result], after: Sequence[tuple[int, Sequence[float]]] = ()) -> str:
    """The expected results in the header of an experiment file: accuracies, also `after` some epochs, and time."""
    if not usual:
        return "not measured yet"
    text = f"test accuracy {format_mean_std(estimate([result.accuracy for result in usual]))} ({_seeds(usual)})"
    text += "".join(f", {format_mean_std(estimate(accuracies))} after {epoch} epochs" for epoch, accuracies in after)
    median = sorted(usual, key=lambda result: result.seconds)[len(usual) // 2]
    cores = f" on {median.cores} {'core' if median.cores == 1 else 'cores'}" if median.cores else ""
    return f"{text}; {rounded_time(median.seconds)}{cores}"


def _seeds(usual: Sequence[Result]) -> str:
    seeds = sorted(result.seed for result in usual)
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    spread = f"{seeds[0]} to {seeds[-1]}" if seeds[-1] - seeds[0] == len(seeds) - 1 else ", ".join(map(str, seeds))
    return f"mean ± standard deviation, seeds {spread}"

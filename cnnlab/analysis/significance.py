"""Statistical tests: whether a difference is more than chance.

Student's t by scipy's distribution functions: `scipy.stats`, which has complete tests, takes half a second to import.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

ALPHA = 0.05
"""The fraction of tables without any real difference that may claim one."""


@dataclass(frozen=True)
class Estimate:
    """A mean of n values with their standard deviation, and the 95 % interval of the mean; None of a single value."""

    n: int
    mean: float
    std: float | None = None
    low: float | None = None
    high: float | None = None


def estimate(
    values: ArrayLike,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    resolution: float = 0.0,
    folds: int | None = None,
) -> Estimate:
    """Of values (n,) that are drawn independently, such as accuracies of n seeds; the interval is by Student's t.

    Neither values nor the interval can lie outside `bounds`. The std is taken to be at least that of rounding to the
    `resolution`. Those of a cross-validation with so many `folds` are not independent: see `variance_of_mean`.
    """
    array = np.asarray(values, float)
    if len(array) < 2:
        return Estimate(len(array), float(array.mean()))
    mean, std = float(array.mean()), float(array.std(ddof=1))
    half = (
        _quantile(len(array) - 1)
        * max(std, resolution / math.sqrt(12))
        * math.sqrt(variance_of_mean(len(array), folds))
    )
    return Estimate(len(array), mean, std, max(mean - half, bounds[0]), min(mean + half, bounds[1]))


def format_mean_std(estimate: Estimate | None) -> str | None:
    """`0.9892 ± 0.0011`; `0.9892` of a single value."""
    if estimate is None:
        return None
    return f"{estimate.mean:.4f}" + ("" if estimate.std is None else f" ± {estimate.std:.4f}")


POWER = 0.8
"""The probability of detecting a real difference for which seeds are counted. Cohen 1988."""
MOST_SEEDS = 100
CERTAIN = 10
"""A difference of this many critical values is missed once in thousands of cases."""
CORRECTED = "corrected resampled t"
"""The method of a test of a cross-validation."""
TINY = 1e-30
"""The variance of equal values, after rounding."""


@dataclass(frozen=True)
class Test:
    """The two-sided p that two means are the same, and the 95 % interval of the first less the second, if any."""

    method: str
    p: float
    low: float | None = None
    high: float | None = None


def variance_of_mean(n: int, folds: int | None = None) -> float:
    """The variance of the mean of n values relative to theirs: 1 / n, more for those of a cross-validation.

    Accuracies of folds are not independent, since these share training examples: 1 / folds + test / training examples.
    Nadeau and Bengio 2003, "Inference for the generalization error", corrected resampled t-test. Other partitions of
    the same examples do not lower it, but add degrees of freedom: with 1 / n for 1 / folds, as Bouckaert and Frank
    2004 propose for repetitions, there are too many false alarms (benchmarks/cross_validation.py).
    """
    return 1 / n if folds is None else 1 / min(n, folds) + 1 / (folds - 1)


def paired(first: ArrayLike, second: ArrayLike, resolution: float = 0.0, folds: int | None = None) -> Test:
    """Student's t test on the differences of values (n,), n > 1, that belong together, such as those of the same seed.

    With `folds`, values of a cross-validation, one per fold of each partition: the corrected resampled t-test.
    `resolution` is the smallest difference that values can have, such as 1 / examples: no standard deviation is taken
    to be less than what rounding to it makes, so that a few values that happen to be equal prove nothing.
    """
    differences = np.asarray(first, float) - np.asarray(second, float)
    n = len(differences)
    variance = max(float(differences.var(ddof=1)), resolution**2 / 6)
    method = CORRECTED if folds else "paired t"
    return _t_test(method, float(differences.mean()), math.sqrt(variance * variance_of_mean(n, folds)), n - 1)


def welch(first: ArrayLike, second: ArrayLike, resolution: float = 0.0) -> Test:
    """Welch's t test of values (n,) and (m,), n and m > 1, whose stds are unknown. Welch 1947."""
    samples = [np.asarray(values, float) for values in (first, second)]
    squares = [max(float(values.var(ddof=1)), resolution**2 / 12) / len(values) for values in samples]
    total = sum(squares)
    degrees_of_freedom = len(samples[0]) + len(samples[1]) - 2.0
    if total:
        parts = (square**2 / (len(values) - 1) for square, values in zip(squares, samples, strict=True))
        degrees_of_freedom = total**2 / sum(parts)
    return _t_test("Welch's t", float(samples[0].mean() - samples[1].mean()), math.sqrt(total), degrees_of_freedom)


def student(first: ArrayLike, second: ArrayLike, resolution: float = 0.0) -> Test:
    """Student's t test of values (n,) and (m,), n + m > 2, that are taken to have one std."""
    samples = [np.asarray(values, float) for values in (first, second)]
    degrees_of_freedom = len(samples[0]) + len(samples[1]) - 2
    variance = sum(float(((values - values.mean()) ** 2).sum()) for values in samples) / degrees_of_freedom
    error = math.sqrt(max(variance, resolution**2 / 12) * sum(1 / len(values) for values in samples))
    return _t_test("Student's t", float(samples[0].mean() - samples[1].mean()), error, degrees_of_freedom)


def unpaired(first: ArrayLike, second: ArrayLike, resolution: float = 0.0) -> Test:
    """Of Welch's and Student's tests of values (n,) and (m,), n and m > 1, the one with the larger p.

    That is Welch's where n = m. With two values on one side and seven on the other, Welch's alone has 8 % false
    positives, not 5 %.
    """
    return max(welch(first, second, resolution), student(first, second, resolution), key=lambda test: test.p)


def mcnemar(first: ArrayLike, second: ArrayLike) -> Test:
    """McNemar's exact test of two classifiers, correct or not on the same examples (n,).

    Only examples on which exactly one is correct count; McNemar 1947, by the binomial distribution.
    """
    from scipy.special import bdtr

    right, other = np.asarray(first, bool), np.asarray(second, bool)
    fewer, more = sorted((int((right & ~other).sum()), int((other & ~right).sum())))
    p = min(1.0, 2 * float(bdtr(fewer, fewer + more, 0.5))) if more else 1.0
    return Test("McNemar, exact", p)


def paired_accuracy_interval(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of the accuracy of the first classifier less that of the second, on the same examples (n,).

    Wald's interval with half an example added to each cell, which is not empty where they agree on all. Agresti and
    Min 2005, "Simple improved confidence intervals for comparing matched proportions".
    """
    from scipy.special import ndtri

    right, other = np.asarray(first, bool), np.asarray(second, bool)
    better, worse = int((right & ~other).sum()) + 0.5, int((other & ~right).sum()) + 0.5
    n = len(right) + 2
    difference = (better - worse) / n
    half = float(ndtri(1 - ALPHA / 2)) * math.sqrt((better + worse) / n - difference**2) / math.sqrt(n)
    return difference - half, difference + half


def holm(values: Sequence[float], comparisons: int | None = None) -> list[float]:
    """The p values of several tests, corrected for multiple comparisons. Holm 1979.

    `comparisons` is the number of possible comparisons, if these were selected by the results: for the best of k groups
    against the others, k (k - 1) / 2, since any pair could have been the best and another.
    """
    count = len(values) if comparisons is None else comparisons
    corrected = [0.0] * len(values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (count - rank) * values[index]))
        corrected[index] = largest
    return corrected


def seeds_needed(first: ArrayLike, second: ArrayLike, resolution: float = 0.0, alpha: float = ALPHA) -> int | None:
    """How many values of each would distinguish the means of these (n,) and (m,), n and m > 1, in 80 % of cases.

    Assumes the observed difference and spread, by the power of Student's test at `alpha`. At least one more than
    now; None if it is more than MOST_SEEDS.
    """
    from scipy.special import nctdtr, stdtrit

    samples = [np.asarray(values, float) for values in (first, second)]
    variance = max(float(np.mean([values.var(ddof=1) for values in samples])), resolution**2 / 12, TINY)
    difference = abs(float(samples[0].mean() - samples[1].mean()))
    n = np.arange(1 + max(map(len, samples)), MOST_SEEDS + 1)
    degrees_of_freedom = 2 * n - 2
    critical = stdtrit(degrees_of_freedom, 1 - alpha / 2)
    noncentrality = difference / np.sqrt(2 * variance / n)
    # For such large values power is 1, and SciPy's noncentral t is nan.
    missed = np.where(noncentrality > CERTAIN * critical, 0.0, nctdtr(degrees_of_freedom, noncentrality, critical))
    enough = n[missed <= 1 - POWER]
    return int(enough[0]) if len(enough) else None


def standard_deviations_off(value: float, values: ArrayLike, resolution: float = 0.0) -> tuple[float, bool]:
    """How many standard deviations of `values` (n,), n > 1, a new one is above their mean; whether it is noise.

    It is inside the 95 % prediction interval, which is wider for few values, whose standard deviation is uncertain.
    """
    array = np.asarray(values, float)
    std = max(float(array.std(ddof=1)), resolution / math.sqrt(12))
    off = float(value - array.mean())
    inside = abs(off) <= _quantile(len(array) - 1) * std * math.sqrt(1 + 1 / len(array))
    return (off / std if std else math.copysign(math.inf, off) if off else 0.0), inside


def _t_test(method: str, difference: float, error: float, degrees_of_freedom: float) -> Test:
    from scipy.special import stdtr

    if error == 0:
        return Test(method, 1.0 if difference == 0 else 0.0, difference, difference)
    half = _quantile(degrees_of_freedom) * error
    return Test(
        method, 2 * float(stdtr(degrees_of_freedom, -abs(difference) / error)), difference - half, difference + half
    )


def _quantile(degrees_of_freedom: float) -> float:
    """The two-sided 5 % critical value of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, 1 - ALPHA / 2))

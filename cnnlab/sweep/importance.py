"""Which keys of a space mattered: what a random forest loses where the values of one are shuffled."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.config.dimensions import Dimension
from cnnlab.config.space import Space
from cnnlab.sweep import study as states
from cnnlab.sweep.trials import TrialRow

LEAST_TRIALS = 20  # that are complete; a forest on fewer says nothing
MOST_TRIALS = 2_000  # that forests are grown on, which takes seconds; of more, every second, third, …
FOLDS, TREES = 5, 100
MOST_REPEATS, MOST_SHUFFLES = 5, 120  # of a key, and of all keys together, per fold


@dataclass(frozen=True)
class Importance:
    """What each key is worth to a random forest that predicts the ranks of trials, the most important first.

    A mean over the folds of a cross-validation with its standard deviation: how much the squared error on trials that
    the forest has not seen grows when the values of the key are shuffled among them, as a share of the variance of the
    ranks (Breiman 2001). `r2` is how well it predicts these trials, at most 1.
    """

    keys: Mapping[str, tuple[float, float]]
    r2: float
    trials: int


def importance(space: Space, trials: Sequence[TrialRow]) -> Importance | None:
    """Of the complete trials; None where there are too few, or all have the same value.

    Ranks of the metric and of values in ranges: neither a loss of a million nor the scale of a key matters.
    """
    complete = [trial for trial in trials if trial.state == states.COMPLETE and trial.value is not None]
    if len(complete) < LEAST_TRIALS or len({trial.value for trial in complete}) < 2:
        return None
    complete = complete[:: math.ceil(len(complete) / MOST_TRIALS)]
    from scipy.stats import rankdata
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    ranks = rankdata([trial.value for trial in complete])
    features = np.column_stack([_feature(one, complete) for one in space.dimensions])
    repeats = max(1, min(MOST_REPEATS, MOST_SHUFFLES // features.shape[1]))
    errors, losses = [], []
    for seen, unseen in KFold(FOLDS, shuffle=True, random_state=0).split(features):
        forest = RandomForestRegressor(TREES, random_state=0).fit(features[seen], ranks[seen])
        errors.append(np.mean((forest.predict(features[unseen]) - ranks[unseen]) ** 2))
        shuffled = permutation_importance(
            forest,
            features[unseen],
            ranks[unseen],
            scoring="neg_mean_squared_error",
            n_repeats=repeats,
            random_state=0,
        )
        losses.append(shuffled.importances_mean / ranks.var())
    means, spreads = np.mean(losses, axis=0), np.std(losses, axis=0, ddof=1)
    order = np.argsort(-means, kind="stable")
    keys = {space.dimensions[index].key: (float(means[index]), float(spreads[index])) for index in order}
    return Importance(keys, float(1 - np.mean(errors) / ranks.var()), len(complete))


def _feature(dimension: Dimension, trials: Sequence[TrialRow]) -> NDArray[np.float64]:
    """A number per trial, from 0; -1 where the key does not apply."""
    from scipy.stats import rankdata

    key, choices = dimension.key, dimension.values.choice
    found = np.full(len(trials), -1.0)
    with_key = [index for index, trial in enumerate(trials) if key in trial.point]
    values = [trials[index].point[key] for index in with_key]
    found[with_key] = [position(choices, value) for value in values] if choices else rankdata(values)
    return found


def position(choices: Sequence[object], value: object) -> int:
    """The index of a value that is one of the choices: 1 is not true."""
    return next(index for index, one in enumerate(choices) if one is value)

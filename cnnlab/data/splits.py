"""Reproducible splits of examples."""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Examples
from cnnlab.errors import ConfigError
from cnnlab.experiment.data.fold import Fold
from cnnlab.messages import pluralize

SEED = 0  # of every split: two runs of an experiment differ in their training seed, never in their data


def split(examples: Examples, count: int, option: str = "count") -> tuple[Examples, Examples]:
    """All but `count` examples, and those `count`; each in the order that they came in.

    Stratified: every class keeps its share in both parts. The only example of a class stays among the first part.
    Groups are not divided, so that with groups it may be another number. Raises ConfigError, naming the `option`, where
    no groups come near the count.
    """
    if examples.groups is None or count == 0:
        chosen = _chosen(examples.labels, count)
    else:
        chosen = _chosen_groups(examples.labels, examples.groups, count, option)
    is_chosen = np.zeros(len(examples), bool)
    is_chosen[chosen] = True
    return examples.take(np.flatnonzero(~is_chosen)), examples.take(np.flatnonzero(is_chosen))


def _chosen(labels: NDArray[np.int32], count: int) -> NDArray[np.intp]:
    """The indices of `count` examples."""
    sizes = np.bincount(labels)
    divisible = np.flatnonzero(sizes[labels] > 1)
    count_of_classes = np.count_nonzero(sizes > 1)
    if min(count, len(divisible) - count) >= count_of_classes > 0:
        from sklearn.model_selection import train_test_split

        _, chosen = train_test_split(divisible, test_size=count, random_state=SEED, stratify=labels[divisible])
    else:  # fewer than one of each class, or more than all but one
        order = _spread(labels)
        chosen = order[np.argsort(sizes[labels[order]] == 1, kind="stable")][:count]
    return np.asarray(chosen)


def _chosen_groups(labels: NDArray[np.int32], groups: NDArray[np.int32], count: int, option: str) -> NDArray[np.intp]:
    """The indices of all examples of the groups that together are nearest to `count` and to every class's share.

    Greedy, as scikit-learn's StratifiedGroupKFold, which has equal folds only: in the order of their sizes, a group is
    taken where the sum over classes of (examples - share)² / share becomes no larger; first those that fit into the
    count. A class that is then absent, but is in several groups, gets the group that costs least, as long as at most
    twice `count` examples are taken.
    """
    members = _by_group(labels, groups)
    totals = np.bincount(labels)
    shares = totals * (count / len(labels))
    taken = np.zeros_like(shares)
    chosen: set[int] = set()

    def cost(group: int) -> float:
        classes, counts = members[group]
        change = (taken[classes] + counts - shares[classes]) ** 2 - (taken[classes] - shares[classes]) ** 2
        return float((change / shares[classes]).sum())

    def take(group: int) -> None:
        classes, counts = members[group]
        taken[classes] += counts
        chosen.add(group)

    order = np.random.default_rng(SEED).permutation(len(members)).tolist()
    order.sort(key=lambda group: -members[group][1].sum())
    for largest in (count, len(labels)):
        for group in order:
            if group not in chosen and taken.sum() + members[group][1].sum() <= largest and cost(group) <= 0:
                take(group)
    for label in np.flatnonzero((taken == 0) & (totals > 0)).tolist():
        having = [group for group in order if label in members[group][0]]
        nearest = min(having, key=cost)
        if taken[label] == 0 and len(having) > 1 and taken.sum() + members[nearest][1].sum() <= 2 * count:
            take(nearest)
    if not 0 < len(chosen) < len(members):
        raise ConfigError(_indivisible(option, count, [int(counts.sum()) for _, counts in members], len(labels)))
    numbers = np.unique(groups)
    return np.flatnonzero(np.isin(groups, numbers[sorted(chosen)]))


def _by_group(labels: NDArray[np.int32], groups: NDArray[np.int32]) -> list[tuple[NDArray[np.int32], NDArray[np.intp]]]:
    """The classes that are in each group, in the order of the groups' numbers, and how many examples of each."""
    pairs, counts = np.unique(np.stack([groups, labels]), axis=1, return_counts=True)
    ends = np.flatnonzero(np.diff(pairs[0])) + 1
    return list(zip(np.split(pairs[1], ends), np.split(counts, ends), strict=True))


def _indivisible(option: str, count: int, sizes: list[int], total: int) -> str:
    """Why no groups can be held out."""
    if len(sizes) == 1:
        return f"{option}: {count:,} of {total:,} examples, which are one group of data.group and cannot be divided"
    least = min(sizes)
    if count < least:
        what, share = f"but the smallest of {len(sizes):,} groups of data.group has {least:,}", least / total
    else:
        what, share = f"but {len(sizes):,} groups of data.group, of up to {max(sizes):,}, cannot be divided so", 0.5
    return f"{option}: {count:,} of {total:,} examples, {what}; try --set {option}={max(0.01, round(share, 2)):g}"


def divided(examples: Examples, fold: Fold) -> tuple[Examples, Examples]:
    """The examples outside of a fold, and those in it; each in the order that they came in. Raises ConfigError."""
    is_held_out = fold_assignment(examples.labels, examples.groups, fold.of, fold.seed) == fold.number - 1
    return examples.take(np.flatnonzero(~is_held_out)), examples.take(np.flatnonzero(is_held_out))


def subset(examples: Examples, count: int) -> Examples:
    """`count` examples in which every class keeps its share; a smaller count gives a part of a larger one's."""
    return examples.take(np.sort(_spread(examples.labels)[:count]))


def _spread(labels: NDArray[np.int32]) -> NDArray[np.intp]:
    """The indices of all examples, in an order that spreads every class evenly.

    Each class is shuffled, and its examples are laid along a line at equal distances.
    """
    random = np.random.default_rng(SEED)
    places = np.empty(len(labels))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        places[random.permutation(members)] = (np.arange(len(members)) + random.random()) / len(members)
    return np.argsort(places, kind="stable")


def fold_assignment(
    labels: NDArray[np.integer], groups: NDArray[np.integer] | None, folds: int, seed: int
) -> NDArray[np.intp]:
    """The fold, from 0, in which each example is held out: (n,).

    Stratified: every class has about the same share in every fold; a class with fewer examples than folds is absent
    from some. `groups` (n,) are equal where examples belong together, and all of one group are in one fold.
    scikit-learn's StratifiedKFold and StratifiedGroupKFold. Raises ConfigError where a fold would be empty.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    units, what = (len(labels), "example") if groups is None else (len(np.unique(groups)), "group")
    if units < folds:
        raise ConfigError(f"{folds} folds of {pluralize(units, what)}; expected at most one fold per {what}")
    if np.bincount(labels).max() < folds:  # nothing to stratify, which scikit-learn refuses
        kind = KFold if groups is None else GroupKFold
    else:
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(folds, shuffle=True, random_state=seed)
    assigned = np.empty(len(labels), np.intp)
    with warnings.catch_warnings():  # the classes that are too small are in the docstring
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        for fold, (_, held_out) in enumerate(splitter.split(np.empty(len(labels)), labels, groups)):
            assigned[held_out] = fold
    if len(np.unique(assigned)) < folds:
        raise ConfigError(f"{folds} folds of {pluralize(units, what)}, which differ too much in size: a fold is empty")
    return assigned


def of_classes(examples: Examples, classes: NDArray[np.intp]) -> Examples:
    """The examples whose labels are among `classes`, relabelled by the index in it."""
    number = np.full(max(int(examples.labels.max(initial=0)), int(classes.max())) + 1, -1, np.int32)
    number[classes] = np.arange(len(classes), dtype=np.int32)
    labels = number[examples.labels]
    which = np.flatnonzero(labels >= 0)
    return replace(examples.take(which), labels=labels[which])

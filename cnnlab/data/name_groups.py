"""Whether the names of files look as if several belong together, and the `data.group` that says so."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.check import Finding, distinct_splits
from cnnlab.data.dataset import Dataset
from cnnlab.data.groups import find_groups
from cnnlab.errors import ConfigError
from cnnlab.experiment.data.group import ByFolder, ByName, ByRound, BySequence, Group
from cnnlab.messages import pluralize

ROUNDS = 0.9  # of the steps between consecutive numbers, which lead to the next class
CONSECUTIVE = 0.5  # of all steps between numbers
MIN_CLASSES = 3  # of a round: two classes in turn would look like chance
MIN_RUN = 3  # the median of files whose numbers follow each other without a gap
MIN_GAP = 5  # the median gap between them; of numbers that are missing here and there it is smaller
SEQUENCE = "^(.*?)([0-9]+)[.]"
PREFIXES = ("^([^_-]+)[_-]", "^(.+)[_-]")
"""The text before the first and before the last separator."""


@dataclass(frozen=True)
class Grouping:
    """What was noticed, with the option that sets the `data.group` that may fit, and how many groups it gives."""

    text: str
    count: int


def name_findings(dataset: Dataset) -> list[Finding]:
    """A warning with a `data.group` that is usable as it is, where names look grouped; none if there are groups."""
    parts = list(distinct_splits(dataset).values())
    files = [str(file) for part in parts if part.files is not None for file in part.files]
    if dataset.group_names or len(files) < sum(map(len, parts)):
        return []
    found = find_grouping(files, np.concatenate([part.labels for part in parts]), dataset.num_classes)
    return [Finding("grouped-names", dataset.name, found.count, found.text)] if found else []


def find_grouping(files: Sequence[str], labels: NDArray[np.int32], num_classes: int) -> Grouping | None:
    """What the names of these files, written relative to their folder, look grouped by; None if by nothing."""
    for rule, written, why in _proposals(files, labels, num_classes):
        try:
            groups = find_groups(rule, files, labels, num_classes)
        except ConfigError:
            continue
        sizes = np.bincount(groups.numbers)
        classes = np.unique(np.stack([groups.numbers, labels]), axis=1).shape[1]
        # Groups of one class each may be what the classes are called; of several classes, a few groups are enough.
        fewest = 2 if classes > len(sizes) else max(2, num_classes)
        if not fewest < len(sizes) <= len(files) / 2:
            continue
        span = f"{sizes.min():,} to {sizes.max():,}" if sizes.min() < sizes.max() else f"{sizes.max():,}"
        text = (
            f"the names of the files look grouped: {why} ({pluralize(len(sizes), 'group')} of {span} images), and a "
            f"random split divides groups; if images of a group are alike, keep them "
            f"together, such as by --set {_for_shell(f'data.group={written}')}"
        )
        return Grouping(text, len(sizes))
    return None


def _proposals(files: Sequence[str], labels: NDArray[np.int32], num_classes: int) -> Iterator[tuple[Group, str, str]]:
    """Rules that may fit, each as it is written in an experiment, and what was noticed."""
    names = [PurePath(file).name for file in files]
    depths = {len(PurePath(file).parts) for file in files}
    parents = {PurePath(file).parent for file in files}
    if len(depths) == 1 and min(depths) > 2 and len(parents) > num_classes:
        yield ByFolder(level=1), "{folder: 1}", "there are folders within the classes"
    if num_classes >= MIN_CLASSES and (pattern := _round_pattern(names, labels, num_classes)):
        yield ByRound(pattern=pattern), f"{{rounds: {_quoted(pattern)}}}", "consecutive numbers go through the classes"
    if _has_runs(names):
        yield BySequence(pattern=SEQUENCE), f"{{sequence: {_quoted(SEQUENCE)}}}", "consecutive numbers, then gaps"
    for pattern in PREFIXES:
        if all(re.search(pattern, name) for name in names):
            yield ByName(pattern=pattern), _quoted(pattern), "many begin alike"


def _round_pattern(names: Sequence[str], labels: NDArray[np.int32], num_classes: int) -> str | None:
    """The pattern of the numbers in names, where consecutive ones mostly belong to consecutive classes."""
    first, last = min(names), max(names)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    prefix = first[:same].rstrip("0123456789")
    pattern = f"^{re.escape(prefix)}([0-9]+)" if prefix else "([0-9]+)[.]"
    found = [re.search(pattern, name) for name in names]
    numbers = np.array([int(match[1]) for match in found if match is not None and len(match[1]) < 18], np.int64)
    if len(numbers) < len(names) or len(names) < 2:
        return None
    order = np.argsort(numbers, kind="stable")
    is_next = np.diff(numbers[order]) == 1
    to_next_class = np.diff(labels[order]) % num_classes == 1
    if is_next.mean() < CONSECUTIVE or to_next_class[is_next].mean() < ROUNDS:
        return None
    return pattern


def _has_runs(names: Sequence[str]) -> bool:
    """Whether the numbers in names are all different and follow each other, in runs with wide gaps between them."""
    found = [re.search(SEQUENCE, name) for name in names]
    numbers: dict[str, list[int]] = {}
    for match in found:
        if match is None or len(match[2]) >= 18:
            return False
        numbers.setdefault(match[1], []).append(int(match[2]))
    steps = np.concatenate([[0], *(np.diff(np.sort(series)) for series in numbers.values())])[1:]
    ends = np.flatnonzero(steps != 1)
    if not len(ends) or not steps.all():
        return False
    return bool(np.median(np.diff(ends, prepend=-1)) >= MIN_RUN and np.median(steps[ends]) > MIN_GAP)


def _quoted(pattern: str) -> str:
    """As a string in YAML."""
    return "'" + pattern.replace("'", "''") + "'"


def _for_shell(text: str) -> str:
    """As one argument; in double quotes if no character is special in them, which reads better."""
    return shlex.quote(text) if set(text) & set('"$`\\!') else f'"{text}"'

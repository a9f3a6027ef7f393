"""Checks every example of an experiment for duplicates, contradictions and other faults."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Dataset, Examples
from cnnlab.messages import join_names, pluralize

IMBALANCE = 3.0  # times as many examples in the largest class as in the smallest, beyond which accuracy misleads
NAMED = 5  # examples, or groups of them, in a finding
IN_GROUP = 3  # examples of a group in a finding


@dataclass(frozen=True)
class Finding:
    """A finding about the examples of a split. An error makes them unusable, a warning may be intended."""

    kind: str
    split: str
    count: int
    text: str
    is_error: bool = False

    def __str__(self) -> str:
        """`train: what was found`."""
        return f"{self.split}: {self.text}"


def distinct_splits(dataset: Dataset) -> dict[str, Examples]:
    """The splits, without validation examples that are the test set."""
    splits = dataset.splits()
    if dataset.validation is dataset.test:
        del splits["validation"]
    return splits


def check(dataset: Dataset) -> list[Finding]:
    """Duplicates within and across splits, labels that contradict each other, imbalance, constant images."""
    found: list[Finding] = []
    splits = distinct_splits(dataset)
    for name, examples in splits.items():
        found.extend(_in_split(dataset, name, examples))
    names = list(splits)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            found.extend(_across(dataset, first, second))
    return found


def _in_split(dataset: Dataset, name: str, examples: Examples) -> Iterator[Finding]:
    counts = np.bincount(examples.labels, minlength=dataset.num_classes)
    low, high = int(counts.argmin()), int(counts.argmax())
    if counts[low] == 0:
        absent = [dataset.class_names[label] for label in np.flatnonzero(counts == 0)]
        yield Finding("absent", name, len(absent), f"no examples of {join_names(absent, NAMED)}")
    elif counts[high] > IMBALANCE * counts[low]:
        yield Finding(
            "imbalance",
            name,
            int(counts[high] - counts[low]),
            f"imbalanced: {counts[high]:,} of {dataset.class_names[high]}, {counts[low]:,} of "
            f"{dataset.class_names[low]}; accuracy alone is misleading",
        )
    constant = _constant(examples)
    if len(constant):
        where = join_names([_name(examples, index) for index in constant], NAMED)
        yield Finding(
            "constant", name, len(constant), f"{pluralize(len(constant), 'image')} of a single colour: {where}"
        )
    contradicting: list[list[int]] = []
    harmless: list[list[int]] = []
    for group in _groups(examples):
        (contradicting if len({*examples.labels[group].tolist()}) > 1 else harmless).append(group)
    if contradicting:
        where = join_names([_joined(_with_classes(dataset, examples, group)) for group in contradicting], NAMED)
        text = f"{pluralize(len(contradicting), 'image')} with contradicting labels: {where}"
        yield Finding("contradictions", name, len(contradicting), text)
    if harmless:
        more = sum(len(group) - 1 for group in harmless)
        where = join_names([_joined([_name(examples, index) for index in group]) for group in harmless], NAMED)
        yield Finding("duplicates", name, more, f"{pluralize(more, 'duplicate image')} with the same label: {where}")


def _with_classes(dataset: Dataset, examples: Examples, group: list[int]) -> list[str]:
    """The members of a group with their classes, one of each class first."""
    labels = examples.labels[group]
    first = np.unique(labels, return_index=True)[1].tolist()
    order = [*first, *(index for index in range(len(group)) if index not in first)]
    return [f"{_name(examples, group[index])} ({dataset.class_names[labels[index]]})" for index in order]


def _joined(names: list[str]) -> str:
    """Images that are equal."""
    more = f" and {len(names) - IN_GROUP:,} more" if len(names) > IN_GROUP else ""
    return " = ".join(names[:IN_GROUP]) + more


def _across(dataset: Dataset, first: str, second: str) -> Iterator[Finding]:
    """Images that are in two splits, and those of them whose labels differ."""
    examples, others = dataset.splits()[first], dataset.splits()[second]
    where = {digest: index for index, digest in enumerate(_keys(examples))}
    shared = [(where[digest], index) for index, digest in enumerate(_keys(others)) if digest in where]
    if shared:
        pairs = [f"{first} {_name(examples, a)} = {second} {_name(others, b)}" for a, b in shared]
        text = f"{len(shared):,} of {pluralize(len(others), 'image')} also in {first}, so {second} results are biased"
        yield Finding("leak", second, len(shared), f"{text}: {join_names(pairs, NAMED)}")
    differing = [(a, b) for a, b in shared if examples.labels[a] != others.labels[b]]
    if differing:
        names = dataset.class_names
        pairs = [
            f"{first} {_name(examples, a)} ({names[examples.labels[a]]}) = "
            f"{second} {_name(others, b)} ({names[others.labels[b]]})"
            for a, b in differing
        ]
        text = f"{len(differing):,} of them with another label in {first}, so one label is wrong"
        yield Finding("contradictions", second, len(differing), f"{text}: {join_names(pairs, NAMED)}")


def _constant(examples: Examples) -> list[int]:
    """The indices of images all of whose pixels are equal."""
    found: list[int] = []
    for part in examples.chunks():
        images = examples.images[part]
        flat = images.reshape(len(images), -1, images.shape[-1])
        found.extend((part.start + np.flatnonzero((flat == flat[:, :1]).all(axis=(1, 2)))).tolist())
    return found


def _groups(examples: Examples) -> list[list[int]]:
    """The indices of equal images, one list per image that occurs more than once."""
    keys = _keys(examples)
    repeated = {key for key, count in Counter(keys).items() if count > 1}
    groups: dict[bytes, list[int]] = {}
    for index, key in enumerate(keys):
        if key in repeated:
            groups.setdefault(key, []).append(index)
    return list(groups.values())


def _keys(examples: Examples) -> list[bytes]:
    digests: NDArray[np.uint8] = np.ascontiguousarray(examples.digests)
    return [row.tobytes() for row in digests]


def _name(examples: Examples, index: int) -> str:
    return str(index) if examples.files is None else str(examples.files[index])

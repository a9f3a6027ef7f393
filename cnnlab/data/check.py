"""What may be wrong with the examples of an experiment, found by looking at every one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Dataset, Examples

IMBALANCE = 3.0  # times as many examples in the largest class as in the smallest, beyond which accuracy misleads
NAMED = 5  # examples, or groups of them, that a finding names
IN_GROUP = 3  # examples of a group that are named


@dataclass(frozen=True)
class Finding:
    """Something about the examples of a split; an error makes them unusable, a warning may be as it should be."""

    kind: str
    split: str
    count: int
    text: str
    is_error: bool = False

    def __str__(self) -> str:
        """`train: what was found`."""
        return f"{self.split}: {self.text}"


def check(dataset: Dataset) -> list[Finding]:
    """Duplicates within and across splits, labels that contradict each other, imbalance, constant pictures."""
    found: list[Finding] = []
    splits = dataset.splits()
    if dataset.validation is dataset.test:
        del splits["validation"]
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
        yield Finding("absent", name, len(absent), f"no examples of {_listed(absent)}")
    elif counts[high] > IMBALANCE * counts[low]:
        yield Finding(
            "imbalance",
            name,
            int(counts[high] - counts[low]),
            f"imbalanced: {counts[high]:,} of {dataset.class_names[high]}, {counts[low]:,} of "
            f"{dataset.class_names[low]}; accuracy alone misleads",
        )
    constant = _constant(examples)
    if len(constant):
        where = _listed([_name(examples, index) for index in constant])
        yield Finding("constant", name, len(constant), f"{len(constant):,} images of a single colour: {where}")
    contradicting: list[list[int]] = []
    harmless: list[list[int]] = []
    for group in _groups(examples):
        (contradicting if len({*examples.labels[group].tolist()}) > 1 else harmless).append(group)
    if contradicting:
        where = _listed([_joined(_with_classes(dataset, examples, group)) for group in contradicting], "; ")
        text = f"{len(contradicting):,} images are there with different labels, so that one is wrong: {where}"
        yield Finding("contradictions", name, len(contradicting), text)
    if harmless:
        more = sum(len(group) - 1 for group in harmless)
        where = _listed([_joined([_name(examples, index) for index in group]) for group in harmless], "; ")
        yield Finding(
            "duplicates", name, more, f"{more:,} images are there more than once, with the same label: {where}"
        )


def _with_classes(dataset: Dataset, examples: Examples, group: list[int]) -> list[str]:
    """The members of a group with their classes, one of each class first."""
    labels = examples.labels[group]
    first = np.unique(labels, return_index=True)[1].tolist()
    order = [*first, *(index for index in range(len(group)) if index not in first)]
    return [f"{_name(examples, group[index])} ({dataset.class_names[labels[index]]})" for index in order]


def _joined(names: list[str]) -> str:
    """Images that are the same."""
    more = f" and {len(names) - IN_GROUP:,} more" if len(names) > IN_GROUP else ""
    return " = ".join(names[:IN_GROUP]) + more


def _across(dataset: Dataset, first: str, second: str) -> Iterator[Finding]:
    """Images that are in two splits, those whose labels differ apart."""
    examples, others = dataset.splits()[first], dataset.splits()[second]
    where = {digest: index for index, digest in enumerate(_keys(examples))}
    shared = [(where[digest], index) for index, digest in enumerate(_keys(others)) if digest in where]
    if shared:
        pairs = [f"{first} {_name(examples, a)} = {second} {_name(others, b)}" for a, b in shared]
        text = f"{len(shared):,} of {len(others):,} images are in {first} too, so that it is no test of them"
        yield Finding("leak", second, len(shared), f"{text}: {_listed(pairs)}")
    differing = [(a, b) for a, b in shared if examples.labels[a] != others.labels[b]]
    if differing:
        names = dataset.class_names
        pairs = [
            f"{first} {_name(examples, a)} ({names[examples.labels[a]]}) = "
            f"{second} {_name(others, b)} ({names[others.labels[b]]})"
            for a, b in differing
        ]
        text = f"{len(differing):,} of them have another label in {first}, so that one is wrong"
        yield Finding("contradictions", second, len(differing), f"{text}: {_listed(pairs)}")


def _constant(examples: Examples) -> list[int]:
    """The places of pictures all of whose pixels are the same."""
    found: list[int] = []
    for part in examples.chunks():
        images = examples.images[part]
        flat = images.reshape(len(images), -1, images.shape[-1])
        found.extend((part.start + np.flatnonzero((flat == flat[:, :1]).all(axis=(1, 2)))).tolist())
    return found


def _groups(examples: Examples) -> list[list[int]]:
    """The places of pictures that are the same, where there is more than one."""
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


def _listed(texts: list[str], separator: str = ", ") -> str:
    return separator.join(texts[:NAMED]) + (f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else "")

"""What may be wrong with the examples of an experiment, found by looking at every one."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Dataset, Examples

IMBALANCE = 3.0  # times as many examples in the largest class as in the smallest, beyond which accuracy misleads
NAMED = 5  # examples that a finding names


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
            found.extend(_across(first, splits[first], second, splits[second]))
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
        yield Finding("constant", name, len(constant), f"{len(constant):,} pictures of a single colour: {where}")
    groups = _groups(examples)
    if groups:
        more = sum(len(group) - 1 for group in groups)
        where = _listed([" = ".join(_name(examples, index) for index in group) for group in groups])
        yield Finding("duplicates", name, more, f"{more:,} pictures are there more than once: {where}")
    contradicting = [group for group in groups if len({*examples.labels[group].tolist()}) > 1]
    if contradicting:
        where = _listed(
            [
                " = ".join(
                    f"{_name(examples, index)} ({dataset.class_names[examples.labels[index]]})" for index in group
                )
                for group in contradicting
            ]
        )
        yield Finding(
            "contradictions", name, len(contradicting), f"{len(contradicting):,} pictures with two labels: {where}"
        )


def _across(first: str, examples: Examples, second: str, others: Examples) -> Iterator[Finding]:
    where = {digest: index for index, digest in enumerate(_keys(examples))}
    shared = [(where[digest], index) for index, digest in enumerate(_keys(others)) if digest in where]
    if shared:
        pairs = [f"{first} {_name(examples, a)} = {second} {_name(others, b)}" for a, b in shared]
        yield Finding(
            "leak",
            second,
            len(shared),
            f"{len(shared):,} of {len(others):,} pictures are in {first} too, so that it is no test of them: "
            f"{_listed(pairs)}",
        )


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


def _listed(texts: list[str]) -> str:
    return ", ".join(texts[:NAMED]) + (f" and {len(texts) - NAMED:,} more" if len(texts) > NAMED else "")

"""What near-duplicates mean for the splits, and their table and their pages of images."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.check import NAMED, Finding
from cnnlab.data.dataset import Examples
from cnnlab.data.near import Pair, Place
from cnnlab.messages import join_names, pluralize

Splits = Mapping[str, Examples]
SHOWN = 60  # pairs in a figure
COLUMNS = (
    "kind",
    "across_splits",
    "same_label",
    "correlation",
    "hash_distance",
    *(f"{what}_{number}" for number in (1, 2) for what in ("split", "index", "file", "label")),
)
"""Of the table of pairs."""


def near_findings(splits: Splits, pairs: Sequence[Pair], class_names: Sequence[str]) -> Iterator[Finding]:
    """Near-duplicates of different splits, those within one, and those whose labels differ."""
    names = _Names(splits, class_names)
    for first, second in combinations(splits, 2):
        across = [pair for pair in pairs if (pair.first.split, pair.second.split) == (first, second)]
        if across:
            count = len({pair.second.index for pair in across})
            where = join_names([names.pair(pair) for pair in across], NAMED)
            text = (
                f"{count:,} of {pluralize(len(splits[second]), 'image')} nearly equal to one in {first}, so {second} "
                f"results are biased: {where}"
            )
            yield Finding("near-leak", second, count, text)
    for split in splits:
        within = [pair for pair in pairs if pair.first.split == pair.second.split == split]
        if within:
            where = join_names([names.pair(pair) for pair in within], NAMED)
            why = ", which a random split may divide" if split == "train" else ""
            text = f"{pluralize(len(within), 'pair')} of nearly equal images{why}: {where}"
            yield Finding("near-duplicates", split, len(within), text)
    contradicting = [pair for pair in pairs if names.differ(pair)]
    if contradicting:
        where = join_names([names.pair(pair) for pair in contradicting], NAMED)
        text = f"{pluralize(len(contradicting), 'pair')} of nearly equal images with different labels: {where}"
        yield Finding("near-contradictions", contradicting[0].second.split, len(contradicting), text)


class _Names:
    """What examples are called."""

    def __init__(self, splits: Splits, class_names: Sequence[str]) -> None:
        self._splits, self._class_names = splits, class_names

    def label(self, place: Place) -> str:
        return self._class_names[int(self._splits[place.split].labels[place.index])]

    def file(self, place: Place) -> str:
        files = self._splits[place.split].files
        return "" if files is None else str(files[place.index])

    def differ(self, pair: Pair) -> bool:
        return self.label(pair.first) != self.label(pair.second)

    def place(self, place: Place, *, with_label: bool) -> str:
        label = f" ({self.label(place)})" if with_label else ""
        return f"{place.split} {self.file(place) or place.index}{label}"

    def pair(self, pair: Pair) -> str:
        with_label = self.differ(pair)
        first, second = (self.place(place, with_label=with_label) for place in (pair.first, pair.second))
        return f"{first} ≈ {second}"


def rows(splits: Splits, pairs: Sequence[Pair], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """One row per pair, for a table; `index` counts from 0 in the split."""
    names = _Names(splits, class_names)
    return [
        {
            "kind": "equal" if pair.is_equal else "near",
            "across_splits": pair.is_across,
            "same_label": not names.differ(pair),
            "correlation": round(pair.correlation, 4),
            "hash_distance": pair.distance,
            **{
                f"{what}_{number}": value
                for number, place in ((1, pair.first), (2, pair.second))
                for what, value in (
                    ("split", place.split),
                    ("index", place.index),
                    ("file", names.file(place) or None),
                    ("label", names.label(place)),
                )
            },
        }
        for pair in pairs
    ]


def figure(
    splits: Splits, pairs: Sequence[Pair], class_names: Sequence[str]
) -> tuple[NDArray[np.uint8], list[str], list[bool]]:
    """The images of the first pairs, side by side, what each is called, and whether the labels of its pair differ."""
    names = _Names(splits, class_names)
    ordered = sorted(pairs, key=lambda pair: (not names.differ(pair), not pair.is_across, -pair.correlation))[:SHOWN]
    images, titles, differ = [], [], []
    for pair in ordered:
        for place, how in ((pair.first, ""), (pair.second, f", correlation {pair.correlation:.3f}")):
            images.append(splits[place.split].images[np.array([place.index])][0])
            titles.append(f"{names.place(place, with_label=True)}{how}")
            differ.append(names.differ(pair))
    return np.stack(images), titles, differ

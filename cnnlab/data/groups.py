"""From `data.group` to the group of every file."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnlab.data.dataset import Dataset, Examples, Origin, Remark
from cnnlab.errors import ConfigError
from cnnlab.experiment.data.group import ByColumn, ByFolder, ByName, ByRound, BySequence, Group
from cnnlab.messages import join_names, pluralize

NAMED = 3  # files or groups in a message
TOLERANCE = 0.1  # of the size that was asked for, within which a split that keeps groups whole is as intended
Key = tuple[str, ...] | int
"""What is equal for the files of a group."""


@dataclass(frozen=True)
class Groups:
    """The group of every file (n,) int32, numbered in the order of first appearance, and what each is called."""

    numbers: NDArray[np.int32]
    names: tuple[str, ...]


def find_groups(
    rule: Group,
    files: Sequence[str],
    labels: NDArray[np.int32],
    num_classes: int,
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Groups:
    """The groups of `files` (n,), relative paths; `columns` are the values of each in a table.

    Raises ConfigError where a file has none, or all have the same.
    """
    match rule:
        case ByName(pattern=pattern):
            found = _searched(pattern, files)
            keys: Sequence[Key] = [tuple(map(str, match.groups())) or (match[0],) for match in found]
        case ByFolder(level=level):
            keys = [(folder,) for folder in _folders(level, files)]
        case BySequence(pattern=pattern, gap=gap):
            keys = _in_order(pattern, files, lambda step, _: step > gap, labels)
        case ByRound(pattern=pattern):
            keys = _in_order(pattern, files, lambda _, change: change <= -num_classes / 2, labels)
        case ByColumn(name=name):
            keys = [(value,) for value in _column(name, columns or {})]
    numbers: dict[Key, int] = {}
    of_files = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int32)
    names = tuple(_names(numbers, of_files, files))
    if len(numbers) == 1:
        raise ConfigError(f"data.group: all {len(files):,} files are one group, which cannot be split")
    if len(np.unique(np.stack([of_files, labels]), axis=1).T) == len(np.unique(labels)) >= len(numbers):
        raise ConfigError(
            f"data.group: all files of a class are in one group, such as '{names[0]}', so that no split can have every "
            "class on both sides; expected groups with parts of classes"
        )
    return Groups(of_files, names)


def _names(numbers: Mapping[Key, int], of_files: NDArray[np.int32], files: Sequence[str]) -> Iterator[str]:
    """The text that files have in common, or the first file of a group in a sequence."""
    first = np.unique(of_files, return_index=True)[1]
    for key, number in numbers.items():
        yield PurePath(files[first[number]]).name if isinstance(key, int) else " ".join(key)


def _searched(pattern: str, files: Sequence[str]) -> list["re.Match[str]"]:
    found = [re.search(pattern, PurePath(file).name) for file in files]
    without = [file for file, match in zip(files, found, strict=True) if match is None]
    if without:
        raise ConfigError(
            f"data.group: '{pattern}' is not found in the names of {len(without):,} of {pluralize(len(files), 'file')} "
            f"({join_names(without, NAMED)}); expected a regular expression that is found in every file's name"
        )
    return [match for match in found if match is not None]


def _folders(level: int, files: Sequence[str]) -> list[str]:
    parts = [PurePath(file).parts for file in files]
    without = [file for file, names in zip(files, parts, strict=True) if len(names) <= level]
    if without:
        raise ConfigError(
            f"data.group: folder: {level}, but {len(without):,} of {pluralize(len(files), 'file')} "
            f"({join_names(without, NAMED)}) are in fewer folders within the data; 1 is the folder that has the file"
        )
    return [names[-1 - level] for names in parts]


def _column(name: str, columns: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if name not in columns:
        raise ConfigError(f"data.group: no column '{name}' in the table; it has {join_names(columns)}")
    empty = sum(not value for value in columns[name])
    if empty:
        raise ConfigError(
            f"data.group: column '{name}' is empty in {empty:,} of {pluralize(len(columns[name]), 'row')}; "
            "expected a value for every image"
        )
    return columns[name]


def _in_order(
    pattern: str, files: Sequence[str], begins: Callable[[int, int], bool], labels: NDArray[np.int32]
) -> list[int]:
    """The group of each file, where files are ordered by what precedes the number and by the number.

    A group begins where `begins` is true of the steps of the number and of the class, and where what precedes differs.
    """
    series = []
    for file, found in zip(files, _searched(pattern, files), strict=True):
        *before, number = found.groups()
        if number is None or not (number.isascii() and number.isdecimal()):
            raise ConfigError(
                f"data.group: '{pattern}' gives {number!r} for {file}; expected a number in its last parentheses"
            )
        series.append((tuple(map(str, before)), int(number)))
    keys, group = [0] * len(files), -1
    last: tuple[tuple[str, ...], int] | None = None
    label = 0
    for index in sorted(range(len(files)), key=lambda index: (series[index], files[index])):
        this, change = series[index], int(labels[index]) - label
        if last is None or last[0] != this[0] or begins(this[1] - last[1], change):
            group += 1
        keys[index] = group
        last, label = this, int(labels[index])
    return keys


def remarks(groups: Groups, splits: Mapping[str, Examples], class_names: Sequence[str]) -> Iterator[Remark]:
    """What the groups make impossible: given splits that have parts of one, classes that no split can share."""
    sizes = np.bincount(groups.numbers)
    if sizes.max() == 1:
        text = f"data.group: each of the {len(sizes):,} files is a group by itself, as without data.group"
        yield Remark("groups", len(sizes), text)
    present = {name: {*np.asarray(part.groups).tolist()} for name, part in splits.items()}
    for index, first in enumerate(present):
        for second in [*present][index + 1 :]:
            if shared := sorted(present[first] & present[second]):
                named = join_names([groups.names[number] for number in shared], NAMED)
                text = (
                    f"{pluralize(len(shared), 'group')} of data.group in {first} and in {second} ({named}), so "
                    f"{second} results are biased; the data come with these splits, which are used as they are"
                )
                yield Remark("leak", len(shared), text)
    labels = np.concatenate([part.labels for part in splits.values()])
    numbers = np.concatenate([np.asarray(part.groups) for part in splits.values()])
    pairs = np.unique(np.stack([labels, numbers]), axis=1)
    lonely = np.flatnonzero(np.bincount(pairs[0], minlength=len(class_names)) == 1).tolist()
    if lonely and len(splits) < 3:
        named = join_names([class_names[label] for label in lonely], NAMED)
        text = f"all examples of {named} are in one group, and therefore in one split"
        yield Remark("groups", len(lonely), text)


def with_size_remark(origin: Origin, split: str, asked: int, examples: Examples) -> Origin:
    """The origin, with a warning where whole groups made a split much larger or smaller than `asked`."""
    if examples.groups is None or abs(len(examples) - asked) <= TOLERANCE * asked:
        return origin
    present = pluralize(len(examples), "example")
    text = f"{split}: {present}, not the {asked:,} of data.{split}, since groups are not divided"
    return replace(origin, warnings=(*origin.warnings, Remark("groups", abs(len(examples) - asked), text)))


def with_group_notes(dataset: Dataset) -> Dataset:
    """The data set, whose origin says how many groups each split has."""
    counts = {name: len(np.unique(np.asarray(part.groups))) for name, part in dataset.splits().items()}
    parts = join_names(f"{count:,} in {name}" for name, count in counts.items())
    line = f"data.group: {pluralize(len(dataset.group_names), 'group')}, none divided by a split: {parts}"
    origin = replace(
        dataset.origin,
        notes=(*dataset.origin.notes, line),
        inferred={**dataset.origin.inferred, "groups": counts},
    )
    return replace(dataset, origin=origin)


def sizes(dataset: Dataset) -> list[dict[str, Any]]:
    """One row per split: its groups, the examples of the smallest, the median and the largest, and their classes."""
    rows = []
    for name, examples in dataset.splits().items():
        pairs = np.unique(np.stack([np.asarray(examples.groups), examples.labels]), axis=1)
        counts = np.unique(np.asarray(examples.groups), return_counts=True)[1]
        rows.append(
            {
                "split": name,
                "groups": len(counts),
                "smallest": int(counts.min()),
                "median": float(np.median(counts)),
                "largest": int(counts.max()),
                "classes per group": pairs.shape[1] / len(counts),
            }
        )
    return rows

"""Data sets: reading, splits, fingerprints.

To add a data set:
1. Describe it in `cnnlab/experiment/data/published.py`: a subclass of `DataSpec`, appended to `PUBLISHED`. This is what
   commands need that do not read examples: options, sizes, classes, licence.
2. Read it in a new module in `cnnlab/data/sources/`, which defines a `LOADER`. Files in MNIST's or CIFAR's
   format need no more than their digests and URLs, as in `fashion_mnist.py`.
3. Enter it in the dict `LOADERS` in `cnnlab/data/loaders.py`.

`cnnlab data list`, `fetch`, `info`, `verify` and the reference of the experiment file then include it. A data set in
another package needs none of this: `cnnlab/experiment/data/plugin.py`.
"""

from dataclasses import replace

import numpy as np

from cnnlab.data.dataset import Dataset, Examples, Origin, Source
from cnnlab.data.exclusion import numbered, without_excluded
from cnnlab.data.groups import with_group_notes, with_size_remark
from cnnlab.data.loaders import loader_of
from cnnlab.data.locate import find
from cnnlab.data.splits import divided, of_classes, split, subset
from cnnlab.errors import ConfigError, DataError
from cnnlab.experiment.data import Data
from cnnlab.experiment.data.fold import Fold
from cnnlab.messages import join_names, pluralize
from cnnlab.terminal import note, warn

MAX_NAMED = 12  # classes in a message
__all__ = ["Dataset", "Examples", "Origin", "Source", "load", "read"]


def load(data: Data, *, quiet: bool = False) -> Dataset:
    """The examples of an experiment, in its splits. Raises DataError, or ConfigError where too few are left.

    Prints what was guessed, skipped or changed to standard error, unless `quiet`.
    """
    dataset = _divided(read(data), data)
    if not quiet:
        place = dataset.origin.place or dataset.name
        for line in dataset.origin.notes:
            note(f"{place}: {line}")
        for remark in dataset.origin.warnings:
            warn(f"{place}: {remark.text}")
        for split_name, names in dataset.absent_classes().items():
            consequence = "which cannot be learned" if split_name == "train" else "which it does not measure"
            warn(f"{place}: {split_name}: no examples of {join_names(names, MAX_NAMED)}, {consequence}")
    return dataset


def _divided(source: Source, data: Data) -> Dataset:
    source = numbered(source)
    if data.exclude:
        source = without_excluded(source, find(data.exclude, data.dir, "data.exclude"))
    if data.classes:
        source = _keep_classes(source, data)
    pool = source.train if data.fold else None
    if data.fold:
        source = _with_fold(source, data, data.fold)
    train, validation = _hold_out(source, data)
    if validation is not None and source.validation is None and data.validation != "test":
        asked = data.held_out(len(source.train))
        source = replace(source, origin=with_size_remark(source.origin, "validation", asked, validation))
    if data.train_sizes:
        train = _of_size(train, data)
    test = _limited(source.test, data)
    if validation is not None:
        validation = test if validation is source.test else _limited(validation, data)
    dataset = Dataset(
        data.name,
        _limited(train, data),
        validation,
        test,
        source.class_names,
        source.genuine,
        source.origin,
        pool,
        source.group_names,
    )
    return with_group_notes(dataset) if source.group_names else dataset


def read(data: Data) -> Source:
    """All examples of a data set, before splitting. Raises DataError."""
    return loader_of(data).load(data)


def _keep_classes(source: Source, data: Data) -> Source:
    names = {name: number for number, name in enumerate(source.class_names)}
    unknown = [name for name in data.classes or () if name not in names]
    if unknown:
        known = join_names(source.class_names, MAX_NAMED)
        raise ConfigError(f"data.classes: {data.name} has no class '{unknown[0]}'; it has {known}")
    labels = np.array([names[name] for name in data.classes or ()])
    train, test = of_classes(source.train, labels), of_classes(source.test, labels)
    validation = None if source.validation is None else of_classes(source.validation, labels)
    for part, examples in (("train", train), ("validation", validation), ("test", test)):
        if examples is not None and not len(examples) and not (part == "test" and data.fold):
            raise DataError(
                f"{data.name}: no {part} examples of the classes {join_names(data.classes or (), MAX_NAMED)}"
            )
    return replace(source, train=train, validation=validation, test=test, class_names=data.classes or ())


def _with_fold(source: Source, data: Data, fold: Fold) -> Source:
    """The source whose test set is one of the folds of its training examples. Raises ConfigError."""
    total = len(source.train)
    try:
        rest, held_out = divided(source.train, fold)
    except ConfigError as error:
        raise ConfigError(f"data.fold: {data.name}: {error}") from None
    unused = f"; its {pluralize(len(source.test), 'test example')} are not used" if len(source.test) else ""
    line = (
        f"fold {fold.number} of {fold.of} (seed {fold.seed}) is the test set of this run, {len(held_out):,} of "
        f"{total:,} training examples{unused}"
    )
    origin = replace(source.origin, notes=(*source.origin.notes, line))
    return replace(source, train=rest, test=held_out, origin=origin)


def _hold_out(source: Source, data: Data) -> tuple[Examples, Examples | None]:
    if data.validation == "test":
        return source.train, source.test
    if source.validation is not None:
        if data.validation != "auto":
            raise ConfigError(
                f"data.validation: {data.validation}, but {data.name} comes with {len(source.validation):,} validation "
                "examples; remove the option, or set validation: auto"
            )
        return source.train, source.validation
    total = len(source.train)
    count = data.held_out(total)
    if count >= total:
        raise ConfigError(
            f"data.validation: {count:,} examples to hold out, but {data.name} has {total:,} training examples; "
            "try --set data.validation=0.1"
        )
    return split(source.train, count, "data.validation") if count else (source.train, None)


def _limited(examples: Examples, data: Data) -> Examples:
    return examples if data.limit is None or data.limit >= len(examples) else subset(examples, data.limit)


def _of_size(train: Examples, data: Data) -> Examples:
    sizes = data.train_sizes or ()
    if len(sizes) > 1:
        raise ConfigError(
            f"data.train_sizes: {len(sizes)} sizes, which `cnnlab train` trains one run each; expected one here, "
            f"such as --set 'data.train_sizes=[{sizes[0]}]'"
        )
    if sizes[0] > len(train):
        raise ConfigError(
            f"data.train_sizes: {sizes[0]:,} examples, but {data.name} has {len(train):,} training examples"
        )
    return subset(train, sizes[0])

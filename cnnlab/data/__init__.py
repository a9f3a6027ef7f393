"""Data sets: one module a source, splits, fingerprints."""

from cnnlab.data import cifar10, digits, mnist, raw, synthetic
from cnnlab.data.dataset import Dataset, Examples, Source
from cnnlab.data.splits import split
from cnnlab.errors import ConfigError
from cnnlab.experiment.data import Cifar10, Data, Digits, Mnist, Raw, Synthetic

__all__ = ["Dataset", "Examples", "load"]


def load(data: Data) -> Dataset:
    """The examples of an experiment, divided as it says. Raises DataError, or ConfigError where too few are left."""
    source = _read(data)
    train, validation = _hold_out(source, data)
    keep = slice(data.limit)
    return Dataset(
        data.name,
        train.take(keep),
        validation.take(keep) if validation else None,
        source.test.take(keep),
        source.class_names,
    )


def _read(data: Data) -> Source:
    match data:
        case Digits():
            return digits.load()
        case Mnist():
            return mnist.load()
        case Cifar10():
            return cifar10.load()
        case Raw():
            return raw.load(data)
        case Synthetic():
            return synthetic.load(data)


def _hold_out(source: Source, data: Data) -> tuple[Examples, Examples | None]:
    if data.validation == "test":
        return source.train, source.test
    total = len(source.train)
    count = data.held_out(total)
    if count >= total:
        raise ConfigError(
            f"data.validation: {count:,} examples to hold out, but {data.name} has {total:,} training examples; "
            "try --set data.validation=0.1"
        )
    return split(source.train, count) if count else (source.train, None)

"""Data sets: one module a source, splits, fingerprints."""

from collections.abc import Callable

from cnnlab.config.schema import Data, DataName
from cnnlab.data import digits, mnist
from cnnlab.data.dataset import Dataset, Examples, Source
from cnnlab.data.splits import split
from cnnlab.errors import ConfigError

__all__ = ["Dataset", "Examples", "load"]

SOURCES: dict[DataName, Callable[[], Source]] = {"digits": digits.load, "mnist": mnist.load}


def load(data: Data) -> Dataset:
    """The examples of an experiment, divided as it says. Raises DataError, or ConfigError where too few are left."""
    source = SOURCES[data.name]()
    train, validation = _hold_out(source, data)
    keep = slice(data.limit)
    return Dataset(
        data.name,
        train.take(keep),
        validation.take(keep) if validation else None,
        source.test.take(keep),
        source.class_names,
    )


def _hold_out(source: Source, data: Data) -> tuple[Examples, Examples | None]:
    if data.validation == "test":
        return source.train, source.test
    total = len(source.train)
    count = data.validation if isinstance(data.validation, int) else round(data.validation * total)
    if count >= total:
        raise ConfigError(
            f"data.validation: {count:,} examples to hold out, but {data.name} has {total:,} training examples; "
            "try --set data.validation=0.1"
        )
    return split(source.train, count) if count else (source.train, None)

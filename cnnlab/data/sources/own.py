"""Sources whose test set may be missing."""

from cnnlab.data.dataset import Examples, Source
from cnnlab.data.splits import split
from cnnlab.errors import ConfigError
from cnnlab.experiment.data.base import count_of
from cnnlab.experiment.data.own import OwnData


def source(
    data: OwnData,
    train: Examples,
    test: Examples | None,
    class_names: tuple[str, ...],
    validation: Examples | None = None,
) -> Source:
    """The source, its test set set aside from the training examples where there is none. Raises ConfigError."""
    if test is None:
        count = count_of(data.test, len(train))
        if not 0 < count < len(train):
            raise ConfigError(
                f"data.test: {data.test:,} of {len(train):,} examples to set aside as the test set; "
                "expected some, and some left; try --set data.test=0.2"
            )
        train, test = split(train, count)
    return Source(train, test, class_names, validation)

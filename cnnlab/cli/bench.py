"""`cnnlab bench`."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli.options import Set

if TYPE_CHECKING:
    from cnnlab.config.overrides import Override

DIGITS = 3  # significant ones, for people


class Format(StrEnum):
    """How the measurements are printed."""

    TABLE = "table"
    JSON = "json"


def bench(
    config: Annotated[str, typer.Argument(help="An experiment file, or the name of a shipped one.")] = "lenet",
    set: Set = None,
    epochs: Annotated[int, typer.Option(help="Epochs that count, after one that does not.", min=1)] = 5,
    format: Annotated[Format, typer.Option(help="How to print the measurements.")] = Format.TABLE,
) -> None:
    """Measure how fast an experiment trains on this machine: speed, start-up, memory, and the share of the machine.

    Nothing is written. Data that are not on this machine are replaced by random ones of the same shape and number,
    since the time does not depend on the pixels.
    """
    from cnnlab.config.lint import check
    from cnnlab.config.load import read
    from cnnlab.config.overrides import parse_sets
    from cnnlab.jobs.cores import for_one_process
    from cnnlab.terminal import stderr, warn

    changes = parse_sets(set or [])
    loaded = read(config, changes)
    check(loaded)
    if replacement := _replacement(loaded.experiment.data):
        warn(f"{loaded.experiment.data.name} is not on this machine: measured with random images of its shape")
        loaded = read(config, [*changes, replacement])
    from cnnlab.cli.tensorflow import import_tensorflow

    experiment = for_one_process(loaded.experiment)
    import_tensorflow(experiment.train.devices, experiment.train.threads)
    from rich.progress import track

    from cnnlab.training.benchmark import benchmark

    def count(epochs: int) -> Iterable[int]:
        console = stderr()
        return track(range(epochs), "epochs", console=console, transient=True, disable=not console.is_terminal)

    measured = benchmark(experiment, epochs, count)
    print(json.dumps(measured, indent=2) if format is Format.JSON else _table(measured))


def _replacement(data: Any) -> "Override | None":
    """Random data in place of published ones that are not here."""
    from cnnlab.config.overrides import Override
    from cnnlab.data.catalog import place_of
    from cnnlab.experiment.data import num_outputs
    from cnnlab.experiment.data.published import PUBLISHED

    sizes = data.published_sizes()
    if not isinstance(data, PUBLISHED) or not sizes or place_of(data):
        return None
    value = {
        "name": "synthetic",
        "image_shape": list(data.image_shape),
        "num_classes": num_outputs(data),
        "train_examples": sizes[0],
        "validation": data.validation if isinstance(data.validation, int) else 0,
    }
    return Override(("data",), value, "the replacement of the data")


def _table(measured: dict[str, Any]) -> str:
    width = max(map(len, measured))
    return "\n".join(f"{name.replace('_', ' '):{width}}  {_cell(value)}" for name, value in measured.items())


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 10**DIGITS else f"{value:.{DIGITS}g}"
    return "not known" if value is None else f"{value:,}" if type(value) is int else f"{value}"

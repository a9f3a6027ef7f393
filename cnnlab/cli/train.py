"""`cnnlab train`."""

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.config.overrides import Override, check_distinct, parse_sets

if TYPE_CHECKING:
    from cnnlab.runs import Run

SMOKE_EXAMPLES = 256


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


def train(
    config: Annotated[
        str, typer.Argument(help="An experiment file, or the name of a shipped one.", show_default=False)
    ],
    set: Annotated[
        list[str] | None,
        typer.Option(help="Change a key of the experiment; may be repeated.", metavar="KEY=VALUE", show_default=False),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Train this many epochs.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of weights and order.", show_default=False)] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Use this data set, with a tenth held out, instead of the file's.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Use only the first N examples of each split.", metavar="N", show_default=False)
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help=f"Only see whether it runs: one epoch of {SMOKE_EXAMPLES} examples.")
    ] = False,
    runs: Annotated[Path, typer.Option(help="The folder for run folders.", metavar="DIR")] = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(help="The run folder's name, instead of the experiment's and a number.", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the result.")] = Format.TABLE,
) -> None:
    """Train an experiment into a new run folder, and measure it on the test set.

    Examples: `cnnlab train lenet`, `cnnlab train my.yaml --set train.optimizer.sgd.learning_rate=0.05 --seed 1`.
    """
    from cnnlab.config.load import load
    from cnnlab.runs.folder import check_name, check_writable
    from cnnlab.terminal import stderr, warn

    changes = [*_shorthands(data, smoke, epochs, seed, limit), *parse_sets(set or [])]
    check_distinct([change for change in changes if change.option != "--smoke"])
    experiment = load(config, changes)
    check_writable(runs)
    if name is not None:
        check_name(runs, name)
    if experiment.data.validation == "test":
        warn("data.validation: test: the test set is watched while training; choose nothing by it")

    from cnnlab.cli.tensorflow import quietly_imported

    quietly_imported()
    from cnnlab.training.train import train as run_experiment

    run, measured = run_experiment(experiment, runs, name=name, console=None if quiet else stderr())
    _print_result(run, measured, format)


def _shorthands(
    data: str | None, smoke: bool, epochs: int | None, seed: int | None, limit: int | None
) -> Iterator[Override]:
    """What the options other than --set change; --smoke before those that may change it again."""
    if data is not None:
        # Another data set has another size and another protocol: the file's split is not meant for it.
        yield Override(("data",), {"name": data}, f"--data {data}")
    if smoke:
        yield Override(("train", "epochs"), 1, "--smoke")
        yield Override(("data", "limit"), SMOKE_EXAMPLES, "--smoke")
    if epochs is not None:
        yield Override(("train", "epochs"), epochs, f"--epochs {epochs}")
    if seed is not None:
        yield Override(("seed",), seed, f"--seed {seed}")
    if limit is not None:
        yield Override(("data", "limit"), limit, f"--limit {limit}")


def _print_result(run: "Run", measured: dict[str, Any], format: Format) -> None:
    if format is Format.JSON:
        record = run.record()
        result = {
            "run": str(run.path),
            **{key: measured[key] for key in ("split", "examples", "loss", "accuracy")},
            **{key: record["results"][key] for key in ("val_loss", "val_accuracy")},
            **{key: record[key] for key in ("parameters", "seconds")},
        }
        print(json.dumps(result, indent=2))
        return
    print(f"test accuracy {measured['accuracy']:.4f}, loss {measured['loss']:.4f} ({measured['examples']:,} examples)")
    print(f"run: {run.path}")

"""`cnnlab train`."""

import json
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli.options import Config, Set
from cnnlab.errors import ConfigError

if TYPE_CHECKING:
    from cnnlab.config.overrides import Override
    from cnnlab.experiment.schema import Experiment
    from cnnlab.runs import Run

SMOKE_EXAMPLES = 256


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


def train(
    config: Config,
    set: Set = None,
    epochs: Annotated[int | None, typer.Option(help="Train this many epochs.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of weights and order.", show_default=False)] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Use this data set, with a tenth held out, instead of the file's.", show_default=False),
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(help="What to train on: auto, cpu, gpu, or how many.", metavar="DEVICES", show_default=False),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32, mixed_bfloat16 or mixed_float16.", metavar="PRECISION", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Use only N examples of each split.", metavar="N", show_default=False)
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help=f"Only see whether it runs: one epoch of {SMOKE_EXAMPLES} examples.")
    ] = False,
    runs: Annotated[Path, typer.Option(help="The folder for run folders.", metavar="DIR")] = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(help="The run folder's name, instead of the experiment's and a number.", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Do not train where `validate` warns.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the result.")] = Format.TABLE,
) -> None:
    """Train an experiment into a new run folder, and measure it on the test set.

    Where `data.train_sizes` has several sizes, a run each.

    Examples: `cnnlab train lenet`, `cnnlab train my.yaml --set train.optimizer.sgd.learning_rate=0.05 --seed 1`.
    """
    from cnnlab.config.lint import check, lint
    from cnnlab.config.load import read
    from cnnlab.config.overrides import check_distinct, parse_sets
    from cnnlab.runs.folder import check_name, check_writable
    from cnnlab.terminal import stderr, warn

    sets = parse_sets(set or [])
    changes = [*_shorthands(config, data, smoke, epochs, seed, limit, devices, precision), *sets]
    check_distinct([change for change in changes if change.option != "--smoke"])
    loaded = read(config, changes)
    warnings = check(loaded)
    if smoke:  # it is tried with an epoch and few examples, but meant as it is written
        warnings = [finding for finding in lint(read(config, sets)) if not finding.is_error]
    check_writable(runs)
    for _, run_name in _of_each_size(loaded.experiment, name):
        if run_name is not None:
            check_name(runs, run_name)
    if strict and warnings:
        raise ConfigError(*map(str, warnings))
    for warning in warnings:
        warn(str(warning))

    from cnnlab.cli.tensorflow import quietly_imported

    quietly_imported(loaded.experiment.train.devices)
    from cnnlab.training.devices import has_gpu
    from cnnlab.training.train import train as run_experiment

    if loaded.experiment.train.precision == "mixed_float16" and not has_gpu():
        warn("train.precision: mixed_float16 is for GPUs; on a CPU it is slower than float32")

    def runs_of_all_sizes() -> Iterator[tuple["Run", dict[str, Any]]]:
        for experiment, run_name in _of_each_size(loaded.experiment, name):
            done = run_experiment(experiment, runs, name=run_name, console=None if quiet else stderr())
            if done:  # only the chief of several workers tells
                yield done

    report(runs_of_all_sizes(), format)


def report(done: Iterable[tuple["Run", dict[str, Any]]], format: Format) -> None:
    """Print every run and what it measured, for people each as it comes."""
    results = []
    for run, measured in done:
        results.append(_result(run, measured))
        if format is Format.TABLE:
            print(
                f"test accuracy {measured['accuracy']:.4f}, loss {measured['loss']:.4f} "
                f"({measured['examples']:,} examples)\nrun: {run.path}"
            )
    if results:
        _print_results(results, format)


def _shorthands(
    config: str,
    data: str | None,
    smoke: bool,
    epochs: int | None,
    seed: int | None,
    limit: int | None,
    devices: str | None,
    precision: str | None,
) -> Iterator["Override"]:
    """What the options other than --set change; --smoke before those that may change it again."""
    from cnnlab.config.overrides import Override

    if data is not None:
        # Another data set has another size and another protocol: the file's split is not meant for it.
        yield Override(("data",), _data(config, data), f"--data {data}")
    if smoke:
        yield Override(("train", "epochs"), 1, "--smoke")
        yield Override(("data", "limit"), SMOKE_EXAMPLES, "--smoke")
    if epochs is not None:
        yield Override(("train", "epochs"), epochs, f"--epochs {epochs}")
    if seed is not None:
        yield Override(("seed",), seed, f"--seed {seed}")
    if limit is not None:
        yield Override(("data", "limit"), limit, f"--limit {limit}")
    if devices is not None:
        value = int(devices) if re.fullmatch(r"[0-9]{1,9}", devices) else devices
        yield Override(("train", "devices"), value, f"--devices {devices}")
    if precision is not None:
        yield Override(("train", "precision"), precision, f"--precision {precision}")


def _data(config: str, name: str) -> dict[str, Any]:
    """The `data` section for `--data NAME`; synthetic data take the shape of the file's."""
    if name != "synthetic":
        return {"name": name}
    from cnnlab.config.load import load
    from cnnlab.experiment.data import num_outputs

    replaced = load(config).data
    return {"name": name, "image_shape": list(replaced.image_shape), "num_classes": num_outputs(replaced)}


def _of_each_size(experiment: "Experiment", name: str | None) -> Iterator[tuple["Experiment", str | None]]:
    """The experiment, once for each of its training sizes, and what to call the run.

    The largest first: that there are too few examples is told before anything is trained.
    """
    sizes = experiment.data.train_sizes or ()
    if len(sizes) < 2:
        yield experiment, name
        return
    for size in sorted(sizes, reverse=True):
        data = experiment.data.model_copy(update={"train_sizes": (size,)})
        yield experiment.model_copy(update={"data": data}), name and f"{name}-{size}"


def _result(run: "Run", measured: dict[str, Any]) -> dict[str, Any]:
    record = run.record()
    return {
        "run": str(run.path),
        **{key: measured[key] for key in ("split", "examples", "loss", "accuracy")},
        **{key: record["results"][key] for key in ("val_loss", "val_accuracy")},
        **{key: record[key] for key in ("parameters", "seconds")},
        "train_examples": record["data"]["splits"]["train"]["examples"],
    }


def _print_results(results: list[dict[str, Any]], format: Format) -> None:
    """The result for scripts; for people, who have read each, a table where there are several."""
    from cnnlab.cli import tables

    if format is Format.JSON:
        print(json.dumps(results[0] if len(results) == 1 else results, indent=2))
    elif len(results) > 1:
        columns = ["train_examples", "accuracy", "loss", "val_accuracy", "val_loss", "run"]
        results = sorted(results, key=lambda result: result["train_examples"])
        print(f"\n{tables.render(results, columns, tables.Format.TABLE)}")

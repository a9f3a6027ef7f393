"""`cnnlab race`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.options import Set
from cnnlab.cli.tables import Format, render
from cnnlab.errors import TrainingError

if TYPE_CHECKING:
    from cnnlab.analysis.race import Race
    from cnnlab.config.files import Source
    from cnnlab.config.overrides import Override


class On(StrEnum):
    """The examples whose accuracy counts."""

    VALIDATION = "validation"
    TEST = "test"


def race(
    config: Annotated[str, typer.Argument(help="An experiment file, or the name of a shipped one.")],
    target: Annotated[float, typer.Option(help="The accuracy to reach, such as 0.99.", min=0, max=1)],
    on: Annotated[On, typer.Option(help="The examples whose accuracy counts.")] = On.VALIDATION,
    seeds: Annotated[
        str, typer.Option(help="How many seeds, from the experiment's on, or a list of seeds.", metavar="N|LIST")
    ] = "5",
    set: Set = None,
    epochs: Annotated[
        int | None, typer.Option(help="Give up after this many epochs.", metavar="N", show_default=False)
    ] = None,
    runs: Annotated[Path, typer.Option(help="The folder for run folders.", metavar="DIR")] = Path("runs"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the table.")] = Format.TABLE,
) -> None:
    """Measure how long an experiment trains until it first reaches an accuracy, over several seeds.

    Every seed is an ordinary run that ends after the epoch in which the target is reached. The time is that of its
    training passes. What is not counted: one epoch of warm-up that compiles the network, after which the weights begin
    anew, start-up, and measuring the accuracy.

    Examples: `cnnlab race lenet --target 0.99`, `cnnlab race my.yaml --target 0.9 --on test --seeds 3`.
    """
    from cnnlab.cli.shorthands import parse_seeds
    from cnnlab.config.lint import check
    from cnnlab.config.load import parse, read
    from cnnlab.config.overrides import Override, check_distinct, parse_sets
    from cnnlab.experiment.callbacks import UserCallback
    from cnnlab.jobs.cores import for_one_process
    from cnnlab.runs.claim import check_writable
    from cnnlab.terminal import note, stderr, warn
    from cnnlab.training.tasks import NewRun

    source, changes = parse(config), parse_sets(set or [])
    if epochs is not None:
        changes.append(Override(("train", "epochs"), epochs, f"--epochs {epochs}"))
    if on is On.TEST:
        changes.append(Override(("data", "validation"), "test", f"--on {on}"))
    check_distinct(changes)
    loaded = read(source, [*changes, _stop_at(source, changes, target)])
    for warning in check(loaded):
        warn(str(warning))
    experiment = for_one_process(loaded.experiment)
    numbers = parse_seeds(seeds, experiment.seed)
    tasks = [NewRun(experiment.model_copy(update={"seed": number})) for number in numbers]
    check_writable(runs)
    if experiment.data.validation == "test":
        note("the accuracy is that of the test set; it also chooses the epoch, and is a little too good for that")
    if any(isinstance(callback, UserCallback) for callback in experiment.train.callbacks):
        note("user callbacks may change the network, which is compiled anew for each seed: its first epoch counts that")

    from cnnlab.cli.tensorflow import import_tensorflow

    import_tensorflow(experiment.train.devices, experiment.train.threads)
    from cnnlab.analysis.race import Attempt, Race, time_to_accuracy
    from cnnlab.training.train import train

    attempts: list[Attempt] = []
    try:
        train(
            tasks,
            runs,
            console=None if quiet else stderr(),
            on_finished=lambda trained: attempts.append(time_to_accuracy(trained.run, target)),
            warm_up=True,
        )
    finally:
        if attempts:
            print(_shown(Race(attempts), target, experiment.data.validation == "test", format))
    if missed := len(tasks) - Race(attempts).reached:
        raise TrainingError(
            f"{missed} of {len(tasks)} seeds did not reach {target:g} within {experiment.train.epochs} epochs; give "
            "them more by --epochs, or lower --target"
        )


def _stop_at(source: "Source", changes: Sequence["Override"], target: float) -> "Override":
    """The callbacks of the experiment, and one that ends a run at the target."""
    from cnnlab.config.load import load
    from cnnlab.config.overrides import Override
    from cnnlab.experiment.choice import plain

    others = [callback for callback in plain(load(source, changes).train.callbacks) if "stop_at" not in callback]
    stop = {"stop_at": {"monitor": "val_accuracy", "value": target}}
    return Override(("train", "callbacks"), [*others, stop], f"--target {target:g}")


def _shown(race: "Race", target: float, is_test: bool, format: Format) -> str:
    """One row per seed, and the mean below."""
    rows = [attempt.as_dict() for attempt in race.attempts]
    if format is Format.JSON:
        summary = {
            "target": target,
            "on": On.TEST if is_test else On.VALIDATION,
            "reached": race.reached,
            "seconds": race.seconds and asdict(race.seconds),
            "test_accuracy": race.test_accuracy and asdict(race.test_accuracy),
        }
        return json.dumps({**summary, "runs": rows}, indent=2)
    columns = [column for column in rows[0] if any(row[column] is not None for row in rows)]
    if is_test:
        columns.remove("test_accuracy")
    return render(rows, columns, format, [_summary(race, target, is_test)] if race.seconds else [])


def _summary(race: "Race", target: float, is_test: bool) -> str:
    """The mean time in a sentence."""
    from cnnlab.analysis.significance import format_mean_std

    seconds, test = race.seconds, race.test_accuracy
    if seconds is None:
        return ""
    interval = ""
    if seconds.low is not None and seconds.high is not None:
        interval = f" (95 % interval {seconds.low:.2f} to {seconds.high:.2f} s, {seconds.n} seeds)"
    text = f"{target:g} {'test' if is_test else 'validation'} accuracy after {seconds.mean:.2f} s of training{interval}"
    if test is not None and not is_test:
        text += f"; test accuracy {format_mean_std(test)}"
    return f"{text}; compiling, start-up and measuring are not counted"

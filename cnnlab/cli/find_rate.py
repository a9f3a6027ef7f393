"""`cnnlab find-rate`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.options import Config, Set
from cnnlab.cli.tables import Format
from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.config.load import Config as Loaded


def find_rate(
    config: Config,
    set: Set = None,
    steps: Annotated[int, typer.Option(help="Steps of a test, at most.", min=50, max=100_000)] = 300,
    seeds: Annotated[
        str, typer.Option(help="How many seeds, from the experiment's on, or a list of seeds.", metavar="N|LIST")
    ] = "3",
    low: Annotated[
        float | None,
        typer.Option("--from", help="The first rate; by default far below the optimizer's usual ones.", metavar="RATE"),
    ] = None,
    high: Annotated[
        float | None,
        typer.Option("--to", help="The last rate; by default far above the optimizer's usual ones.", metavar="RATE"),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the losses against the rate: .png, .svg or .pdf.", metavar="FILE", show_default=False),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the proposed rate into the file.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the tests.")] = Format.TABLE,
) -> None:
    """Propose a learning rate by a range test: a short training whose rate grows from step to step.

    The proposal is a tenth of the rate at which the loss rises again, the mean of several seeds. Everything else is as
    the experiment says, but without its schedule, whose highest rate the proposal is. No run folder is written.

    Examples: `cnnlab find-rate lenet --plot rates.png`, `cnnlab find-rate my.yaml --apply`.
    """
    from cnnlab.cli.shorthands import parse_seeds
    from cnnlab.config.lint import check
    from cnnlab.config.load import parse, read
    from cnnlab.config.overrides import parse_sets
    from cnnlab.config.rules import rate_range
    from cnnlab.plots.figure import check_target
    from cnnlab.terminal import note, warn

    source, changes = parse(config), parse_sets(set or [])
    loaded = read(source, changes)
    for warning in check(loaded):
        if warning.rule != "learning-rate":  # which is what is asked for
            warn(str(warning))
    experiment = loaded.experiment
    numbers = parse_seeds(seeds, experiment.seed)
    usual = rate_range(experiment.train)
    first, last = usual[0] if low is None else low, usual[1] if high is None else high
    if not 0 < first < last < math.inf:
        raise RequestError(f"--from {first:g} --to {last:g}: expected two rates above 0, the lower one first")
    if plot is not None:
        check_target(plot, "--plot")
    if apply:
        _check_applicable(config, loaded)
        if changes:
            options = " ".join(change.option for change in changes)
            note(f"--apply: the rate is found with {options}, which the file does not have")

    from cnnlab.cli.tensorflow import import_tensorflow

    import_tensorflow(experiment.train.devices, experiment.train.threads)
    from cnnlab.cli.rate_proposal import Found
    from cnnlab.terminal import rate_progress
    from cnnlab.training.find_rate.find_rate import find_rate as test
    from cnnlab.training.find_rate.range_test import growing_rates

    rates = growing_rates(first, last, steps)
    with rate_progress(disable=quiet) as bar:
        task = bar.add_task("", total=steps * len(numbers))

        def on_step(seed: int, step: int, rate: float, loss: float) -> None:
            done = numbers.index(seed) * steps + step
            bar.update(task, completed=done, description=f"seed {seed}: rate {rate:.2g}, loss {loss:.4g}")

        curves = test(experiment, numbers, rates, on_step)
    if not curves:  # another worker than the chief
        return
    found = Found(config, experiment, changes, curves, applies=apply)
    print(found.shown(format))
    if plot is not None:
        found.draw(plot)
        note(f"the losses are drawn in {plot}")
    rate = found.checked()
    if apply:
        _apply(loaded, rate)


def _check_applicable(config: str, loaded: "Loaded") -> None:
    """Raise RequestError, before anything is trained, where --apply cannot write the rate."""
    from cnnlab.config import shipped
    from cnnlab.config.load import read_file
    from cnnlab.terminal import proposed

    path = loaded.path
    if path in shipped.paths().values() and not Path(config).is_file():
        own = proposed("init", "mine", "--like", config)
        raise RequestError(f"--apply: {config} is a shipped experiment, and is not changed; {own} makes a file of it")
    if (path.parent / "run.json").exists():
        raise RequestError(f"--apply: {path} belongs to a run, and is not changed; name the file that was trained")
    kinds = [one.experiment.train.optimizer.kind for one in (loaded, read_file(path))]
    if kinds[0] != kinds[1]:
        raise RequestError(f"--apply: the optimizer is {kinds[0]} by --set, and {kinds[1]} in {path}; change it there")
    _edited(loaded, 2 * loaded.experiment.train.optimizer.learning_rate)


def _edited(loaded: "Loaded", rate: float) -> str:
    from cnnlab.config.edit import with_value

    optimizer = loaded.experiment.train.optimizer
    return with_value(loaded.path, ("train", "optimizer", optimizer.kind, "learning_rate"), rate)


def _apply(loaded: "Loaded", rate: float) -> None:
    """Write the rate into the file, which is read again: it may have changed in the meantime."""
    import os
    import shutil

    from cnnlab.runs import files
    from cnnlab.terminal import note

    text, path = _edited(loaded, rate), Path(os.path.realpath(loaded.path))

    def save(temporary: Path) -> None:
        temporary.write_bytes(text.encode())
        shutil.copymode(path, temporary)

    files.write(path, save)
    kind = loaded.experiment.train.optimizer.kind
    note(f"{loaded.path}: train.optimizer.{kind}.learning_rate is {rate:g} now")

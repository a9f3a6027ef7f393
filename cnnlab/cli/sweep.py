"""`cnnlab sweep`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.options import Jobs, Set
from cnnlab.cli.tables import Format
from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.config.space import Space
    from cnnlab.experiment.schema import Experiment


def sweep(
    config: Annotated[
        str | None,
        typer.Argument(
            help="An experiment file with a section `search`, or with --search any experiment; or the folder of a "
            "sweep, to go on with it.",
            metavar="SPACE",
            show_default=False,
        ),
    ] = None,
    search: Annotated[
        list[str] | None,
        typer.Option(
            help="Search a key: KEY=log:1e-4..1e-1, KEY=0.1..0.5, KEY=integer:4..32:4 with a step, or KEY=32|64|128; "
            "may be repeated.",
            metavar="KEY=VALUES",
            show_default=False,
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(help="grid, random, sobol, tpe or cmaes.", metavar="SAMPLER", show_default=False),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Number of trials.", min=1, show_default=False)] = None,
    set: Set = None,
    jobs: Jobs = None,
    runs: Annotated[Path, typer.Option(help="The folder for the sweep's folder.", metavar="DIR")] = Path("runs"),
    name: Annotated[
        str | None,
        typer.Option(
            help="The sweep's folder, by default that of the experiment's name and -sweep.", show_default=False
        ),
    ] = None,
    join: Annotated[
        Path | None,
        typer.Option(
            help="Work on the sweep in this folder, also beside other processes and machines; with SPACE, begin it "
            "where there is none.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="A storage of Optuna for the state of the search, instead of a journal in the folder.",
            metavar="URL",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be searched, and the cost.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write a page, as `cnnlab report DIR` does.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the result.")] = Format.TABLE,
) -> None:
    """Search a space of experiments, and measure the best on fresh seeds.

    The space is checked at every end of its ranges before anything is trained. Each trial is a run folder, compared by
    the validation examples; none touches the test set. Then the best are trained again on fresh seeds, and measured on
    the test set once: the table says how much of the best trial's value was luck.

    Ctrl-C saves all that is being trained, and the same command goes on with the sweep, also after a crash. What is
    searched is frozen when the sweep begins.

    Examples: `cnnlab sweep space.yaml --jobs auto`, `cnnlab sweep lenet --search
    train.optimizer.sgd.learning_rate=log:1e-3..1e-1 --search 'train.batch_size=32|64|128' --trials 60`.
    """
    from cnnlab.cli.sweep_result import print_outcome
    from cnnlab.sweep.folder import SPACE, SweepFolder
    from cnnlab.sweep.run import check_not_at_work, outcome_of, space_of, work_on
    from cnnlab.sweep.study import check_storage, import_optuna
    from cnnlab.terminal import stderr, warn

    if os.environ.get("TF_CONFIG"):
        raise RequestError("sweep: not for the workers of a cluster (TF_CONFIG), which train one run together")
    if config is not None and join is None and (Path(config) / SPACE).is_file():
        join, config = Path(config), None
    given = _given_space(config, search, sampler, trials, set)
    folder = SweepFolder(join if join is not None else runs / _name(name, given))
    if join is not None and name is not None:
        raise RequestError("--name: not with --join, which names the folder")
    space = space_of(folder, given)
    import_optuna()
    if (storage := folder.storage(storage)) is not None and not dry_run:
        check_storage(storage)
    if join is None:
        check_not_at_work(folder)
    for warning in space.check():
        warn(warning)
    from cnnlab.cli.options import processes
    from cnnlab.config.space import DEFAULT_TRIALS
    from cnnlab.jobs.cores import share_out
    from cnnlab.runs.claim import check_writable
    from cnnlab.sweep.cost import describe_cost
    from cnnlab.sweep.points import fixed_points

    check_writable(folder.path.parent)
    points = fixed_points(space)
    wanted = len(points) if points is not None else space.search.trials or DEFAULT_TRIALS
    count = processes(jobs, wanted, space.base)
    shares = share_out(space.base, count)
    if not quiet or dry_run:
        for line in describe_cost(space, points, shares, measures=not quiet and not folder.space.exists()):
            stderr().print(line, markup=False)
    if dry_run:
        return
    space = _with_threads(space, shares.limited(space.base))
    work_on(folder, space, points, shares, storage=storage, quiet=quiet)
    outcome = outcome_of(folder, space)
    if outcome is None:
        raise RequestError(f"{folder.path}: other processes end this sweep")
    print_outcome(outcome, folder, space, format)
    if report:
        from cnnlab.cli.report import after_sweep

        after_sweep(folder.path)


def _given_space(
    config: str | None, search: list[str] | None, sampler: str | None, trials: int | None, set: list[str] | None
) -> "Space | None":
    from cnnlab.config.overrides import Override, check_distinct, parse_sets

    changes: list[Override] = []
    if sampler is not None:
        changes.append(Override(("search", "sampler"), sampler, f"--sampler {sampler}"))
    if trials is not None:
        changes.append(Override(("search", "trials"), trials, f"--trials {trials}"))
    changes += parse_sets(set or [])
    check_distinct(changes)
    if config is None:
        if search or changes:
            option = "--search" if search else changes[0].option
            raise RequestError(f"{option}: needs the argument SPACE; a sweep that is there is frozen")
        return None
    from cnnlab.config.load import parse
    from cnnlab.config.space import read_space

    return read_space(parse(config), changes, search or [])


def _name(name: str | None, space: "Space | None") -> str:
    import re

    from cnnlab.experiment.schema import FOLDER_NAME, FOLDER_NAME_RULE

    if name is not None:
        if not re.fullmatch(FOLDER_NAME, name):
            raise RequestError(f"--name {name}: expected {FOLDER_NAME_RULE}")
        return name
    if space is None:
        raise RequestError("sweep: Missing argument 'SPACE', unless --join; see `cnnlab sweep --help`")
    return f"{space.base.name}-sweep"


def _with_threads(space: "Space", base: "Experiment") -> "Space":
    from dataclasses import replace

    return replace(space, config=replace(space.config, experiment=base))

"""`cnnlab resume`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.options import Jobs, processes
from cnnlab.cli.results import Format, Results
from cnnlab.cli.tensorflow import import_tensorflow
from cnnlab.errors import RequestError

if TYPE_CHECKING:
    from cnnlab.config.files import Source
    from cnnlab.config.overrides import Override


def resume(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Runs that did not finish; with --all, folders of runs.", metavar="RUN...", show_default=False
        ),
    ],
    all: Annotated[bool, typer.Option("--all", help="All unfinished runs in these folders.")] = False,
    epochs: Annotated[
        int | None, typer.Option(help="Train this many epochs in all, more than before.", show_default=False)
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import the callbacks that the run's config names: it may run any code.")
    ] = False,
    jobs: Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the result.")] = Format.TABLE,
) -> None:
    """Resume runs that did not finish: their numbers are, bit for bit, those of uninterrupted ones.

    Each continues after its newest undamaged checkpoint. `--epochs` trains longer, also a run that has finished; any
    other change is refused, for it would be another experiment.

    Several workers need to see the same folder: `cnnlab launch --workers 2 -- resume runs/lenet-1`.
    """
    from cnnlab.config.overrides import Override

    changes = [] if epochs is None else [Override(("train", "epochs"), epochs, f"--epochs {epochs}")]
    resume_runs(runs, changes, all=all, trust=trust, jobs=jobs, quiet=quiet, format=format)


def resume_runs(
    paths: Sequence[Path],
    changes: Sequence["Override"],
    source: "Source | None" = None,
    *,
    all: bool = False,
    trust: bool = False,
    jobs: str | None = None,
    quiet: bool = False,
    format: Format = Format.TABLE,
) -> None:
    """Resume the runs at `paths`, or all unfinished ones in them; `source` may name the experiment of a single one."""
    from cnnlab.config.load import load
    from cnnlab.runs.find import find_one
    from cnnlab.terminal import stderr
    from cnnlab.training.resume.plan import plan, plan_all

    if all:
        plans = list(plan_all(paths, changes, trust=trust))
        if not plans:
            raise RequestError(f"{', '.join(map(str, paths))}: no run here can be resumed")
    else:
        runs = [find_one(path) for path in {path.resolve(): path for path in paths}.values()]
        # A file that the user names may have code imported, as with `cnnlab train`.
        experiment = None if source is None else load(source, changes)
        plans = [plan(run, changes, experiment, trust=trust or source is not None) for run in runs]
    for key in ("devices", "threads"):  # set up once per process
        values = {getattr(plan.experiment.train, key) for plan in plans}
        if len(values) > 1:
            raise RequestError(f"the runs differ in train.{key} ({', '.join(map(str, values))}); resume them in turn")
    settings = plans[0].experiment.train
    count = processes(jobs, len(plans), plans[0].experiment)
    if count > 1:
        from cnnlab.jobs.train import train as train_in_processes

        with Results(format, several=True) as results:
            train_in_processes(plans, plans[0].run.path.parent, count, quiet=quiet, on_finished=results.add)
        return
    import_tensorflow(settings.devices, settings.threads)
    from cnnlab.training.train import train

    with Results(format, several=all or len(paths) > 1) as results:
        train(plans, console=None if quiet else stderr(), on_finished=results.add)

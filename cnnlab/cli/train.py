"""`cnnlab train`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cnnlab.cli.options import Jobs, Set, complete_config, processes
from cnnlab.cli.results import Format, Results
from cnnlab.cli.shorthands import SMOKE_EXAMPLES, new_runs, overrides_from_options, parse_seeds
from cnnlab.cli.tensorflow import import_tensorflow
from cnnlab.errors import ConfigError, RequestError


def train(
    config: Annotated[
        str | None,
        typer.Argument(
            help="An experiment file, or the name of a shipped one.", show_default=False, autocompletion=complete_config
        ),
    ] = None,
    set: Set = None,
    epochs: Annotated[int | None, typer.Option(help="Train this many epochs.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of weights and order.", show_default=False)] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="A run each for so many seeds, from the experiment's on, or for those of a list: 5, or 3,7,11.",
            metavar="N|LIST",
            show_default=False,
        ),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Cross-validation: a run for each of K folds of the training examples, tested on that fold; with "
            "--seeds one partition per seed.",
            metavar="K",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Use these data instead of the file's: a data set by name, a folder of images, or a table of images "
            "and classes.",
            metavar="DATA",
            show_default=False,
        ),
    ] = None,
    jobs: Jobs = None,
    devices: Annotated[
        str | None,
        typer.Option(help="What to train on: auto, cpu, gpu, or how many.", metavar="DEVICES", show_default=False),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="float32, mixed_bfloat16 or mixed_float16.", metavar="PRECISION", show_default=False),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write events; `cnnlab tensorboard runs/` shows them.")
    ] = False,
    no_test: Annotated[
        bool, typer.Option("--no-test", help="Leave the test set alone: `cnnlab evaluate RUN` measures it later.")
    ] = False,
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
    resume: Annotated[
        Path | None,
        typer.Option(help="Resume this run, as `cnnlab resume` does.", metavar="RUN", show_default=False),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Do not train where `validate` warns.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")] = False,
    report: Annotated[
        bool,
        typer.Option(
            "--report",
            help="Also write a page, as `cnnlab report` does: about one run into its folder, about several beside "
            "theirs, named after the first and the last.",
        ),
    ] = False,
    format: Annotated[Format, typer.Option(help="How to print the result.")] = Format.TABLE,
) -> None:
    """Train an experiment into a new run folder, and measure it on the test set unless --no-test.

    Where `data.train_sizes` has several sizes or there are several seeds or folds, a run each: in one process, and what
    differs in the seed alone is compiled once. Ctrl-C saves the run, and `cnnlab resume` continues it.

    Examples: `cnnlab train lenet --seeds 5`, `cnnlab train my.yaml --folds 5`,
    `cnnlab train my.yaml --set train.optimizer.sgd.learning_rate=0.05`.
    """
    from cnnlab.config.lint import check, lint
    from cnnlab.config.load import parse, read
    from cnnlab.config.overrides import check_distinct, parse_sets
    from cnnlab.jobs.cores import for_one_process
    from cnnlab.runs.claim import check_name, check_writable
    from cnnlab.terminal import note, stderr, warn

    sets = parse_sets(set or [])
    if resume is not None:
        unfit = {"--seeds": seeds, "--name": name, "--smoke": smoke, "--data": data, "--tensorboard": tensorboard}
        unfit |= {"--report": report, "--jobs": jobs, "--folds": folds is not None}
        if given := [option for option, value in unfit.items() if value]:
            raise RequestError(f"{given[0]}: not with --resume, which continues a run unchanged")
    source = None if config is None else parse(config)
    options = overrides_from_options(
        source, data, smoke, epochs, seed, limit, folds, devices, precision, tensorboard, no_test, sets
    )
    changes = [*options, *sets]
    check_distinct([change for change in changes if change.option != "--smoke"])
    if resume is not None:
        from cnnlab.cli.resume import resume_runs

        resume_runs([resume], changes, source, quiet=quiet, format=format)
        return
    if source is None:
        raise RequestError("train: Missing argument 'CONFIG', unless --resume; see `cnnlab train --help`")
    loaded = read(source, changes)
    warnings = check(loaded)
    if smoke:  # tried with one epoch and few examples; what is written is meant for more
        meant = [change for change in changes if change.option != "--smoke"]
        warnings = [finding for finding in lint(read(source, meant)) if not finding.is_error]
    if seeds is not None and seed is not None and "," in seeds:
        raise RequestError(f"--seed {seed}: not with a list of --seeds, which names them all")
    numbers = None if seeds is None else parse_seeds(seeds, loaded.experiment.seed)
    tasks = list(new_runs(loaded.experiment, name, numbers, folds))
    check_writable(runs)
    for task in tasks:
        if task.name is not None:
            check_name(runs, task.name)
    if strict and warnings:
        raise ConfigError(*map(str, warnings))
    for warning in warnings:
        warn(str(warning))
    settings, several = loaded.experiment.train, seeds is not None or len(tasks) > 1
    count = processes(jobs, len(tasks), loaded.experiment)
    if count == 1:
        tasks = [replace(task, experiment=for_one_process(task.experiment)) for task in tasks]
        threads = tasks[0].experiment.train.threads
        if threads != settings.threads and not quiet:
            note("1 thread trains so small a network faster than all cores; another number: --set train.threads=2")
        import_tensorflow(settings.devices, threads)
    results = Results(format, several=several)

    def write_report() -> None:
        if report and results.records:  # of several workers the chief alone has them
            from cnnlab.cli.report import after_training

            after_training(results.records, runs)

    with results:
        if count == 1:
            from cnnlab.training.train import train as train_runs

            console = None if quiet else stderr()
            train_runs(tasks, runs, console=console, on_finished=results.add, at_end=write_report)
        else:
            from cnnlab.jobs.train import train as train_in_processes

            train_in_processes(tasks, runs, count, quiet=quiet, on_finished=results.add)
            write_report()

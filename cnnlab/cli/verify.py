"""`cnnlab verify`."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli.options import Jobs, processes

if TYPE_CHECKING:
    from cnnlab.runs import Run


class Format(StrEnum):
    """How the verdict is printed."""

    TABLE = "table"
    JSON = "json"


def verify(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Finished runs, or folders of runs.", metavar="RUN...", show_default=False),
    ],
    jobs: Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the verdict.")] = Format.TABLE,
) -> None:
    """Train runs once more from their records, and say whether the numbers are the same.

    Identical: table, weights and predictions are the same bits. Within noise: they are not, but the accuracy on the
    test set (of a run that leaves it alone: on the validation examples) differs by no more than chance. Different: by
    more; the exit code is 1 then. In either of the last two cases it says what of the machine or the versions has
    changed. The runs themselves are not changed.
    """
    from cnnlab.runs.experiment import check_finished
    from cnnlab.runs.find import find, find_one, holds_runs

    is_one = len(runs) == 1 and not holds_runs(runs[0])
    if any(map(holds_runs, runs)):
        found = list(_finished(find(runs)))
    else:
        found = [find_one(path) for path in runs]
        for run in found:
            check_finished(run.record())
    verdicts: list[Mapping[str, Any]] = []

    def add(verdict: Mapping[str, Any]) -> None:
        verdicts.append(verdict)
        if format is Format.TABLE:
            print(_told(verdict), flush=True)

    try:
        _verify(found, _processes(jobs, found), quiet, add)
    finally:
        if format is Format.JSON and verdicts:
            print(json.dumps(verdicts[0] if is_one else verdicts, indent=2))
    if any(verdict["verdict"] == "different" for verdict in verdicts):
        raise typer.Exit(1)


def _processes(jobs: str | None, runs: "Sequence[Run]") -> int:
    """How many; a run whose threads were not set computes with all cores again."""
    if jobs is None or not runs:
        return 1
    from cnnlab.jobs.cores import available_cores
    from cnnlab.runs.experiment import experiment_of

    experiment = experiment_of(runs[0])
    threads = experiment.train.threads or available_cores()
    train = experiment.train.model_copy(update={"threads": threads})
    return processes(jobs, len(runs), experiment.model_copy(update={"train": train}))


def _finished(runs: "Iterable[Run]") -> "Iterator[Run]":
    """Those that are; others are skipped with a warning."""
    from cnnlab.runs.find import read_records
    from cnnlab.terminal import warn

    for record in read_records(runs):
        if record.status == "finished":
            yield record.run
        else:
            warn(f"{record.run.path}: {record.status}; skipped")


def _verify(runs: "Sequence[Run]", count: int, quiet: bool, add: Callable[[Mapping[str, Any]], object]) -> None:
    """Verify runs in this process, or in several."""
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.errors import RequestError, RunError, TrainingError
    from cnnlab.runs.experiment import experiment_of
    from cnnlab.terminal import stderr, warn

    if not runs:
        raise RequestError("no finished run here to verify")
    if count > 1:
        from cnnlab.jobs.verify import verify as verify_in_processes

        verify_in_processes(runs, count, quiet=quiet, on_verdict=add)
        return
    settings = [experiment_of(run).train for run in runs]
    for key in ("devices", "threads"):  # set up once per process
        if len(values := {getattr(one, key) for one in settings}) > 1:
            raise RequestError(f"the runs differ in train.{key} ({', '.join(map(str, values))}); verify them in turn")
    import_tensorflow(settings[0].devices, settings[0].threads)
    from cnnlab.analysis.verify import verify as train_again

    failed = 0
    for run in runs:
        try:
            add(train_again(run, console=None if quiet else stderr()).as_dict())
        except (RunError, TrainingError) as error:
            if len(runs) == 1:
                raise
            warn(str(error))
            failed += 1
    if failed:
        raise TrainingError(f"{failed} of {len(runs)} runs could not be verified")


def _told(verdict: Mapping[str, Any]) -> str:
    if verdict["verdict"] == "identical":
        return f"{verdict['run']}: identical: table, weights and predictions are the same, bit for bit"
    found = "no examples were held out to tell noise by"
    if verdict["split"]:
        found = (
            f"{verdict['split']} accuracy {verdict['accuracy']:.4f}, now {verdict['accuracy_again']:.4f} "
            f"(p = {verdict['p_value']:.2g}, McNemar's exact test)"
        )
    first = verdict["first_epoch_that_differs"]
    where = f"from epoch {first} on" if first else "in the weights or predictions only"
    lines = [
        f"{verdict['run']}: {verdict['verdict']}: {found}",
        f"the numbers differ {where}: losses by up to {verdict['largest_loss_difference']:.2g}, weights by up to "
        f"{verdict['largest_weight_difference']:.2g}, {verdict['predictions_that_differ']:,} predictions",
        *(f"changed: {change}" for change in verdict["changed"] or ["nothing that was recorded"]),
    ]
    return "\n".join(lines)

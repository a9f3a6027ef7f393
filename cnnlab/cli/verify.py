"""`cnnlab verify`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cnnlab.analysis.verify import Verdict


class Format(StrEnum):
    """How the verdict is printed."""

    TABLE = "table"
    JSON = "json"


def verify(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", show_default=False)],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the verdict only.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the verdict.")] = Format.TABLE,
) -> None:
    """Train a run once more from its record, and say whether the numbers are the same.

    Identical: table, weights and predictions are the same bits. Within noise: they are not, but the accuracy on the
    test set (of a run that leaves it alone: on the validation examples) differs by no more than chance. Different: by
    more; the exit code is 1 then. In either of the last two cases it says what of the machine or the versions has
    changed. The run itself is not changed.
    """
    from cnnlab.cli.tensorflow import import_tensorflow
    from cnnlab.runs.experiment import check_finished, experiment_of
    from cnnlab.runs.find import find_one
    from cnnlab.terminal import stderr

    folder = find_one(run)
    check_finished(folder.record())
    settings = experiment_of(folder).train
    import_tensorflow(settings.devices, settings.threads)
    from cnnlab.analysis.verify import verify as train_again

    verdict = train_again(folder, console=None if quiet else stderr())
    print(json.dumps(verdict.as_dict(), indent=2) if format is Format.JSON else _told(verdict))
    if verdict.verdict == "different":
        raise typer.Exit(1)


def _told(verdict: "Verdict") -> str:
    if verdict.verdict == "identical":
        return f"{verdict.run}: identical: table, weights and predictions are the same, bit for bit"
    found = "no examples were held out to tell noise by"
    if verdict.split:
        found = (
            f"{verdict.split} accuracy {verdict.accuracy:.4f}, now {verdict.accuracy_again:.4f} "
            f"(p = {verdict.p_value:.2g}, McNemar's exact test)"
        )
    first = verdict.first_epoch_that_differs
    where = f"from epoch {first} on" if first else "in the weights or predictions only"
    lines = [
        f"{verdict.run}: {verdict.verdict}: {found}",
        f"the numbers differ {where}: losses by up to {verdict.largest_loss_difference:.2g}, weights by up to "
        f"{verdict.largest_weight_difference:.2g}, {verdict.predictions_that_differ:,} predictions",
        *(f"changed: {change}" for change in verdict.changed or ["nothing that was recorded"]),
    ]
    return "\n".join(lines)

"""`cnnlab export`."""

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli import tables
from cnnlab.export.targets import Format, Input, Target
from cnnlab.quantities import Bytes

if TYPE_CHECKING:
    from cnnlab.export.export import Report
    from cnnlab.export.proof import Proof


MEASURES: dict[str, Callable[["Proof"], str]] = {
    "largest difference": lambda proof: f"{proof.largest_difference:.2g}",
    "equal labels": lambda proof: f"{proof.equal_labels:.4f}",
    "accuracy": lambda proof: f"{proof.accuracy:.4f}",
    "ms per image": lambda proof: f"{proof.ms_per_image:.3g}",
    "ms of one image": lambda proof: f"{proof.ms_alone:.3g}",
}


class OutputFormat(StrEnum):
    """How the comparison is printed."""

    TABLE = "table"
    JSON = "json"


def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", show_default=False)],
    to: Annotated[Format, typer.Option(help="The format, by its runtime.", show_default=False)],
    int8: Annotated[
        bool, typer.Option("--int8", help="Quantize weights and activations, calibrated on training images; LiteRT.")
    ] = False,
    input: Annotated[
        Input, typer.Option(help="The images that it takes: uint8 as decoded, or float32 in [0, 1].")
    ] = Input.UINT8,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file to write, or an existing folder; by default within RUN/export.",
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    format: Annotated[OutputFormat, typer.Option(help="How to print the comparison.")] = OutputFormat.TABLE,
) -> None:
    """Export a network to Keras, TensorFlow (SavedModel), ONNX Runtime or LiteRT, and prove that it is the same there.

    It takes images (n, height, width, channels) of any number and gives probabilities; padding and scaling are part of
    it. Beside it are a JSON file of metadata and use_it.py, which classifies image files with the runtime alone. That
    script is executed in a process without cnnlab on the test set, and compared with the network here: where
    a probability differs by more than 0.0001, or more than one label in a thousand, nothing is exported, and the exit
    code is 1. The comparison is printed and written to RUN/export.
    """
    from cnnlab.export.targets import files_for
    from cnnlab.runs.experiment import check_finished, experiment_of
    from cnnlab.runs.find import find_one

    target = Target(to, input, int8)
    target.check()
    folder = find_one(run)
    check_finished(folder.record())
    files_for(folder, target, out)  # refused before the seconds that TensorFlow takes
    threads = experiment_of(folder).train.threads
    from cnnlab.cli.tensorflow import import_tensorflow

    import_tensorflow(threads=threads)
    from cnnlab.export.export import export as export_run

    report = export_run(folder, target, out)
    print(json.dumps(report.as_dict(), indent=2) if format is OutputFormat.JSON else _text(report))


def _text(report: "Report") -> str:
    from cnnlab.export.runtime import BATCH_SIZE

    proof, files = report.proof, report.files
    columns = {report.run: report.reference, files.network.name: proof}
    if report.trained_in:
        columns = {f"{report.run}, {report.precision}": report.trained_in, "in float32": report.reference} | columns
        del columns[report.run]
    rows = [
        {"": name, **{column: text(of) for column, of in columns.items()}}
        for name, text in MEASURES.items()
        if name != "accuracy" or proof.accuracy is not None
    ]
    rows.append({"": "size", **dict.fromkeys(columns, ""), files.network.name: f"{Bytes(report.bytes)}"})
    notes = [
        f"compared on {proof.count:,} images ({proof.images}), by {report.runtime} in a process without cnnlab; "
        f"differences of {report.output} to the network in float32; ms per image in batches of {BATCH_SIZE}"
    ]
    if proof.accuracy_interval and proof.accuracy_difference is not None:
        low, high = proof.accuracy_interval
        notes.append(
            f"accuracy {proof.accuracy_difference:+.4f} to the run's (95 % interval, paired: {low:+.4f} to {high:+.4f})"
        )
    if report.calibration_images:
        notes.append(f"quantized by the ranges of activations on {report.calibration_images:,} training images")
    table = tables.render(rows, list(rows[0]), tables.Format.TABLE, notes)
    return f"{table}\n\nexported: {files.network}, with {files.metadata.name} and {files.script.name}"

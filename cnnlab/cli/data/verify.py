"""`cnnlab data verify`."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cnnlab.cli.data.target import Target, data_of
from cnnlab.cli.options import Set
from cnnlab.errors import RequestError, printable
from cnnlab.messages import join_names, pluralize
from cnnlab.terminal import note

if TYPE_CHECKING:
    from cnnlab.data import Dataset
    from cnnlab.data.check import Finding
    from cnnlab.data.near import Pair
    from cnnlab.experiment.data import Data


PLOT_COLUMNS = 6  # images, two per pair


class Format(StrEnum):
    """How the findings are printed."""

    TEXT = "text"
    JSON = "json"


def verify(
    target: Target,
    set: Set = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the pairs of equal and nearly equal images, those with different labels first, then those "
            "across splits: .png, .svg or .pdf.",
            metavar="FILE",
        ),
    ] = None,
    pairs: Annotated[Path | None, typer.Option(help="Write these pairs as a table: .csv.", metavar="FILE")] = None,
    similarity: Annotated[
        float | None,
        typer.Option(
            help="All images whose pixels correlate at least this much are nearly equal. By default 0.98, where "
            "also no pixel differs much.",
            min=0.9,
            max=1,
            show_default=False,
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the findings.")] = Format.TEXT,
) -> None:
    """Check every example: damaged images, equal and nearly equal ones within and across splits, different labels of
    one image, file names that look grouped, images of a single colour, rare or missing classes.

    Exits with 1 where examples cannot be used.
    """
    if plot is not None:
        from cnnlab.plots.figure import check_target

        check_target(plot, "--plot")
    if pairs is not None:
        _check_table(pairs)
    spec = data_of(target, set or [])
    checked = _checked(spec, similarity)
    findings, count = checked.findings, checked.count
    if format is Format.JSON:
        print(
            json.dumps(
                {
                    "examples": count,
                    "findings": [asdict(finding) for finding in findings],
                    "pairs": checked.rows,
                },
                indent=2,
            )
        )
    else:
        for finding in findings:
            print(printable(f"{'error' if finding.is_error else 'warning'}: {finding}"))
        errors = sum(finding.is_error for finding in findings)
        counts = f"{pluralize(errors, 'error')}, {pluralize(len(findings) - errors, 'warning')}"
        print(f"{spec.name}: {pluralize(count, 'example')} read: {counts if findings else 'no problems'}")
    if pairs is not None:
        _write(checked, pairs)
    if plot is not None:
        _draw(checked, spec.name, plot)
    if any(finding.is_error for finding in findings) or (strict and findings):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Checked:
    """The findings, how many examples were read, and the pairs of images that are equal or nearly so."""

    findings: list["Finding"]
    count: int
    dataset: "Dataset | None" = None
    pairs: list["Pair"] = field(default_factory=list)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table of pairs."""
        from cnnlab.data.check import distinct_splits
        from cnnlab.data.near_findings import rows

        if self.dataset is None:
            return []
        return rows(distinct_splits(self.dataset), self.pairs, self.dataset.class_names)


def _check_table(path: Path) -> None:
    """Raise RequestError where `path` is no table of pairs, or something else is there."""
    from cnnlab.data.near_findings import COLUMNS

    if path.suffix.lower() != ".csv":
        raise RequestError(f"--pairs {path}: expected a file name that ends in .csv")
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            if file.readline().strip() != ",".join(COLUMNS):
                raise RequestError(f"--pairs {path}: exists, and is no table of pairs; name another file")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RequestError(f"--pairs {path}: {error.strerror}; name another file") from None


def _write(checked: _Checked, path: Path) -> None:
    """The table of pairs; only its columns where there are none."""
    from cnnlab.data.near_findings import COLUMNS
    from cnnlab.runs.metrics import write_rows

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"--pairs {path}: {error.strerror}; name another file") from None
    write_rows(path, checked.rows, COLUMNS)
    note(f"{path}: {pluralize(len(checked.rows), 'pair')}")


def _draw(checked: _Checked, name: str, path: Path) -> None:
    """The pairs side by side; the captions of those with different labels are in another colour."""
    from cnnlab.data.check import distinct_splits
    from cnnlab.data.near_findings import SHOWN, figure
    from cnnlab.plots import grid
    from cnnlab.plots.figure import class_labels

    if checked.dataset is None or not checked.pairs:
        note(f"--plot {path}: not drawn, since no images are equal or nearly equal")
        return
    class_names = class_labels(checked.dataset.class_names)
    images, titles, differ = figure(distinct_splits(checked.dataset), checked.pairs, class_names)
    more = f", the first {SHOWN}" if len(checked.pairs) > SHOWN else ""
    heading = f"{name}: {pluralize(len(checked.pairs), 'pair')} of equal or nearly equal images{more}"
    colors = [grid.WRONG if is_different else grid.RIGHT for is_different in differ]
    grid.draw(images, titles, heading, path, PLOT_COLUMNS, colors=colors)
    if any(differ):
        note(f"{path}: orange captions: different labels")


def _checked(spec: "Data", similarity: float | None) -> _Checked:
    """All that is found; damaged files are skipped."""
    from cnnlab import data
    from cnnlab.data.check import Finding, check, distinct_splits
    from cnnlab.data.name_groups import name_findings
    from cnnlab.data.near import equal_pairs, near_pairs
    from cnnlab.data.near_findings import near_findings
    from cnnlab.data.sources import image_files
    from cnnlab.errors import DataError
    from cnnlab.experiment.data import ImageFiles

    found: list[Finding] = []
    try:
        if isinstance(spec, ImageFiles):
            faults, stale = image_files.verify(spec)
            is_error = spec.on_error == "fail"
            found += [Finding("damaged", path, 1, reason, is_error=is_error) for path, reason in faults.items()]
            if stale:
                count = pluralize(len(stale), "file")
                text = f"{count} with other pixels than in the cache, now decoded again: {join_names(stale, 3)}"
                found.append(Finding("stale", spec.name, len(stale), text))
            spec = spec.model_copy(update={"on_error": "skip"})
        dataset = data.load(spec, quiet=True)
    except DataError as error:
        return _Checked([*found, Finding("unusable", spec.name, 1, str(error), is_error=True)], 0)
    place = dataset.origin.place or dataset.name
    found += [
        Finding(remark.kind, place, remark.count, remark.text)
        for remark in dataset.origin.warnings
        if remark.kind != "skipped"  # each of them is named above
    ]
    if dataset.genuine is False:
        found.append(Finding("variant", dataset.name, 1, "a variant, which does not have the published SHA-256"))
    splits = distinct_splits(dataset)
    near = near_pairs(splits, similarity)
    found += [*check(dataset), *near_findings(splits, near, dataset.class_names), *name_findings(dataset)]
    total = sum(len(examples) for examples in dataset.splits().values())
    return _Checked(found, total, dataset, [*equal_pairs(splits), *near])

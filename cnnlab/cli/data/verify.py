"""`cnnlab data verify`."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.data.target import Target, data_of
from cnnlab.cli.options import Set
from cnnlab.errors import printable
from cnnlab.messages import join_names, pluralize

if TYPE_CHECKING:
    from cnnlab.data.check import Finding
    from cnnlab.experiment.data import Data


class Format(StrEnum):
    """How the findings are printed."""

    TEXT = "text"
    JSON = "json"


def verify(
    target: Target,
    set: Set = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail too.")] = False,
    format: Annotated[Format, typer.Option(help="How to print the findings.")] = Format.TEXT,
) -> None:
    """Check every example: damaged images, duplicates within and across splits, images of a single colour, classes
    that are rare or missing. Exits with 1 where examples cannot be used.
    """
    spec = data_of(target, set or [])
    findings, count = _findings(spec)
    if format is Format.JSON:
        print(json.dumps({"examples": count, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            print(printable(f"{'error' if finding.is_error else 'warning'}: {finding}"))
        errors = sum(finding.is_error for finding in findings)
        counts = f"{pluralize(errors, 'error')}, {pluralize(len(findings) - errors, 'warning')}"
        print(f"{spec.name}: {pluralize(count, 'example')} read: {counts if findings else 'no problems'}")
    if any(finding.is_error for finding in findings) or (strict and findings):
        raise typer.Exit(1)


def _findings(spec: "Data") -> tuple[list["Finding"], int]:
    """The findings, and how many examples were read; damaged ones are skipped."""
    from cnnlab import data
    from cnnlab.data.check import Finding, check
    from cnnlab.data.sources import folder
    from cnnlab.errors import DataError
    from cnnlab.experiment.data import Folder

    found: list[Finding] = []
    try:
        if isinstance(spec, Folder):
            faults, stale = folder.verify(spec)
            is_error = spec.on_error == "fail"
            found += [Finding("damaged", path, 1, reason, is_error=is_error) for path, reason in faults.items()]
            if stale:
                count = pluralize(len(stale), "file")
                text = f"{count} with other pixels than in the cache, now decoded again: {join_names(stale, 3)}"
                found.append(Finding("stale", spec.name, len(stale), text))
            spec = spec.model_copy(update={"on_error": "skip"})
        dataset = data.load(spec, quiet=True)
    except DataError as error:
        return [*found, Finding("unusable", spec.name, 1, str(error), is_error=True)], 0
    place = dataset.origin.place or dataset.name
    found += [
        Finding(remark.kind, place, remark.count, remark.text)
        for remark in dataset.origin.warnings
        if remark.kind != "skipped"  # each of them is named above
    ]
    if dataset.genuine is False:
        found.append(Finding("variant", dataset.name, 1, "a variant, which does not have the published SHA-256"))
    return found + check(dataset), sum(len(examples) for examples in dataset.splits().values())

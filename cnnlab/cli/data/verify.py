"""`cnnlab data verify`."""

import json
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from cnnlab.cli.data.target import Target, data_of
from cnnlab.cli.options import Set
from cnnlab.errors import printable

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
    """Read every example and say what may be wrong: damaged pictures, duplicates within and across splits, pictures of
    a single colour, classes that are rare or missing. Exits with 1 where examples cannot be used.
    """
    spec = data_of(target, set or [])
    findings, count = _findings(spec)
    if format is Format.JSON:
        print(json.dumps({"examples": count, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        for finding in findings:
            print(printable(f"{'error' if finding.is_error else 'warning'}: {finding}"))
        errors = sum(finding.is_error for finding in findings)
        print(f"{spec.name}: {count:,} examples read: {_counted(errors, len(findings) - errors)}")
    if any(finding.is_error for finding in findings) or (strict and findings):
        raise typer.Exit(1)


def _counted(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "all well"
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"


def _findings(spec: "Data") -> tuple[list["Finding"], int]:
    from cnnlab import data
    from cnnlab.data.check import Finding, check
    from cnnlab.data.sources import folder
    from cnnlab.experiment.data import Folder

    found: list[Finding] = []
    if isinstance(spec, Folder):
        faults, listing = folder.faults(spec)
        found = [Finding("damaged", path, 1, reason, is_error=True) for path, reason in faults]
        if listing.ignored:
            count = len(listing.ignored)
            text = f"left out, since they are no pictures by their names: {count:,}, such as {listing.ignored[0]}"
            found.append(Finding("ignored", str(listing.root), count, text))
        if faults:
            return found, len(listing.files)
    dataset = data.load(spec)
    if dataset.genuine is False:
        found.append(Finding("variant", dataset.name, 1, "is a variant: it does not have the published SHA-256"))
    return found + check(dataset), sum(len(examples) for examples in dataset.splits().values())

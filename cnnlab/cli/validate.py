"""`cnnlab validate`."""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from cnnlab.cli.options import Set
from cnnlab.errors import ConfigError, printable
from cnnlab.messages import PLACE, pluralize


class Format(StrEnum):
    """Output format."""

    TEXT = "text"
    JSON = "json"


def validate(
    configs: Annotated[
        list[str], typer.Argument(help="Experiment files, or names of shipped ones.", show_default=False)
    ],
    set: Set = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    replicas: Annotated[
        int | None,
        typer.Option(
            help="Number of devices that divide a batch, unless train.devices is a number.", min=1, show_default=False
        ),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print the findings.")] = Format.TEXT,
) -> None:
    """Check experiment files: one line per error and warning, with its place. Exits with 2 if there are errors.

    A comment `# cnnlab: allow[rule]` on its line silences a warning.
    """
    from cnnlab.config.overrides import parse_sets

    changes = parse_sets(set or [])
    findings = [finding for config in configs for finding in _findings(config, changes, replicas)]
    levels = [finding["level"] for finding in findings]
    if format is Format.JSON:
        print(json.dumps(findings, indent=2))
    else:
        for finding in findings:
            print(finding["text"])
        print(_summary(len(configs), levels.count("error"), levels.count("warning")))
    if "error" in levels or (strict and levels):
        raise typer.Exit(ConfigError.exit_code)


def _findings(config: str, changes: Any, replicas: int | None) -> list[dict[str, Any]]:
    from cnnlab.config.lint import lint
    from cnnlab.config.load import read

    try:
        loaded = read(config, changes)
        if loaded.experiment.search is not None:
            from cnnlab.config.space import read_space

            return [_row(config, warning, "warning", None) for warning in read_space(config, changes).check()]
        found = lint(loaded, replicas)
    except ConfigError as error:
        return [_row(config, problem, "error", None) for problem in error.problems]
    return [_row(config, str(finding), "error" if finding.is_error else "warning", finding.rule) for finding in found]


def _row(config: str, text: str, level: str, rule: str | None) -> dict[str, Any]:
    """A finding as data; file, line and column are None where the place is an option."""
    place = PLACE.match(text)
    return {
        "config": config,
        "file": place[1] if place else None,
        "line": int(place[2]) if place else None,
        "column": int(place[3]) if place else None,
        "level": level,
        "rule": rule,
        "text": printable(text),
    }


def _summary(files: int, errors: int, warnings: int) -> str:
    checked = pluralize(files, "experiment")
    if not errors and not warnings:
        return f"{checked}: all valid" if files > 1 else f"{checked}: valid"
    return f"{checked}: {pluralize(errors, 'error')}, {pluralize(warnings, 'warning')}"

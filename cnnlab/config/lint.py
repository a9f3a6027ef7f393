"""Errors and probable mistakes in an experiment, found before training."""

from collections.abc import Iterator
from dataclasses import dataclass

from cnnlab.config import rules
from cnnlab.config.lint_rule import LintContext
from cnnlab.config.load import Config
from cnnlab.config.yaml import Place
from cnnlab.errors import ConfigError
from cnnlab.experiment.network import LayerError
from cnnlab.experiment.summary import summarize_experiment
from cnnlab.messages import did_you_mean, position
from cnnlab.paths import KeyPath, show_path
from cnnlab.terminal import proposed

UNKNOWN_RULE = "unknown-rule"


@dataclass(frozen=True)
class Finding:
    """A violation of a rule: an error prevents training, a warning does not."""

    place: str
    key: str
    message: str
    rule: str
    is_error: bool

    def __str__(self) -> str:
        """`configs/x.yaml:14:9: train.epochs: what is wrong`; a warning with the rule that `allow[rule]` silences."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.place}: {key}{self.message}" + ("" if self.is_error else f" [{self.rule}]")


def lint(config: Config, replicas: int | None = None) -> list[Finding]:
    """All findings on `config`, in the order of their places.

    `replicas` is the number of devices that divide a batch, by default that of the experiment.
    """
    experiment = config.experiment
    if replicas is None:
        replicas = experiment.train.devices if isinstance(experiment.train.devices, int) else 1
    found: list[Finding] = []
    summary = None
    try:
        summary = summarize_experiment(experiment)
    except LayerError as error:
        found.append(_finding(config, error.path, str(error), "shape", is_error=True))
    context = LintContext(experiment, summary, replicas)
    for rule in (*rules.ERRORS, *rules.WARNINGS):
        name, is_error = rules.name_of(rule), rule in rules.ERRORS
        for path, message in rule(context):
            if is_error or name not in config.allowed(path):
                found.append(_finding(config, path, message, name, is_error=is_error))
    found.extend(_unknown_rules(config))
    unique = dict.fromkeys(found)  # a repeated layer gives one finding
    return sorted(unique, key=lambda finding: position(finding.place))


def check(config: Config) -> list[Finding]:
    """The warnings on `config`. Raises ConfigError with a line for every error."""
    if config.experiment.search is not None:
        place = config.place(("search",))
        raise ConfigError(f"{place}: search: this is a search space; {proposed('sweep', config.path)} searches it")
    findings = lint(config)
    if errors := [str(finding) for finding in findings if finding.is_error]:
        raise ConfigError(*errors)
    return findings


def _finding(config: Config, path: KeyPath, message: str, rule: str, *, is_error: bool) -> Finding:
    return Finding(config.place(path), show_path(path), message, rule, is_error)


def _unknown_rules(config: Config) -> Iterator[Finding]:
    known = [rules.name_of(rule) for rule in rules.WARNINGS]
    for (source, line), names in config.source.allowed.items():
        for name in sorted(names - {*known}):
            message = f"allow[{name}]: no such rule; {did_you_mean(name, known)}"
            yield Finding(str(Place(source, line, 1)), "", message, UNKNOWN_RULE, is_error=False)

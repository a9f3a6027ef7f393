"""What a section `search` may contain, beyond its schema, and how an option writes its values."""

import re
from collections.abc import Sequence
from typing import Any

from cnnlab.config import yaml
from cnnlab.config.dimensions import Dimension, is_value, listed
from cnnlab.config.load import Config
from cnnlab.config.overrides import Override
from cnnlab.errors import ConfigError
from cnnlab.experiment.search import RANGES, Search
from cnnlab.messages import did_you_mean, pluralize
from cnnlab.paths import parse_path

UNSEARCHABLE = {
    "name": "names the sweep",
    "seed": "is chance, of which finalists get fresh seeds",
    "published": "changes no number",
    "search": "is the search itself",
    "data": "decides by which examples trials are compared",
    "train.test": "trials leave the test set alone",
    "train.devices": "is set up once per process",
    "train.threads": "is set up once per process",
}
_RANGE = re.compile(rf"(?:({'|'.join(RANGES)}):)?([^:|]+?)\.\.([^:|]+?)(?::([^:|]+))?")


def parse_search(text: str) -> Override:
    """The override that `--search TEXT` asks for: `KEY=log:1e-4..1e-1`, `KEY=integer:4..32:4` or `KEY=32|64|128`."""
    option = f"--search {text}"
    key, separator, values = text.partition("=")
    if not separator or not key or not values:
        raise ConfigError(f"{option}: expected KEY=VALUES, such as train.batch_size=32|64|128")

    def value(part: str) -> Any:
        return yaml.parse(part.strip(), option).data

    if match := _RANGE.fullmatch(values.strip()):
        ends = [value(match[2]), value(match[3])]
        kind = match[1] or ("integer" if all(isinstance(end, int) for end in ends) else "linear")
        given: dict[str, Any] = {kind: ends, **({"step": value(match[4])} if match[4] else {})}
    elif ".." in values and "|" not in values:
        raise ConfigError(f"{option}: expected a range such as log:1e-4..1e-1 or integer:4..32:4, got '{values}'")
    else:
        given = {"choice": [value(part) for part in values.split("|")]}
    return Override(("search", "space", key), given, option)


def check_keys(dimensions: Sequence[Dimension]) -> None:
    """Raise ConfigError for keys that cannot be searched, and conditions that never hold."""
    problems = []
    keys = [one.key for one in dimensions]
    for one in dimensions:
        name = f"{one.place}: search.space.{one.key}"
        if not one.path:
            problems.append(f"{name}: expected a key such as train.batch_size or model.layers[0].conv2d.filters")
            continue
        for fixed, why in UNSEARCHABLE.items():
            if one.path[: len(parse_path(fixed))] == parse_path(fixed):
                problems.append(f"{name}: cannot be searched: {fixed} {why}")
        if (twins := [other.key for other in dimensions if other.path == one.path]) and twins[0] != one.key:
            problems.append(f"{name}: is the same key as {twins[0]}; keep one")
        for key in one.values.when:
            if key not in keys:
                problems.append(f"{name}: when: {key}: no such key in the space; {did_you_mean(key, keys)}")
            elif key == one.key:
                problems.append(f"{name}: when: cannot depend on itself")
            elif wanted := [
                value
                for value in listed(one.values.when[key])
                if not any(is_value(choice, value) for choice in dimensions[keys.index(key)].choices or ())
            ]:
                problems.append(
                    f"{name}: when: {key} never is {yaml.dump_inline(wanted[0])}; expected one of its values"
                )
    if problems:
        raise ConfigError(*problems)


def check_trials(config: Config, search: Search) -> None:
    """Raise ConfigError where there is nothing by which trials can be compared, or nothing that could be pruned."""
    data = config.experiment.data
    place = config.place(("data", "validation"))
    if data.validation == "test":
        raise ConfigError(
            f"{place}: data.validation: test: trials would be chosen by the test set; hold out training examples, "
            "such as --set data.validation=0.1"
        )
    if data.holds_out_nothing():
        raise ConfigError(
            f"{place}: data.validation: no examples are held out, by which trials are compared; set it, such as "
            "--set data.validation=0.1"
        )
    if search.pruner != "none" and search.min_epochs >= config.experiment.train.epochs:
        raise ConfigError(
            f"{config.place(('search', 'min_epochs'))}: search.min_epochs: {search.min_epochs}, and a trial has "
            f"{pluralize(config.experiment.train.epochs, 'epoch')}: none would be pruned"
        )
    if search.metric == "val_loss" and any(key.startswith("train.loss") for key in search.space):
        raise ConfigError(
            f"{config.place(('search', 'metric'))}: search.metric: val_loss of different losses are not on one scale; "
            "expected val_accuracy"
        )

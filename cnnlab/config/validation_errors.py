"""Validation errors of pydantic as messages: place, expected, got, fix."""

import re
import typing
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cnnlab.config.schema_lookup import kinds_by_name, option_names_at
from cnnlab.experiment.data import DATA_NAMES, PLUGIN, plugin
from cnnlab.experiment.layers import base
from cnnlab.experiment.schema import FOLDER_NAME_RULE
from cnnlab.messages import closest, did_you_mean, folder_name, join_names, shorten
from cnnlab.paths import KeyPath, show_path

Where = Callable[[KeyPath, bool], str]
ACTIVATIONS = typing.get_args(base.Activation)


def describe(error: ValidationError, where: Where, above: KeyPath = ()) -> list[str]:
    """One line per error. `where(path, is_key)` is the place of a key, or of its value.

    `above` is the path of what was validated, if that is a part of an experiment.
    """
    lines = []
    for details in error.errors(include_url=False):
        details["loc"] = (*above, *details["loc"])
        path = _path_in_file(details)
        is_key = details["type"] in ("extra_forbidden", "missing")
        name = show_path(path) or "the experiment"
        place = where(path, is_key)
        message = _message(details)
        if details["type"] == "union_tag_not_found" and place.startswith("--set") and isinstance(path[-1], int):
            message += f"; --set replaces a layer by its whole value: --set '{name}={{kind: {{option: value}}}}'"
        lines.append(f"{place}: {name}: {message}")
    return lines


def _path_in_file(details: ErrorDetails) -> KeyPath:
    """The path in the file: pydantic's path has the name of a data set as a step, which the file has not."""
    path = tuple(details["loc"])
    if path[:1] == ("data",):
        if path[1:2] and path[1] in (*DATA_NAMES, PLUGIN):
            path = ("data", *path[2:])
        if details["type"].startswith("union_tag") and isinstance(details["input"], dict):
            path = (*path, "name")
    return path


def _message(details: ErrorDetails) -> str:
    got = shorten(details["input"])
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            *above, key = details["loc"]
            known = option_names_at(above) if above else [*option_names_at(()), "extends"]
            return f"unknown key; {did_you_mean(str(key), known)}" if known else "unknown key; it takes no options"
        case "missing":
            return "missing; this key is required"
        case "union_tag_invalid" if details["loc"] == ("data",):
            return f"unknown data set '{context['tag']}'; {did_you_mean(context['tag'], data_set_names())}"
        case "union_tag_invalid":
            return _unknown_kind(context["tag"], kinds_by_name(details["loc"]))
        case "union_tag_not_found" if details["loc"] == ("data",):
            return f"expected one of {', '.join(data_set_names())}, got {shorten(_name_in(details['input']))}"
        case "union_tag_not_found":
            return _not_one_kind(details["input"])
        case "too_long":
            return f"{len(details['input']):,} entries; expected at most {context['max_length']}"
        case "too_short":
            count = len(details["input"])
            return f"{count or 'no'} entr{'y' if count == 1 else 'ies'}; expected at least {context['min_length']}"
        case "options_expected" | "misfit":
            return details["msg"]
        case "literal_error":
            close = closest(str(details["input"]), re.findall(r"'([^']+)'", context["expected"]))
            hint = f"; did you mean '{close}'?" if close else ""
            return f"expected {context['expected']}, got {got}{hint}"
        case "model_type":
            return f"expected a map of keys, got {got}"
        case "recursion_loop":
            return "nested too deeply for an experiment"
        case "string_pattern_mismatch":
            return f"expected {FOLDER_NAME_RULE}, got {got}; try {folder_name(str(details['input']))}"
    return f"{_expectation(details)}, got {got}"


def data_set_names() -> list[str]:
    """The names of all data sets, including those of plugins."""
    return [*DATA_NAMES, *plugin.names()]


def _name_in(value: Any) -> Any:
    return value.get("name") if isinstance(value, dict) else value


def _unknown_kind(kind: str, kinds: dict[str, str]) -> str:
    """The message for an unknown kind where `kinds` are known by these names."""
    activation = next((name for name in ACTIVATIONS if name.replace("_", "") == kind.replace("_", "").lower()), None)
    if activation and "activation" in kinds:
        return f"unknown kind '{kind}'; did you mean 'activation: {activation}'?"
    if close := closest(kind, list(kinds)):
        return f"unknown kind '{kind}'; did you mean '{kinds[close]}'?"
    return f"unknown kind '{kind}'; expected one of {', '.join(sorted(set(kinds.values())))}"


def _expectation(details: ErrorDetails) -> str:
    """pydantic's message in our style: `Input should be a valid integer` as `expected an integer`."""
    message = details["msg"]
    for theirs, ours in (
        ("Input should be a valid ", "expected a "),
        ("Input should be a ", "expected a "),
        ("Input should be ", "expected a value "),
        ("a integer", "an integer"),
    ):
        message = message.replace(theirs, ours)
    return message[0].lower() + message[1:]


def _not_one_kind(value: Any) -> str:
    if isinstance(value, dict) and len(value) > 1:
        first, *others = (f"'{key}'" for key in value)
        got = join_names([first, *others])
        if next(iter(value.values())) is None:
            return f"expected one kind, got {got}; indent {join_names(others)} under {first}"
        return f"expected one kind, got {got}; keep one"
    return f"expected a kind such as 'kind' or 'kind: {{option: value}}', got {shorten(value)}"

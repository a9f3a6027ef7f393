"""Typed values out of JSON, each checked; by hand, since importing pydantic would slow `cnnlab compare`.

Every function raises ValueError where a value is missing or is not what is expected, naming its path.
"""

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

from cnnlab.messages import shorten

MAX_NESTING = 150  # of maps and lists; blocks within blocks of a network come to less
KINDS = {str: "text", int: "an integer", float: "a number", bool: "true or false", dict: "a map", list: "a list"}
REQUIRED: Any = object()


def parse_json(content: bytes) -> Any:
    """The data in `content`, all of whose numbers are finite, and which is nested no deeper than MAX_NESTING."""
    data = json.loads(content, parse_constant=_refuse, parse_float=_finite)
    if content.count(b"[") + content.count(b"{") > MAX_NESTING and _depth(data) > MAX_NESTING:
        raise ValueError(f"nested more than {MAX_NESTING} deep")
    return data


def get(parent: Mapping[str, Any], path: str, kind: type, default: Any = REQUIRED) -> Any:
    """The value in `parent` whose key is the last part of `path`; `default` where it is missing or null."""
    value = parent.get(path.rpartition(".")[2])
    if value is None and default is not REQUIRED:
        return default
    if type(value) is kind or (kind is float and type(value) is int):  # not isinstance: True is no number
        return value
    raise ValueError(f"'{path}' is {'missing' if value is None else shorten(value)}; expected {KINDS[kind]}")


def number(parent: Mapping[str, Any], path: str, highest: float | None = None) -> float | None:
    """A number of at least 0 and at most `highest`; None where it is missing."""
    value: float | None = get(parent, path, float, None)
    if value is not None and not 0 <= value <= (highest or sys.float_info.max):
        interval = f"in [0, {highest:g}]" if highest else "of at least 0"
        raise ValueError(f"'{path}' is {shorten(value)}; expected a number {interval}")
    return value


def count(parent: Mapping[str, Any], path: str, default: Any = REQUIRED) -> Any:
    """An integer of at least 0."""
    value = get(parent, path, int, default)
    if value is not None and value < 0:
        raise ValueError(f"'{path}' is {shorten(value)}; expected an integer of at least 0")
    return value


def list_of(kind: type, parent: Mapping[str, Any], path: str, default: Any = REQUIRED) -> list[Any]:
    """A list of values of that kind."""
    values: list[Any] = get(parent, path, list, default)
    for index, value in enumerate(values):
        if type(value) is not kind:
            raise ValueError(f"'{path}[{index}]' is {shorten(value)}; expected {KINDS[kind]}")
    return values


def _depth(value: Any) -> int:
    """The depth of nested maps and lists; without recursion, which has a lower limit."""
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is more than a number can be")
    return value

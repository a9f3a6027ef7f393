"""YAML with the place of every key and value.

Scalars follow YAML 1.2's core schema: `1e-3` is a number, `on` and `no` are strings. `<<: *name` merges another map
(https://yaml.org/type/merge.html). Duplicate keys, tags and exponentially growing aliases are errors.
"""

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from cnnlab.errors import ConfigError
from cnnlab.paths import KeyPath

MAX_DEPTH = 100  # of nested maps and lists
MAX_NODES = 20_000  # experiments have hundreds; nested aliases can reach billions
MERGE = "tag:yaml.org,2002:merge"

_CORE = {  # https://yaml.org/spec/1.2.2/#103-core-schema
    "null": (r"~|null|Null|NULL|", "~nN"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    # Without leading zeros: a class may be called 01.
    "int": (r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
}


class Place(NamedTuple):
    """A position in a file; line and column count from 1."""

    source: str
    line: int
    column: int

    def __str__(self) -> str:
        """`configs/lenet.yaml:14:9`."""
        return f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Document:
    """Data, and the place of each key and value."""

    data: Any
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)


class _TooMuch(Exception):
    """Too many values, or too deeply nested."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012 - an attribute of PyYAML
    _nodes = _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """As in PyYAML, but within limits; the value of an alias has the place of the alias."""
        self._nodes, self._depth = self._nodes + 1, self._depth + 1
        mark, end = (event := self.peek_event()).start_mark, event.end_mark  # type: ignore[no-untyped-call]
        if self._nodes > MAX_NODES or self._depth > MAX_DEPTH:
            raise _TooMuch(f":{mark.line + 1}:{mark.column + 1}: ")
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias:
            node = copy.copy(node)
            node.start_mark, node.end_mark = mark, end  # type: ignore[union-attr]
        return node


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = {}  # noqa: RUF012 - an attribute of PyYAML

    def ignore_aliases(self, data: Any) -> bool:
        """Write repeated values out."""
        return True


for _class in (_Loader, _Dumper):
    for _tag, (_pattern, _first) in _CORE.items():
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first, *([""] if _tag == "null" else [])]
        )
    _class.add_implicit_resolver(MERGE, re.compile("^<<$"), ["<"])  # a quoted "<<" is a word


def parse(text: str, source: str) -> Document:
    """Parse `text`. Raises ConfigError with `source`, line and column."""
    with _errors_at(source):
        root, reading = yaml.compose(text, Loader=_Loader), _Reading(source)
        return Document(reading.value(root, (), frozenset()), reading.keys, reading.values)


def compose(text: str, source: str) -> yaml.Node | None:
    """The nodes of `text`, with their marks. Raises ConfigError as `parse` does."""
    with _errors_at(source):
        return yaml.compose(text, Loader=_Loader)


@contextmanager
def _errors_at(source: str) -> Iterator[None]:
    """Turn PyYAML's errors into a ConfigError with `source`, line and column."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark else source
        tab = " (YAML indents with spaces, never with tabs)" if mark and "\\t" in str(error.problem) else ""
        raise ConfigError(f"{place}: not YAML: {error.problem or error.context}{tab}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two from escapes beyond Unicode
        raise ConfigError(f"{source}: not YAML: {' '.join(str(error).split())}") from None
    except _TooMuch as error:
        raise ConfigError(f"{source}{error}too many values, or nested too deeply, for an experiment") from None


def dump(data: Any) -> str:
    """`data` as YAML that `parse` reads back as equal."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)


def dump_inline(data: Any) -> str:
    """`data` as YAML on a single line."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


class _Reading:
    """Converts nodes to data, with the place of everything; at most MAX_NODES values."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._budget = iter(range(MAX_NODES))
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}

    def value(self, node: yaml.Node | None, path: KeyPath, parents: frozenset[int]) -> Any:
        """The value at `path`; `parents` are the ids of the maps and lists around it, to detect recursion."""
        if node is None:
            return None
        where = self.values[path] = _place(node, self._source)
        inside = self._enter(node, parents)
        if isinstance(node, yaml.SequenceNode):
            _check_tag(node, "seq", where)
            return [self.value(item, (*path, index), inside) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            mapping = {}
            for key, (key_node, value_node) in self._entries(node, inside).items():
                self.keys[*path, key] = _place(key_node, self._source)
                mapping[key] = self.value(value_node, (*path, key), inside)
            return mapping
        return _scalar(node, where)

    def _enter(self, node: yaml.Node, parents: frozenset[int]) -> frozenset[int]:
        """`parents` with `node`. Raises ConfigError for recursion or too many values."""
        if next(self._budget, None) is None or len(parents) > MAX_DEPTH or id(node.value) in parents:
            where = _place(node, self._source)
            raise ConfigError(
                f"{where}: too many values, or aliases (*name) that repeat too much; write the values out"
            )
        return parents | {id(node.value)}  # the same object for every alias

    def _entries(self, node: yaml.MappingNode, parents: frozenset[int]) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The nodes of a map by key; explicit keys take precedence over merged ones. Raises ConfigError."""
        _check_tag(node, "map", _place(node, self._source))
        explicit: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merge: yaml.Node | None = None
        for key_node, value_node in node.value:
            place = _place(key_node, self._source)
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigError(f"{place}: a key must be a string")
            if key_node.tag == MERGE:
                if merge is not None:
                    raise ConfigError(
                        f"{place}: duplicate key '<<' (first on line {merge.start_mark.line + 1}); "
                        "merge several maps with <<: [*a, *b]"
                    )
                merge = key_node
                merged = self._merged(value_node, parents)
            elif (key := str(key_node.value)) in explicit:
                first = _place(explicit[key][0], self._source).line
                raise ConfigError(f"{place}: duplicate key '{key}' (first on line {first}); keep one")
            else:
                explicit[key] = key_node, value_node
        return merged | explicit

    def _merged(self, node: yaml.Node, parents: frozenset[int]) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The entries of the maps that `<<` names; the first map with a key takes precedence."""
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for base in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(base, yaml.MappingNode):
                place = _place(base, self._source)
                raise ConfigError(f"{place}: <<: expected a map to merge, such as *name, or a list of such maps")
            inside = self._enter(base, parents)
            for entry in self._entries(base, inside).items():
                self._enter(base, parents)  # count every entry: nested merges multiply too
                merged.update([entry])
        return merged


def _place(node: yaml.Node, source: str) -> Place:
    return Place(source, node.start_mark.line + 1, node.start_mark.column + 1)


def _check_tag(node: yaml.Node, expected: str, where: Place) -> None:
    if node.tag != f"tag:yaml.org,2002:{expected}":
        raise ConfigError(f"{where}: YAML tags ({node.tag}) are not supported; remove the tag")


def _scalar(node: yaml.Node, where: Place) -> Any:
    text, tag = str(node.value), node.tag.removeprefix("tag:yaml.org,2002:")
    if tag in ("str", "merge"):  # "<<" that is not a key
        return text
    if tag not in _CORE:
        raise ConfigError(f"{where}: YAML tags ({node.tag}) are not supported; remove the tag")
    if not re.fullmatch(_CORE[tag][0], text):  # only with an explicit tag: other plain scalars are strings
        raise ConfigError(f"{where}: '{text}' is not of its tag {node.tag}; remove the tag")
    if tag == "int":
        if len(text) > 40:
            raise ConfigError(f"{where}: an integer of {len(text)} digits is too large")
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    if tag == "float":
        return float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    return None if tag == "null" else text.lower() == "true"

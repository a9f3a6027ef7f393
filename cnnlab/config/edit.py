"""Changing one value of an experiment file in place: comments, layout and all else stay as they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml as pyyaml

from cnnlab.config import files, yaml
from cnnlab.config.load import changed, read
from cnnlab.config.overrides import Override
from cnnlab.config.schema_lookup import canonicalize_path, kinds_by_name, shorthand_option
from cnnlab.errors import ConfigError
from cnnlab.paths import KeyPath, show_path

BOM = "\ufeff"


def with_value(path: Path, key: KeyPath, value: float) -> str:
    """The text of the experiment file at `path`, with `value` at `key`; what the file leaves out is inserted.

    The result is read, and is the same experiment but for that value. Raises ConfigError where a change of the text
    cannot make it so, as where the value is an anchor's that other keys share.
    """
    before = files.read_text(path)
    raw = path.read_bytes().decode()
    text = raw.removeprefix(BOM)
    edited = edited_text(text, str(path), key, value)
    override = Override(key, value, show_path(key))
    try:
        is_same = (
            read(files.read(path, edited)).experiment == changed(read(files.read(path, before)), [override]).experiment
        )
    except ConfigError:
        is_same = False
    if not is_same:
        raise ConfigError(
            f"{path}: {show_path(key)} cannot be changed in place, as where an anchor is shared; "
            f"set it there yourself: {show_path(key)}: {yaml.dump_inline(value)}"
        )
    return BOM * (text != raw) + edited


def edited_text(text: str, source: str, key: KeyPath, value: Any) -> str:
    """The text with `value` at `key`, as far as a change of the text makes it so: the caller reads it and compares."""
    start, end, replacement = _edit(yaml.compose(text, source), (), key, value, text)
    newline = "\r\n" if "\r\n" in text else "\n"
    return text[:start] + replacement.replace("\n", newline) + text[end:]


def _edit(node: pyyaml.Node | None, here: KeyPath, rest: KeyPath, value: Any, text: str) -> tuple[int, int, str]:
    """What of the text to replace by what, (start, end, replacement), for `value` at `rest` below `here`."""
    if isinstance(node, pyyaml.MappingNode):
        for key_node, value_node in node.value:
            if canonicalize_path((*here, str(key_node.value))) == (*here, rest[0]) and rest[1:]:
                return _edit(value_node, (*here, rest[0]), rest[1:], value, text)
            if key_node.value == rest[0]:
                return _replacement(value_node, yaml.dump_inline(value), text)
        return _insertion(node, rest, value, text)
    if isinstance(node, pyyaml.SequenceNode) and isinstance(rest[0], int) and rest[0] < len(node.value):
        if not rest[1:]:
            return _replacement(node.value[rest[0]], yaml.dump_inline(value), text)
        return _edit(node.value[rest[0]], (*here, rest[0]), rest[1:], value, text)
    if node is None or isinstance(node, pyyaml.SequenceNode):
        return 0, 0, ""  # no experiment, which its check then says
    is_kind = kinds_by_name(here).get(str(node.value)) == rest[0]  # `optimizer: adam`
    if not is_kind and shorthand_option(here) == rest[0] and node.value:  # `sgd: 0.1`
        return _replacement(node, yaml.dump_inline(value), text)
    return _replacement(node, yaml.dump_inline(_nested(rest, value)), text)


def _replacement(node: pyyaml.Node, new: str, text: str) -> tuple[int, int, str]:
    start, end = node.start_mark.index, node.end_mark.index
    return start, end, f" {new}" if start == end and text[start - 1 : start] == ":" else new


def _insertion(node: pyyaml.MappingNode, rest: KeyPath, value: Any, text: str) -> tuple[int, int, str]:
    """A new first entry of a map; of the whole file, a new last one."""
    entry = yaml.dump_inline(_nested(rest, value))[1:-1]
    if not node.value:
        start = text.index("{", node.start_mark.index) + 1
        return start, start, entry
    first = node.value[0][0].start_mark
    if node.flow_style:
        return first.index, first.index, f"{entry}, "
    if first.column or len(rest) == 1:
        return first.index, first.index, f"{entry}\n{' ' * first.column}"
    inside = yaml.dump_inline(_nested(rest[1:], value))[1:-1]
    return len(text), len(text), f"{'' if text.endswith(chr(10)) else chr(10)}{rest[0]}:\n  {inside}\n"


def _nested(keys: Sequence[str | int], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value

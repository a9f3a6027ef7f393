"""Which files belong together, so that no split divides them: `data.group`."""

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, PositiveInt
from pydantic_core import PydanticCustomError

from cnnlab.experiment.choice import Choice, by_kind


def _compiled(value: Any) -> "re.Pattern[str]":
    if not isinstance(value, str) or not value:
        raise PydanticCustomError("pattern_expected", "expected a regular expression such as '(p[0-9]+)_'")
    try:
        return re.compile(value)
    except re.error as error:
        raise PydanticCustomError(
            "pattern_expected", "no regular expression: {reason}", {"reason": str(error)}
        ) from None


def _as_pattern(value: Any) -> Any:
    _compiled(value)
    return value


def _as_number_pattern(value: Any) -> Any:
    if not _compiled(value).groups:
        raise PydanticCustomError("pattern_expected", "expected parentheses around the number, such as 'IMG_([0-9]+)'")
    return value


Pattern = Annotated[str, BeforeValidator(_as_pattern)]
NumberPattern = Annotated[str, BeforeValidator(_as_number_pattern)]


class ByName(Choice):
    """A regular expression that is found in every file name: files with the same text in its parentheses, or without
    parentheses the same match, are one group. `group: 'PATTERN'` is short for `group: {files: 'PATTERN'}`.
    """

    kind: ClassVar[str] = "files"
    shorthand: ClassVar[str | None] = "pattern"
    usage: ClassVar[tuple[str, ...]] = ("{files: '^(p[0-9]+)_'}  # p07_left.jpg and p07_right.jpg are one group",)
    pattern: Pattern
    """The regular expression (Python's `re`), searched for in the file name without its folders."""


class ByFolder(Choice):
    """The name of a folder that the file is in: folders of the same name are one group, in every class and split."""

    kind: ClassVar[str] = "folder"
    shorthand: ClassVar[str | None] = "level"
    usage: ClassVar[tuple[str, ...]] = ("{folder: 1}  # cat/patient7/1.jpg is in the group patient7",)
    level: PositiveInt
    """Which folder, counted from the file: 1 is the one that has the file in it."""


class BySequence(Choice):
    """Files that are numbered without a gap are one group, as those of a burst or a video."""

    kind: ClassVar[str] = "sequence"
    shorthand: ClassVar[str | None] = "pattern"
    usage: ClassVar[tuple[str, ...]] = ("{sequence: {pattern: '([0-9]+)[.]png', gap: 5}}",)
    pattern: NumberPattern
    """The regular expression, searched for in the file name; its last parentheses have the number, and files that
    differ in the others are never in one group.
    """
    gap: PositiveInt = 1
    """A larger step from one number to the next begins another group."""


class ByRound(Choice):
    """Files in the order of their numbers go through the classes once per group, as where each person was photographed
    once per class: a group begins where the class falls back by at least half of the classes.

    Missing and repeated images and two in the wrong order do not divide a group, which a fixed count of files would.
    Where the last classes of one group and the first of the next are missing, the two become one.
    """

    kind: ClassVar[str] = "rounds"
    shorthand: ClassVar[str | None] = "pattern"
    usage: ClassVar[tuple[str, ...]] = ("{rounds: 'IMG_([0-9]+)'}  # 0/IMG_1118.JPG, 1/IMG_1119.JPG, … are one group",)
    pattern: NumberPattern
    """As of `sequence`."""


class ByColumn(Choice):
    """The value in a column of the table: rows with the same value are one group."""

    kind: ClassVar[str] = "column"
    shorthand: ClassVar[str | None] = "name"
    usage: ClassVar[tuple[str, ...]] = ("{column: patient}",)
    name: Annotated[str, Field(min_length=1)]
    """The column's name."""


def _as_kind(value: Any) -> Any:
    """`group: 'PATTERN'` is short for `group: {files: 'PATTERN'}`."""
    return {"files": value} if isinstance(value, str) else value


FileGroup = Annotated[ByName | ByFolder | BySequence | ByRound, by_kind]
TableGroup = Annotated[ByName | ByFolder | BySequence | ByRound | ByColumn, by_kind]
"""Of a table, whose files have rows."""
Group = ByName | ByFolder | BySequence | ByRound | ByColumn
OptionalFileGroup = Annotated[FileGroup | None, BeforeValidator(_as_kind)]
OptionalTableGroup = Annotated[TableGroup | None, BeforeValidator(_as_kind)]

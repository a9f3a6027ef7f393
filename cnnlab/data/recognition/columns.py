"""Which columns of a table are the images' files, their classes and their splits."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnlab.data.sources.layout import split_of
from cnnlab.data.sources.scan import is_image
from cnnlab.data.sources.table_file import Rows, column_names, read_rows
from cnnlab.errors import DataError
from cnnlab.messages import join_names
from cnnlab.terminal import quoted

LOOKED_AT = 1000  # rows
IMAGE = ("image", "path", "file", "filename", "file_name", "filepath", "file_path", "image_path", "img", "name")
LABEL = ("label", "class", "category", "class_name", "label_name", "target", "species", "y")
SPLIT = ("split", "set", "subset", "partition", "dataset")
"""What such columns are usually called, in upper or lower case; the first one is taken."""
MAX_NAMED = 12  # columns in a message


@dataclass(frozen=True)
class Columns:
    """The columns, and why each was taken."""

    image: str
    label: str
    split: str | None
    reasons: dict[str, str]


def guess_columns(path: Path, known: Mapping[str, str], classes: Collection[str] = ()) -> Columns:
    """The columns of a table but for those that are `known`, the labels being among `classes` if there are any.

    Raises DataError where the columns are not clear.
    """
    names = column_names(path)
    if misplaced := [name for name in names if is_image(name)]:
        raise DataError(
            f"{path}: the first row has {misplaced[0]}; expected the names of the columns, such as image,label"
        )
    distinct = [name for name in names if name and names.count(name) == 1]
    rows = read_rows(path, list(dict.fromkeys([*distinct, *known.values()])), LOOKED_AT)
    if not len(rows):
        raise DataError(f"{path}: has no rows below its first, which names the columns")
    reasons = dict.fromkeys(known, "as given")
    image = known.get("image") or _image(path, rows, reasons)
    others = [name for name in distinct if name not in (image, known.get("label"))]
    split = known.get("split") or _split(rows, others, reasons)
    rest = [name for name in others if name != split]
    label = known.get("label")
    if label is None and classes:
        label = _label_of(path, rows, rest, classes, reasons)
    label = label or _label(path, rows, rest, image, reasons)
    return Columns(image, label, split, reasons)


def _image(path: Path, rows: Rows, reasons: dict[str, str]) -> str:
    """The column whose values are called as images are."""
    found = [name for name, values in rows.columns.items() if _share(values, is_image) > 0.5]
    if not found:
        columns = join_names([*rows.columns], MAX_NAMED)
        raise DataError(
            f"{path}: no column of image files among {columns}; expected file names such as photos/1.jpg in one of them"
        )
    if len(found) > 1 and len(existing := [name for name in found if _exists(path, rows.columns[name][0])]) == 1:
        found = existing
    name = _named(found, IMAGE) or _only(path, "image files", "image", found)
    reasons["image"] = "its values are the names of image files"
    return name


def _split(rows: Rows, names: Sequence[str], reasons: dict[str, str]) -> str | None:
    """The column whose values are the names of splits."""
    found = [name for name in names if _share(rows.columns[name], lambda value: split_of(value) is not None) == 1]
    if not found:
        return None
    name = _named(found, SPLIT) or found[0]
    reasons["split"] = f"its values are {join_names(sorted({*rows.columns[name]}))}"
    return name


def _label(path: Path, rows: Rows, names: Sequence[str], image: str, reasons: dict[str, str]) -> str:
    """The column called as labels are, or the only one whose values repeat."""
    if not names:
        raise DataError(f"{path}: no column of classes beside '{image}'; expected one, such as label")
    if name := _named(names, LABEL):
        reasons["label"] = "it is called so"
        return name
    repeating = [name for name in names if 1 < len({*rows.columns[name]}) <= len(rows) / 2] or list(names)
    name = _only(path, "classes", "label", repeating)
    reasons["label"] = "the only other column" if len(names) == 1 else "the only other column whose values repeat"
    return name


def _label_of(path: Path, rows: Rows, names: Sequence[str], classes: Collection[str], reasons: dict[str, str]) -> str:
    """The column whose values are among the classes of a network."""
    found = [name for name in names if {*rows.columns[name]} <= {*classes}]
    if not found:
        raise DataError(f"{path}: no column has only classes of the network, {join_names(classes, MAX_NAMED)}")
    reasons["label"] = "its values are classes of the network"
    return _named(found, LABEL) or found[0]


def _only(path: Path, what: str, option: str, found: Sequence[str]) -> str:
    if len(found) == 1:
        return found[0]
    raise DataError(
        f"{path}: {join_names(found, MAX_NAMED)} may be the column of {what}; say which, such as "
        f"--set data.{option}={quoted(found[0])}"
    )


def _named(names: Sequence[str], usual: Sequence[str]) -> str | None:
    """The one of the names that comes first among the usual ones."""
    by_name = {name.casefold().replace(" ", "_").replace("-", "_"): name for name in names}
    return next((by_name[word] for word in usual if word in by_name), None)


def _share(values: Sequence[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, values)) / len(values)


def _exists(path: Path, name: str) -> bool:
    return os.path.exists(path.parent / name)

"""Which folders are splits and which are classes, found before any image is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnlab.data.sources.scan import by_name, has_images, is_hidden, is_image, is_table, scan, subfolders
from cnnlab.errors import DataError
from cnnlab.messages import join_names, pluralize

SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
"""What folders of splits are called, in upper or lower case."""
EXPECTED = "splits are folders called train, validation and test"
EXPECTED_CLASSES = (
    "expected two or more folders, one per class, with its images in it; or a table (.csv, .tsv, .parquet) of files "
    "and their classes"
)
MAX_NAMED = 8  # folders in an error


@dataclass(frozen=True)
class Layout:
    """How a folder is read: its splits, none where it has classes only; its classes; folders that are neither."""

    splits: dict[str, Path]
    classes: tuple[str, ...]
    beside: list[Path] = field(default_factory=list)


def find_layout(root: Path, num_classes: int | None) -> Layout:
    """Folders called as splits are may be classes too; how many classes there are to be decides.

    Where that is not known, what the folders contain decides. Raises DataError where it does not.
    """
    folders = list(subfolders(root))
    by_split: dict[str, list[Path]] = {split: [] for split in SPLIT_NAMES}
    for folder in folders:
        for split, spellings in SPLIT_NAMES.items():
            if folder.name.casefold() in spellings:
                by_split[split].append(folder)
    beside = [folder for folder in folders if not any(folder in found for found in by_split.values())]
    as_classes = Layout({}, tuple(by_name(folders)))
    as_splits = None
    if len(train := by_split["train"]) == 1:
        splits = {split: found[0] for split, found in by_split.items() if found}
        as_splits = Layout(splits, tuple(by_name(subfolders(train[0]))), beside)
    possible = [as_splits, as_classes]
    if as_splits and as_splits.classes and (not beside or _hold_the_same(list(as_splits.splits.values()))):
        possible = [as_splits]  # whatever the number of classes
    if num_classes is None:
        fitting = [_by_content(root, as_splits, as_classes)]
    else:
        fitting = [layout for layout in possible if layout and len(layout.classes) == num_classes]
    if not fitting:
        raise DataError(_misfit(root, as_splits, as_classes, by_split, num_classes or 0))
    chosen = fitting[0]
    if len(fitting) == 2 and any(has_images(folder) for folder in beside):
        raise DataError(
            f"{root}: {join_names(as_classes.classes, MAX_NAMED)} may be {num_classes} classes, and {train[0].name} "
            f"a split of {num_classes} classes; rename the one, or move {beside[0].name} away"
        )
    if chosen.splits and (several := next((found for found in by_split.values() if len(found) > 1), None)):
        names = " and ".join(folder.name for folder in several)
        raise DataError(f"{root}: {names} are the same split; expected one of them")
    if not chosen.splits and _hold_the_same(folders):
        inside = [folder.name for folder in subfolders(folders[0])]
        if any(map(_is_like_a_split, [*as_classes.classes, *inside])):
            raise DataError(
                f"{root}: {join_names(as_classes.classes, MAX_NAMED)} each contain the folders "
                f"{join_names(inside, MAX_NAMED)}; {EXPECTED}, with the classes in each"
            )
    return chosen


def _by_content(root: Path, as_splits: Layout | None, as_classes: Layout) -> Layout:
    """The layout of a folder whose number of classes is unknown. Raises DataError where it has none, or two."""
    if as_splits and as_splits.classes:
        if with_images := [folder.name for folder in as_splits.beside if has_images(folder)]:
            raise DataError(
                f"{root}: mixed: {as_splits.splits['train'].name} has folders in it as a split has, and "
                f"{join_names(with_images, MAX_NAMED)} images as a class has; expected either; {EXPECTED}, with the "
                "classes in each"
            )
        found, place = as_splits, as_splits.splits["train"]
    else:
        found, place = as_classes, root
    if len(found.classes) > 1:
        return found
    if not found.classes:
        raise DataError(f"{place}: {_without_classes(place)}")
    inside = place / found.classes[0]
    if any(subfolders(inside)) and not has_images(inside):
        raise DataError(f"{place}: its only folder is {inside}, which holds folders; name that")
    raise DataError(f"{place}: one class only, {found.classes[0]}; {EXPECTED_CLASSES}")


def _without_classes(place: Path) -> str:
    """What a folder without folders has instead."""
    with scan(place) as entries:
        names = [entry.name for entry in entries if not is_hidden(entry.name)]
    images, tables = sum(map(is_image, names)), [name for name in names if is_table(name)]
    if tables:
        return (
            f"has no class folders, but {join_names(tables, MAX_NAMED)}: name that file if it lists images and classes"
        )
    if images:
        return f"has {pluralize(images, 'image')} in no class folder; {EXPECTED_CLASSES}"
    return f"{'has no class folders' if names else 'is empty'}; {EXPECTED_CLASSES}"


def _hold_the_same(folders: Sequence[Path]) -> bool:
    """Whether several folders contain no images, but folders of the same names: as splits do."""
    inside = [frozenset(by_name(subfolders(folder))) for folder in folders]
    return len(folders) > 1 and len(set(inside)) == 1 and bool(inside[0]) and not any(map(has_images, folders))


def _is_like_a_split(name: str) -> bool:
    """Such as `train_set` or `Test `."""
    word = name.strip().casefold().replace("-", "_").replace(" ", "_").split("_")[0]
    return any(word in spellings for spellings in SPLIT_NAMES.values())


def split_of(word: str) -> str | None:
    """The split that a folder or a value is called after."""
    return next((split for split, spellings in SPLIT_NAMES.items() if word.strip().casefold() in spellings), None)


def _misfit(
    root: Path, as_splits: Layout | None, as_classes: Layout, by_split: dict[str, list[Path]], num_classes: int
) -> str:
    """Why a folder cannot be read either way."""
    names = as_classes.classes
    if len(by_split["train"]) > 1:
        return f"{root}: {' and '.join(path.name for path in by_split['train'])} are the same split; expected one"
    if as_splits and as_splits.classes:
        place, names = as_splits.splits["train"], as_splits.classes
    elif names and not by_split["train"] and len(names) == sum(map(len, by_split.values())):
        return f"{root}: has {', '.join(names)}, but no train"
    else:
        place = root
    found = pluralize(len(names), "class folder") + (f" ({join_names(names, MAX_NAMED)})" if names else "")
    inside = f"; its only folder is {root / names[0]}: set path to that" if len(names) == 1 and place == root else ""
    return f"{place}: {found}, but data.num_classes is {num_classes}; {EXPECTED}{inside}"

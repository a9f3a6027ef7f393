"""Loads experiments from files."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from cnnlab.config import backbone, files, overrides, pretrained, yaml
from cnnlab.config.files import Source
from cnnlab.config.overrides import Override
from cnnlab.config.validation_errors import describe
from cnnlab.errors import ConfigError
from cnnlab.experiment.choice import plain
from cnnlab.experiment.schema import FOLDER_NAME, FOLDER_NAME_RULE, Experiment
from cnnlab.experiment.upgrade import upgrade
from cnnlab.messages import folder_name, position, shorten
from cnnlab.paths import KeyPath, value_at


@dataclass(frozen=True)
class Config:
    """An experiment, and where each part of it comes from."""

    source: Source
    changes: Sequence[Override]
    written: Experiment
    """As it was written; in `experiment`, paths are absolute and `pretrained` is complete."""
    experiment: Experiment

    @property
    def path(self) -> Path:
        """The file."""
        return self.source.path

    def place(self, location: KeyPath) -> str:
        """Where what is at `location` comes from: `file:line:column` of its key, or the option that set it."""
        return _where(self.source, self.changes, location, is_key=True)

    def allowed(self, location: KeyPath) -> frozenset[str]:
        """The lint rules that a comment on the line of that key allows."""
        place = _place(self.source, location, is_key=True)
        if place is None or _changing(self.changes, location):
            return frozenset()
        return self.source.allowed.get((place.source, place.line), frozenset())


def parse(config: str) -> Source:
    """The file `config`, or the shipped one of that name, before anything is checked. Raises ConfigError."""
    return files.read(files.find(config))


def load(config: str | Source, changes: Sequence[Override] = ()) -> Experiment:
    """The experiment in the file `config`, or the shipped one of that name, with `changes` applied in order.

    Raises ConfigError with one line per problem, each with its place.
    """
    return read(config, changes).experiment


def load_file(path: Path) -> Experiment:
    """The experiment in the file at `path`. Raises ConfigError as `load` does."""
    return read_file(path).experiment


def read(config: str | Source, changes: Sequence[Override] = ()) -> Config:
    """As `load`, with the places. Raises ConfigError as `load` does."""
    return _read(config if isinstance(config, Source) else parse(config), changes)


def read_file(path: Path, changes: Sequence[Override] = ()) -> Config:
    """As `read`, for a file. Raises ConfigError as `load` does."""
    return _read(files.read(path), changes)


def load_complete(path: Path, changes: Sequence[Override] = ()) -> Experiment:
    """The experiment of a run, whose file is complete. Raises ConfigError as `load` does."""
    source = files.read_complete(path)
    document = replace(source.document, data=upgrade(source.document.data))
    return _read(replace(source, document=document), changes).experiment


def changed(config: Config, changes: Sequence[Override]) -> Config:
    """With more changes. Raises ConfigError as `load` does."""
    every = [*config.changes, *changes]
    written = _validate(overrides.apply(plain(config.written), changes), config.source, every)
    return _config(config.source, every, written)


def _read(source: Source, changes: Sequence[Override]) -> Config:
    data, stem = source.document.data, source.path.stem
    problems = []
    if isinstance(data, dict) and "name" not in data:
        data = {"name": folder_name(stem), **data}
        if not re.fullmatch(FOLDER_NAME, stem) and not any(change.path == ("name",) for change in changes):
            problems.append(
                f"{source.path}: name: missing, and the file name {shorten(stem)} cannot be that of a run folder "
                f"({FOLDER_NAME_RULE}); add `name: {folder_name(stem)}`"
            )
    if isinstance(data, dict) and "search" in data and data["search"] is None:
        place = source.document.keys.get(("search",), source.path)
        problems.append(f"{place}: search: empty; expected a map with the key `space`")
    experiment = _validate(data, source, (), problems)
    if changes:
        # Applied to the complete form, so that changes reach defaults too.
        experiment = _validate(overrides.apply(plain(experiment), changes), source, changes)
    return _config(source, changes, experiment)


def _config(source: Source, changes: Sequence[Override], written: Experiment) -> Config:
    folders = _folders(source, changes, ("model", "pretrained", "from"))
    experiment = pretrained.completed(_with_absolute_paths(written, source, changes), [*folders, Path()])
    folders = _folders(source, changes, (*backbone.FIRST, "weights"))
    experiment = backbone.completed(experiment, [*folders, Path()])
    return Config(source, changes, written, experiment)


def _with_absolute_paths(experiment: Experiment, source: Source, changes: Sequence[Override]) -> Experiment:
    """Make paths of data absolute that exist relative to their file, or to the working directory for an option.

    Other paths stay relative: they are looked up in the data folders, which differ between machines.
    """
    data = experiment.data
    found: dict[str, str] = {}
    for option in type(data).path_options():
        value = getattr(data, option)
        location = ("data", option)
        directory = found.get("dir", data.dir) if option != "dir" else None  # `dir` is resolved first
        if directory and not os.path.isdir(os.path.expanduser(directory)):
            continue  # reported when the data are loaded
        if value is None or (directory and os.path.exists(Path(os.path.expanduser(directory)) / value)):
            continue
        folders = _folders(source, changes, location)
        candidates = [os.path.abspath(folder / os.path.expanduser(value)) for folder in folders]
        if beside := next(filter(os.path.exists, candidates), None):
            found[option] = beside
    return experiment.model_copy(update={"data": data.model_copy(update=found)}) if found else experiment


def _folders(source: Source, changes: Sequence[Override], location: KeyPath) -> list[Path]:
    """Where a relative path at `location` begins: at its file, or the working directory for an option."""
    place = None if _changing(changes, location) else _place(source, location, is_key=False)
    # A link to a file may be beside the data; else they are beside the file itself, where its paths were written.
    return [Path(path).parent for path in (place.source, os.path.realpath(place.source))] if place else [Path()]


def to_dict(experiment: Experiment) -> dict[str, object]:
    """The complete experiment as maps and lists, with every default written out."""
    data: dict[str, object] = plain(experiment)
    return data


def to_yaml(experiment: Experiment) -> str:
    """The complete experiment as a file that `load` reads back as equal."""
    return yaml.dump(to_dict(experiment))


def _validate(data: object, source: Source, changes: Sequence[Override], problems: Sequence[str] = ()) -> Experiment:
    """The experiment. Raises ConfigError with these `problems` and all others."""
    lines = list(problems)
    try:
        experiment = Experiment.model_validate(data)
    except ValidationError as error:
        lines += describe(error, lambda path, is_key: _where(source, changes, path, is_key))
    if lines:
        raise ConfigError(*sorted(lines, key=position)) from None
    return experiment


def _where(source: Source, changes: Sequence[Override], location: KeyPath, is_key: bool) -> str:
    change = _changing(changes, location)
    return change.option if change else str(_place(source, location, is_key) or source.path)


def _changing(changes: Sequence[Override], location: KeyPath) -> Override | None:
    """The last change of `location`, of a part of it or of a map or list around it."""
    for change in reversed(changes):
        shared = min(len(location), len(change.path))
        if location[:shared] == change.path[:shared]:
            return change
    return None


def _place(source: Source, location: KeyPath, is_key: bool) -> yaml.Place | None:
    """The place of the key or value, or of the closest map or list around it in the file."""
    document = source.document
    here: KeyPath = ()
    exact = True
    for step in location:
        exact = (*here, step) in document.values
        if exact:
            here = (*here, step)
        elif isinstance(value_at(document.data, here), dict):
            break  # omitted in the file; otherwise `step` is the option that a shorthand leaves out
    if is_key or (not exact and isinstance(value_at(document.data, here), dict)):
        return document.keys.get(here) or document.values.get(here)
    return document.values.get(here)

"""From a file, or the name of a shipped one, to an Experiment."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from cnnlab.config import overrides, shipped, yaml
from cnnlab.config.overrides import Override
from cnnlab.config.problems import describe, did_you_mean
from cnnlab.config.schema import Experiment
from cnnlab.errors import ConfigError

MAX_BYTES = 1_000_000


def load(config: str, changes: Sequence[Override] = ()) -> Experiment:
    """The experiment in the file `config`, or the shipped one of that name, with `changes` made in order.

    Raises ConfigError with a line for every problem, each with its place.
    """
    return load_file(_find(config), changes)


def load_file(path: Path, changes: Sequence[Override] = ()) -> Experiment:
    """The experiment in the file at `path`, with `changes` made in order. Raises ConfigError as `load` does."""
    document = yaml.parse(_read(path), str(path))
    if document.data is None:
        raise ConfigError(f"{path}: empty; an experiment needs at least data and model (see `cnnlab configs`)")
    data = document.data
    if isinstance(data, dict):
        data = {"name": path.stem, **data}
    experiment = _validate(data, path, document, ())
    if changes:
        # Changes are made to the complete form, so that they reach what the file leaves to its defaults.
        changed = overrides.apply(to_data(experiment), changes)
        experiment = _validate(changed, path, document, changes)
    return experiment


def to_data(experiment: Experiment) -> dict[str, object]:
    """The complete experiment as plain maps and lists, every default written out."""
    data: dict[str, object] = experiment.model_dump(mode="json", exclude_none=True)
    return data


def to_yaml(experiment: Experiment) -> str:
    """The complete experiment as a file that `load` reads back to the same."""
    return yaml.dump(to_data(experiment))


def _find(config: str) -> Path:
    path = Path(config)
    if not config:
        raise ConfigError("'': expected an experiment file, or a name that `cnnlab configs` lists")
    if path.is_file():
        return path
    if path.exists():
        raise ConfigError(
            f"{config}: is a {'folder' if path.is_dir() else 'device'}; expected an experiment file (.yaml)"
        )
    shipped_paths = shipped.paths()
    if config in shipped_paths:
        return shipped_paths[config]
    if path.suffix and path.stem in shipped_paths:
        raise ConfigError(f"{config}: no such file; the experiment that comes with cnnlab is called {path.stem}")
    if path.suffix or path.parent != Path():
        raise ConfigError(f"{config}: no such file; `cnnlab configs` lists the experiments that come with cnnlab")
    raise ConfigError(f"{config}: no such file or shipped experiment; {did_you_mean(config, shipped_paths)}")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: {path.stat().st_size:,} bytes; an experiment file has at most {MAX_BYTES:,}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _validate(data: object, path: Path, document: yaml.Document, changes: Sequence[Override]) -> Experiment:
    def where(location: tuple[str | int, ...], is_key: bool) -> str:
        for change in reversed(changes):
            shared = min(len(location), len(change.path))
            if location[:shared] == change.path[:shared] and len(change.path) > 0:
                return change.option
        return _place(path, document, location, is_key)

    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise ConfigError(*describe(error, Experiment, where)) from None


def _place(path: Path, document: yaml.Document, location: tuple[str | int, ...], is_key: bool) -> str:
    """`file:line:column` of the key or value, or of the nearest thing around it that the file has."""
    for length in range(len(location), -1, -1):
        prefix = location[:length]
        exact = length == len(location)
        place = document.values.get(prefix) if exact and not is_key else document.keys.get(prefix)
        place = place or document.values.get(prefix)
        if place:
            return f"{path}:{place[0]}:{place[1]}"
    return str(path)

"""Finding and reading experiment files, and merging those that `extends` names."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnlab.config import shipped, yaml
from cnnlab.config.schema_lookup import canonicalize, is_choice, shorthand_option
from cnnlab.config.yaml import Document, Place
from cnnlab.errors import ConfigError
from cnnlab.messages import did_you_mean, shorten
from cnnlab.paths import KeyPath

MAX_BYTES = 1_000_000
MAX_CHAIN = 20  # files that extend one another
NOT_INHERITED = ("name", "published")  # a variant of an experiment is not the published one
_ALLOW = re.compile(r"#\s*cnnlab:\s*allow\s*\[([^\]]*)\]")


@dataclass(frozen=True)
class Source:
    """A file merged with those that it extends, and the lint rules that comments allow, by file and line."""

    path: Path
    document: Document
    allowed: dict[tuple[str, int], frozenset[str]]


def find(config: str) -> Path:
    """The path of the file `config`, or of the shipped one of that name. Raises ConfigError."""
    path = Path(config)
    shipped_paths = shipped.paths()
    if not config:
        raise ConfigError("'': expected an experiment file, or a name that `cnnlab configs` lists")
    if _is_file(path):
        return path
    if config in shipped_paths:
        return shipped_paths[config]
    if path.exists():
        raise ConfigError(
            f"{config}: is a {'folder' if path.is_dir() else 'device'}; expected an experiment file (.yaml)"
        )
    if path.suffix and path.stem in shipped_paths:
        raise ConfigError(f"{config}: no such file; the shipped experiment is called {path.stem}")
    if path.suffix or path.parent != Path():
        raise ConfigError(f"{config}: no such file; `cnnlab configs` lists the shipped experiments")
    raise ConfigError(f"{config}: no such file or shipped experiment; {did_you_mean(config, shipped_paths)}")


def read(path: Path, text: str | None = None) -> Source:
    """The file at `path`, or `text` in its place, merged onto what it extends. Raises ConfigError."""
    return _read(path, (), text)


def read_complete(path: Path) -> Source:
    """The file at `path`, which may extend no other. Raises ConfigError."""
    source = Source(path, canonicalize(yaml.parse(read_text(path), str(path))), {})
    if isinstance(source.document.data, dict) and "extends" in source.document.data:
        raise ConfigError(
            f"{source.document.keys['extends',]}: extends: not allowed in a run, whose experiment is complete"
        )
    return source


def read_text(path: Path) -> str:
    """The text of an experiment file. Raises ConfigError where it is too large or not text."""
    try:
        if not path.is_file() and path.exists():
            raise ConfigError(f"{path}: is a {'folder' if path.is_dir() else 'device'}; expected an experiment file")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: {path.stat().st_size:,} bytes; an experiment file has at most {MAX_BYTES:,}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a text file in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def _is_file(path: Path) -> bool:
    """Whether there is such a file. Raises ConfigError for an invalid name, such as one that is too long."""
    try:
        return path.is_file()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _read(path: Path, extending: Sequence[Path], text: str | None = None) -> Source:
    text = read_text(path) if text is None else text
    document = canonicalize(yaml.parse(text, str(path)))
    if document.data is None:
        raise ConfigError(f"{path}: empty; an experiment needs at least data and model (see `cnnlab configs`)")
    allowed = _allowed(text, str(path))
    if not isinstance(document.data, dict) or "extends" not in document.data:
        return Source(path, document, allowed)
    base = _base_of(path, document, extending)
    inherited = {key: value for key, value in base.document.data.items() if key not in NOT_INHERITED}
    overrides = {key: value for key, value in document.data.items() if key != "extends"}
    keys, values = dict(document.keys), dict(document.values)
    merged = _Merge(base.document, keys, values).merge((), inherited, overrides)
    return Source(path, Document(merged, keys, values), base.allowed | allowed)


def _allowed(text: str, source: str) -> dict[tuple[str, int], frozenset[str]]:
    """The rules that comments allow, by file and line; a comment on a separate line refers to the next one."""
    allowed: dict[tuple[str, int], frozenset[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for match in _ALLOW.finditer(line):
            target = number + 1 if line.lstrip().startswith("#") else number
            before = allowed.get((source, target), frozenset[str]())
            allowed[source, target] = before | {rule.strip() for rule in match[1].split(",")}
    return allowed


def _base_of(path: Path, document: Document, extending: Sequence[Path]) -> Source:
    """What the file at `path` extends: a file in the same folder, or a shipped experiment."""
    place, name = document.values[("extends",)], document.data["extends"]
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{place}: extends: expected a file or the name of a shipped experiment, got {shorten(name)}")
    found = path.parent / name
    if not _is_file(found):
        known = shipped.paths()
        found = known.get(name, known.get(name.removesuffix(".yaml"), found))
    if not _is_file(found):
        raise ConfigError(
            f"{place}: extends: no file {found}, and no such shipped experiment; {did_you_mean(name, known)}"
        )
    chain = [*extending, path]
    if any(found.samefile(file) for file in chain):
        circle = " extends ".join(map(str, [*chain, found]))
        raise ConfigError(f"{place}: extends: circular: {circle}")
    if len(chain) > MAX_CHAIN:
        raise ConfigError(f"{place}: extends: a chain of more than {MAX_CHAIN} files")
    source = _read(found, chain)
    if not isinstance(source.document.data, dict):
        raise ConfigError(f"{place}: extends: {found} is not an experiment: expected a map of keys")
    return source


class _Merge:
    """Merges maps; anything else replaces, also another kind of optimizer, loss or data."""

    def __init__(self, base: Document, keys: dict[KeyPath, Place], values: dict[KeyPath, Place]) -> None:
        self._base = base
        self._keys, self._values = keys, values  # of the result; those from the base are added here

    def merge(self, path: KeyPath, base: Any, value: Any) -> Any:
        """`value`, which stands at `path` of the extending file, with what it inherits from `base`."""
        if not isinstance(value, dict):
            return value
        base = _expand_shorthand(path, base)
        if not isinstance(base, dict) or _replaces_kind(path, base, value):
            return value
        result = {}
        for key, inherited in base.items():
            if key in value:
                result[key] = self.merge((*path, key), inherited, value[key])
            else:
                self._inherit_places((*path, key))
                result[key] = inherited
        return result | {key: item for key, item in value.items() if key not in base}

    def _inherit_places(self, path: KeyPath) -> None:
        for places, of_base in ((self._keys, self._base.keys), (self._values, self._base.values)):
            places.update({p: place for p, place in of_base.items() if p[: len(path)] == path})


def _replaces_kind(path: KeyPath, base: dict[str, Any], value: dict[str, Any]) -> bool:
    """Whether `value` is another optimizer, loss or data set than `base`, whose options do not apply to it."""
    if path == ("data",):
        return "name" in value and value["name"] != base.get("name")
    return is_choice(path) and len(base) == len(value) == 1 and base.keys() != value.keys()


def _expand_shorthand(path: KeyPath, value: Any) -> Any:
    """The map that a shorthand stands for."""
    if isinstance(value, dict):
        return value
    if path == ("data",):
        return {"name": value}
    if isinstance(value, str) and is_choice(path):
        return {value: {}}
    short = shorthand_option(path)
    return {short: value} if short else value

"""Conditions on experiments: `train.epochs=12`, `train.optimizer=adam`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.config import yaml
from cnnlab.errors import RequestError
from cnnlab.messages import did_you_mean
from cnnlab.paths import KeyPath, parse_path, show_path, value_at

_MISSING = object()


@dataclass(frozen=True)
class Where:
    """That a key of an experiment has this value; of a choice such as the optimizer, its name is one too."""

    path: KeyPath
    value: Any
    option: str

    def matches(self, experiment: Any) -> bool:
        """Whether it does for this plain experiment."""
        found = value_at(experiment, self.path, _MISSING)
        if isinstance(found, dict) and isinstance(self.value, str):
            return list(found) == [self.value]
        return bool(found == self.value) and isinstance(found, bool) == isinstance(self.value, bool)

    def check_known(self, experiments: Sequence[Any]) -> None:
        """Raise RequestError where none of them has the key."""
        if all(value_at(experiment, self.path, _MISSING) is _MISSING for experiment in experiments):
            known = {show_path(path) for experiment in experiments for path in _paths((), experiment)}
            raise RequestError(f"{self.option}: no run here has that key; {_hint(show_path(self.path), known)}")


def parse_where(text: str) -> Where:
    """The condition that `--where TEXT` asks for; the value is read as YAML. Raises RequestError."""
    from cnnlab.config.schema_lookup import canonicalize, canonicalize_path  # the schema: a tenth of a second

    option = f"--where {text}"
    key, separator, value = text.partition("=")
    path = canonicalize_path(parse_path(key))
    if not separator or not path:
        raise RequestError(f"{option}: expected key=value, such as --where train.epochs=12")
    return Where(path, canonicalize(yaml.parse(value, option), path).data, option)


def _hint(key: str, known: set[str]) -> str:
    """By the last part too: `epochs` for `train.epochs`."""
    ends = sorted(path for path in known if path.endswith(f".{key}"))
    return f"did you mean '{ends[0]}'?" if ends else did_you_mean(key, known)


def _paths(above: KeyPath, value: Any) -> Iterator[KeyPath]:
    if isinstance(value, dict) and above[:1] != ("published",):
        for key, inner in value.items():
            yield (*above, key)
            yield from _paths((*above, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths((*above, index), inner)

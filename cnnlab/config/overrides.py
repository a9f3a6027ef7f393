"""Changes from the command line: `train.epochs=3`, `model.layers[0].conv2d.filters=12`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.config import yaml
from cnnlab.config.schema_lookup import canonicalize, canonicalize_path, is_choice, shorthand_option
from cnnlab.errors import ConfigError
from cnnlab.paths import KeyPath, parse_path, show_path


@dataclass(frozen=True)
class Override:
    """One value of the experiment, and the option that sets it."""

    path: KeyPath
    value: Any
    option: str


def parse_set(text: str) -> Override:
    """The override that `--set TEXT` asks for; the value is read as YAML, `layers.0` is `layers[0]`."""
    option = f"--set {text}"
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise ConfigError(f"{option}: expected key=value, such as --set train.epochs=3")
    path = canonicalize_path(parse_path(key))
    if not path:
        raise ConfigError(f"{option}: expected a key such as train.epochs or model.layers[0].conv2d.filters")
    return Override(path, canonicalize(yaml.parse(value, option), path).data, option)


def parse_sets(texts: Sequence[str]) -> list[Override]:
    """The overrides of all `--set` options. Raises ConfigError with one line per invalid option."""
    overrides, problems = [], list[str]()
    for text in texts:
        try:
            overrides.append(parse_set(text))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(*problems)
    check_distinct(overrides)
    return overrides


def check_distinct(overrides: Sequence[Override]) -> None:
    """Raise ConfigError where two options set the same key, since the intended one is unknown."""
    seen: dict[KeyPath, str] = {}
    for override in overrides:
        if override.path in seen:
            raise ConfigError(
                f"{override.option}: {show_path(override.path)} is also set by {seen[override.path]}; keep one"
            )
        seen[override.path] = override.option


def apply(data: Any, overrides: Sequence[Override]) -> Any:
    """A copy of `data`, maps and lists, with the overrides applied in order."""
    for override in overrides:
        data = _with(data, override.path, override.value, override, ())
    return data


def _with(data: Any, path: KeyPath, value: Any, override: Override, above: KeyPath) -> Any:
    if not path:
        return value
    step, *rest = path
    place = f"{override.option}: {show_path(above) or 'the experiment'}"
    if isinstance(step, int):
        if isinstance(data, dict) and isinstance(data.get(short := shorthand_option(above) or ""), list):
            return _with(data, (short, *path), value, override, above)  # `residual[0]`, as in the shorthand
        if not isinstance(data, list) or step >= len(data):
            got = "is not a list"
            if isinstance(data, list):
                got = f"has {len(data)} entries, [0] to [{len(data) - 1}]" if data else "is an empty list"
            raise ConfigError(f"{place}: {got}; [{step}] does not exist")
        return [*data[:step], _with(data[step], tuple(rest), value, override, (*above, step)), *data[step + 1 :]]
    if isinstance(data, list):
        raise ConfigError(f"{place}: is a list; name an entry as [0] to [{len(data) - 1}]")
    inner = data if isinstance(data, dict) else {}  # a value such as `adam` becomes a map
    if is_choice(above) and not isinstance(above[-1], int) and step not in inner:
        inner = {}  # the options of another optimizer or schedule do not apply
    return {**inner, step: _with(inner.get(step), tuple(rest), value, override, (*above, step))}

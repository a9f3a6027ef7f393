"""In which keys do experiments differ?"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from cnnlab.config.overrides import show_path
from cnnlab.config.yaml import Path

_IGNORED = {("name",), ("published",)}  # neither changes anything of a run


def differing_keys(experiments: Sequence[Any]) -> dict[str, list[Any]]:
    """The keys in which these plain experiments differ, each with its value in every one of them.

    Where the structure itself differs, such as another optimizer or another number of layers, the key is that of
    the whole, and its values are short descriptions.
    """
    return {show_path(path): values for path, values in _differing((), experiments)}


def _differing(path: Path, values: Sequence[Any]) -> Iterator[tuple[Path, list[Any]]]:
    if path in _IGNORED or all(value == values[0] for value in values):
        return
    if all(isinstance(value, dict) for value in values) and (not path or _same_keys(values)):
        for key in dict.fromkeys(key for value in values for key in value):
            yield from _differing((*path, key), [value.get(key) for value in values])
    elif all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        for index, items in enumerate(zip(*values, strict=True)):
            yield from _differing((*path, index), items)
    else:
        yield path, [_brief(value) for value in values]


def _same_keys(maps: Sequence[dict[str, Any]]) -> bool:
    return all(map_.keys() == maps[0].keys() for map_ in maps)


def _first(options: dict[str, Any]) -> str:
    """The option that matters most: a kind names it first."""
    (key, value), *others = options.items()
    return f"{key}={_brief(value)}{', …' if others else ''}"


def _brief(value: Any) -> Any:
    """A map or list in a few words: `sgd(learning_rate=0.1, …)`, `2 conv2d, flatten, 3 dense`."""
    if isinstance(value, dict):
        return ", ".join(
            f"{kind}({_first(options)})" if isinstance(options, dict) else f"{kind}={options}"
            for kind, options in value.items()
        )
    if isinstance(value, list):
        kinds = Counter(next(iter(item), "") if isinstance(item, dict) else str(item) for item in value)
        return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in kinds.items())
    return value

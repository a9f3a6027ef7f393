"""The keys in which experiments differ."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from cnnlab.paths import KeyPath, parse_path, show_path

PARTS = ("data.", "preprocessing.", "model.", "train.")
_IGNORED = {("name",), ("published",)}  # neither affects a run


def differing_keys(experiments: Sequence[Any]) -> dict[str, list[Any]]:
    """The keys in which these plain experiments differ, each with its value in every one of them.

    Where the structure differs, such as another optimizer or number of layers, the key is that of the map or list, and
    so are its values; None where an experiment does not have the key.
    """
    return {show_path(path): values for path, values in _differing((), experiments)}


def brief(key: str, values: Sequence[Any]) -> list[Any]:
    """The values of `key`, as short as distinguishes them: `2 conv2d, flatten, 2 dense`, `sgd(0.1)`."""
    from cnnlab.config.schema_lookup import strip_defaults  # imports the schema: 0.1 s

    distinct = len({repr(value) for value in values})
    stripped = [strip_defaults(parse_path(key), value) for value in values]
    for detail in (0, 1, 2):
        texts = [_describe(value, detail) for value in stripped]
        if len({repr(text) for text in texts}) == distinct:
            break
    return texts


def detailed(key: str, value: Any, *, counts: bool = False) -> str:
    """The value of `key` with every option that is not its default: `sgd(learning_rate=0.1, momentum=0.9)`.

    With `counts`, the items of a list are only counted by their kinds.
    """
    from cnnlab.config.schema_lookup import strip_defaults  # imports the schema: 0.1 s

    return str(_describe(strip_defaults(parse_path(key), value), 0 if counts else 2))


def short(keys: Sequence[str]) -> list[str]:
    """The last parts of each key of an experiment, as many as distinguish it; other names are unchanged.

    An option of a layer includes at least the kind.
    """
    names = [key.split(".") if key.startswith(PARTS) else [key] for key in keys]
    return [
        next(
            ".".join(name[-length:])
            for length in range(2 if name[0] == "model" and len(name) > 2 else 1, len(name) + 1)
            if length == len(name) or sum(other[-length:] == name[-length:] for other in names) == 1
        )
        for name in names
    ]


def _differing(path: KeyPath, values: Sequence[Any]) -> Iterator[tuple[KeyPath, list[Any]]]:
    if path in _IGNORED or all(value == values[0] for value in values):
        return
    # The keys of these maps are fixed, and one that is missing is None.
    is_section = path in ((), ("model",), ("train",), ("preprocessing",))
    if all(isinstance(value, dict) and (is_section or value.keys() == values[0].keys()) for value in values):
        for key in dict.fromkeys(key for value in values for key in value):
            yield from _differing((*path, key), [value.get(key) for value in values])
    elif all(isinstance(value, list) and len(value) == len(values[0]) for value in values):
        for index, items in enumerate(zip(*values, strict=True)):
            yield from _differing((*path, index), items)
    else:
        yield path, list(values)


def _describe(value: Any, detail: int) -> Any:
    """Detail 0: kinds with their first option, counted in lists; 1: also in lists; 2: every option."""
    if isinstance(value, list):
        if not any(isinstance(item, dict | str) for item in value):
            return f"[{', '.join(map(str, value))}]"
        if detail == 0:
            kinds = Counter(_kind(item) for item in value)
            return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in kinds.items())
        return ", ".join(str(_describe(item, detail)) for item in value)
    if isinstance(value, dict):
        return ", ".join(_option(key, option, detail) for key, option in value.items())
    return value


def _kind(item: Any) -> str:
    """`conv2d`; a block with the kinds inside it."""
    if not isinstance(item, dict):
        return str(item)
    kind, options = next(iter(item.items()), ("", None))
    inside = [part for part in options.values() if isinstance(part, list)] if isinstance(options, dict) else []
    layers = [layer for part in inside for layer in part if isinstance(layer, dict | str)]
    return f"{kind}({_describe(layers, 0)})" if layers else kind


def _option(key: str, option: Any, detail: int) -> str:
    if not isinstance(option, dict):
        return f"{key}={_describe(option, detail)}"
    inside = f"{_describe(next(iter(option.values()), ''), detail)}" if detail < 2 else f"{_describe(option, detail)}"
    return f"{key}({inside})" if inside else key

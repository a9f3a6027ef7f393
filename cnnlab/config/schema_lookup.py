"""What the schema allows at a path of an experiment."""

import functools
import typing
from collections.abc import Sequence
from types import UnionType
from typing import Any

from cnnlab.config.yaml import Document
from cnnlab.experiment.choice import Choice, Strict, options_of, plain
from cnnlab.experiment.schema import Experiment
from cnnlab.paths import KeyPath


def option_names_at(path: Sequence[str | int]) -> list[str]:
    """The keys of the map at `path`; empty where there is no map, or a choice of several."""
    models = models_at(path)
    return list(options_of(models[0])) if len(models) == 1 else []


def is_choice(path: Sequence[str | int]) -> bool:
    """Whether `path` holds one of several kinds."""
    models = models_at(path)
    return len(models) > 1 and all(issubclass(model, Choice) for model in models)


def shorthand_option(path: Sequence[str | int]) -> str | None:
    """The option that `kind: value` sets, for a `path` that ends in a kind."""
    models = models_at(path)
    return models[0].shorthand if len(models) == 1 and issubclass(models[0], Choice) else None


def kinds_by_name(path: Sequence[str | int]) -> dict[str, str]:
    """Every name accepted at `path`, Keras's among them, with its kind; empty where there is no choice."""
    if not is_choice(path):
        return {}
    kinds = [model for model in models_at(path) if issubclass(model, Choice)]
    return {name: model.kind for model in kinds for name in (model.kind, *model.aliases())}


def canonicalize(document: Document, path: KeyPath = ()) -> Document:
    """`document`, the part of an experiment at `path`, with Keras's names of kinds replaced by those of cnnlab.

    `BatchNormalization` becomes `batch_norm`, also in the paths of the places.
    """
    result = Document(None)

    def convert(value: Any, old: KeyPath, new: KeyPath, full: KeyPath) -> Any:
        """The value that moves from `old` to `new`; `full` includes the options that shorthands leave out."""
        for places, known in ((result.keys, document.keys), (result.values, document.values)):
            if old in known:
                places[new] = known[old]
        left_out = None if isinstance(value, dict) else shorthand_option(full)
        full = (*full, left_out) if left_out else full
        kinds = kinds_by_name(full)
        if isinstance(value, str):
            return kinds.get(value, value)
        if isinstance(value, list):
            return [convert(item, *((*p, index) for p in (old, new, full))) for index, item in enumerate(value)]
        if isinstance(value, dict):
            kinds = kinds if len(value) == 1 else {}  # the error for two kinds shows both as written
            named = [(key, str(kinds.get(key, key))) for key in value]
            return {name: convert(value[key], (*old, key), (*new, name), (*full, name)) for key, name in named}
        return value

    return Document(convert(document.data, (), (), path), result.keys, result.values)


def canonicalize_path(path: KeyPath) -> KeyPath:
    """`path` with Keras's names of kinds replaced by those of cnnlab."""
    result: KeyPath = ()
    full: KeyPath = ()  # with the options that shorthands leave out
    for step in path:
        if isinstance(step, int) and (option := shorthand_option(full)):
            full = (*full, option)
        name = kinds_by_name(full).get(step, step) if isinstance(step, str) else step
        result, full = (*result, name), (*full, name)
    return result


def strip_defaults(path: Sequence[str | int], value: Any) -> Any:
    """The part of an experiment at `path` without options that have their default, but for those of shorthands."""
    if isinstance(value, list):
        return [strip_defaults((*path, index), item) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    models = models_at(path)
    if tuple(path) == ("data",):
        models = [model for model in models if value.get("name") in _tags(model)]
    fields = options_of(models[0]) if len(models) == 1 else {}
    result = {}
    for key, option in value.items():
        field = fields.get(key)
        default = plain(field.get_default(call_default_factory=True)) if field and not field.is_required() else ...
        if option != default or key == shorthand_option(path):
            result[key] = strip_defaults((*path, key), option)
    if is_choice(path) and list(result.values()) == [{}]:
        return next(iter(result))
    return result


def models_at(path: Sequence[str | int]) -> list[type[Strict]]:
    """The maps that are allowed at `path`."""
    return list(_models_at(tuple(0 if isinstance(step, int) else step for step in path)))


@functools.cache  # comparing a thousand runs asks for the same few paths at every key
def _models_at(path: tuple[str | int, ...]) -> tuple[type[Strict], ...]:
    annotation: Any = Experiment
    for step in path:
        annotation = _annotation_at(annotation, step)
    return tuple(_models_in(annotation))


def _annotation_at(annotation: Any, step: str | int) -> Any:
    """The annotation of an entry, a member or an option of `annotation`; None if it has none."""
    if isinstance(step, int):
        lists = [member for member in _members(annotation) if typing.get_origin(member) is list]
        return typing.get_args(lists[0])[0] if lists else None
    if maps := [member for member in _members(annotation) if typing.get_origin(member) is dict]:
        return typing.get_args(maps[0])[1]
    models = _models_in(annotation)
    tagged = [model for model in models if step in _tags(model)] if len(models) > 1 else []
    options = [options_of(model)[step].annotation for model in models if step in options_of(model)]
    return next(iter([*tagged, *options]), None)


def _models_in(annotation: Any) -> list[type[Strict]]:
    return [member for member in _members(annotation) if isinstance(member, type) and issubclass(member, Strict)]


def _members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without `Annotated` and `None`."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [member for part in typing.get_args(annotation) for member in _members(part)]
    return [] if annotation in (None, type(None)) else [annotation]


def _tags(model: type[Strict]) -> tuple[str, ...]:
    """What selects `model` in a union: its kind, or the name of a data set."""
    if issubclass(model, Choice):
        return (model.kind,)
    return typing.get_args(model.model_fields["name"].annotation) if "name" in model.model_fields else ()

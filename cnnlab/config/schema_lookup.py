"""Which words the language has at a path of an experiment: what the schema's annotations say."""

import functools
import typing
from collections.abc import Sequence
from dataclasses import replace
from types import UnionType
from typing import Any

from pydantic import Tag

from cnnlab.config.yaml import Document
from cnnlab.experiment.choice import Choice, Strict, plain
from cnnlab.experiment.schema import Experiment
from cnnlab.paths import KeyPath


def keys_at(path: Sequence[str | int]) -> list[str]:
    """The keys that a map at `path` may have; none where it is not one map but a choice of several."""
    models = models_at(path)
    return list(models[0].model_fields) if len(models) == 1 else []


def is_choice(path: Sequence[str | int]) -> bool:
    """Whether one of several kinds stands at `path`."""
    models = models_at(path)
    return len(models) > 1 and all(issubclass(model, Choice) for model in models)


def short_of(path: Sequence[str | int]) -> str | None:
    """The option that `kind: value` sets, for a `path` that ends in a kind."""
    models = models_at(path)
    return models[0].short if len(models) == 1 and issubclass(models[0], Choice) else None


def kinds_at(path: Sequence[str | int]) -> dict[str, str]:
    """The kind of every name that a choice at `path` can have, Keras's among them; empty where there is no choice."""
    if not is_choice(path):
        return {}
    kinds = [model for model in models_at(path) if issubclass(model, Choice)]
    return {name: model.kind for model in kinds for name in (model.kind, *model.aliases())}


def with_kinds(document: Document, path: KeyPath = ()) -> Document:
    """`document`, which stands at `path` of an experiment, with its kinds called by their own names, not Keras's.

    `BatchNormalization` becomes `batch_norm`, also in the paths of the places.
    """
    named = Document(None)

    def walk(value: Any, before: KeyPath, after: KeyPath, meaning: KeyPath) -> Any:
        """What was at `before` is then at `after`; `meaning` has the options too that short forms leave out."""
        for places, known in ((named.keys, document.keys), (named.values, document.values)):
            if before in known:
                places[after] = known[before]
        short = None if isinstance(value, dict) else short_of(meaning)
        meaning = (*meaning, short) if short else meaning
        kinds = kinds_at(meaning)
        if isinstance(value, str):
            return kinds.get(value, value)
        if isinstance(value, list):
            return [walk(item, *((*p, index) for p in (before, after, meaning))) for index, item in enumerate(value)]
        if isinstance(value, dict):
            kinds = kinds if len(value) == 1 else {}  # of two kinds, both are told as they are
            names: dict[str, str] = {key: kinds.get(key, key) for key in map(str, value)}
            return {
                name: walk(value[key], (*before, key), (*after, name), (*meaning, name)) for key, name in names.items()
            }
        return value

    return replace(named, data=walk(document.data, (), (), path))


def path_with_kinds(path: KeyPath) -> KeyPath:
    """`path` with its kinds called by their own names, not Keras's."""
    named: KeyPath = ()
    meaning: KeyPath = ()
    for step in path:
        if isinstance(step, int) and (short := short_of(meaning)):
            meaning = (*meaning, short)
        name = kinds_at(meaning).get(step, step) if isinstance(step, str) else step
        named, meaning = (*named, name), (*meaning, name)
    return named


def without_defaults(path: Sequence[str | int], value: Any) -> Any:
    """The part of an experiment at `path` as a person would write it: without the options that say the default.

    The option that `kind: value` sets stays.
    """
    if isinstance(value, list):
        return [without_defaults((*path, index), item) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    models = models_at(path)
    if tuple(path) == ("data",):
        models = [model for model in models if value.get("name") in typing.get_args(_annotation_of_name(model))]
    fields = models[0].model_fields if len(models) == 1 else {}
    kept = {}
    for key, option in value.items():
        field = fields.get(key)
        default = plain(field.get_default(call_default_factory=True)) if field and not field.is_required() else ...
        if option != default or key == short_of(path):
            kept[key] = without_defaults((*path, key), option)
    if is_choice(path) and list(kept.values()) == [{}]:
        return next(iter(kept))
    return kept


def _annotation_of_name(model: type[Strict]) -> Any:
    """Data sets are told apart by their names, which are literals."""
    field = model.model_fields.get("name")
    return field.annotation if field else None


def models_at(path: Sequence[str | int]) -> list[type[Strict]]:
    """The maps that may stand at `path`."""
    return list(_models_at(tuple(0 if isinstance(step, int) else step for step in path)))


@functools.cache  # comparing a thousand runs asks for the same few paths at every key
def _models_at(path: tuple[str | int, ...]) -> tuple[type[Strict], ...]:
    here: Any = Experiment
    for step in path:
        here = _inside(here, step)
    return tuple(member for member in _members(here) if isinstance(member, type) and issubclass(member, Strict))


def _inside(here: Any, step: str | int) -> Any:
    """The annotation of what `step` leads to; None where it leads nowhere."""
    members = _members(here)
    if isinstance(step, int):
        lists = [member for member in members if typing.get_origin(member) is list]
        return typing.get_args(lists[0])[0] if lists else None
    tags = {tag: member for member in _tagged(here) for tag in _tags(member)}
    if step in tags:
        return typing.get_args(tags[step])[0]
    for member in members:
        if isinstance(member, type) and issubclass(member, Strict) and step in member.model_fields:
            return member.model_fields[step].annotation
    return None


def _members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without `Annotated` and `None`."""
    if typing.get_origin(annotation) is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [member for part in typing.get_args(annotation) for member in _members(part)]
    return [] if annotation in (None, type(None)) else [annotation]


def _tagged(annotation: Any) -> list[Any]:
    """The alternatives that carry a Tag."""
    if typing.get_origin(annotation) is typing.Annotated:
        return [annotation] if _tags(annotation) else _tagged(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [member for part in typing.get_args(annotation) for member in _tagged(part)]
    return []


def _tags(annotation: Any) -> list[str]:
    return [extra.tag for extra in getattr(annotation, "__metadata__", ()) if isinstance(extra, Tag)]

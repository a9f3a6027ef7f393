"""What pydantic found, as lines that people can act on."""

import difflib
import re
import typing
from collections.abc import Callable, Iterable, Sequence
from types import UnionType
from typing import Any

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from cnnlab.config.overrides import show_path

Where = Callable[[tuple[str | int, ...], bool], str]


def describe(error: ValidationError, schema: type[BaseModel], where: Where) -> list[str]:
    """One line a problem. `where(path, is_key)` is the place of a key, or else of its value."""
    lines = []
    for details in error.errors(include_url=False):
        path = tuple(details.get("ctx", {}).get("path", details["loc"]))  # a misfit of two keys names its place itself
        is_key = details["type"] in ("extra_forbidden", "missing")
        name = show_path(path) or "the experiment"
        place = where(path, is_key)
        message = _message(details, schema)
        if details["type"] == "union_tag_not_found" and place.startswith("--set"):
            message += f"; --set replaces a kind by its whole value: --set '{name}={{kind: {{option: value}}}}'"
        lines.append(f"{place}: {name}: {message}")
    return lines


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'filters'?`, or what there is to choose from."""
    known = list(known)
    close = _closest(word, known)
    return f"did you mean '{close}'?" if close else f"expected one of {', '.join(sorted(known))}"


def _closest(word: str, known: Sequence[str]) -> str | None:
    """The known word that is meant, also by one in Keras's spelling such as `MaxPooling2D`."""
    plain = {name.replace("_", "").lower(): name for name in known}
    wanted = word.replace("_", "").lower()
    close = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.6) or [name for name in plain if name in wanted]
    return plain[close[0]] if close else None


def _message(details: ErrorDetails, schema: type[BaseModel]) -> str:
    got = _short(details["input"])
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            *above, key = details["loc"]
            known = _keys_at(schema, above)
            return f"unknown key; {did_you_mean(str(key), known)}" if known else "unknown key; it takes no options"
        case "missing":
            return "missing; this key is required"
        case "union_tag_invalid":
            kinds = [kind.strip(" '") for kind in context["expected_tags"].split(",")]
            return f"unknown kind '{context['tag']}'; {did_you_mean(context['tag'], kinds)}"
        case "union_tag_not_found":
            return _not_one_kind(details["input"])
        case "too_long":
            return f"{len(details['input']):,} entries; expected at most {context['max_length']}"
        case "too_short":
            return "empty; expected at least one entry"
        case "options_expected" | "misfit":
            return details["msg"]
        case "literal_error":
            close = _closest(str(details["input"]), re.findall(r"'([^']+)'", context["expected"]))
            hint = f"; did you mean '{close}'?" if close else ""
            return f"expected {context['expected']}, got {got}{hint}"
        case "model_type":
            return f"expected a map of keys, got {got}"
        case "string_pattern_mismatch":
            return f"expected at most 100 letters, digits, '.', '_' and '-', got {got}"
    return f"{_expectation(details)}, got {got}"


def _expectation(details: ErrorDetails) -> str:
    """pydantic's sentence in our words: `Input should be a valid integer` as `expected an integer`."""
    message = details["msg"]
    for theirs, ours in (
        ("Input should be a valid ", "expected a "),
        ("Input should be a ", "expected a "),
        ("Input should be ", "expected a value "),
        ("a integer", "an integer"),
    ):
        message = message.replace(theirs, ours)
    return message[0].lower() + message[1:]


def _not_one_kind(value: Any) -> str:
    if isinstance(value, dict) and len(value) > 1:
        first, *others = value
        if value[first] is None:
            return f"expected one kind, got {_listed(value)}; indent {_listed(others)} under '{first}'"
        return f"expected one kind, got {_listed(value)}; keep one"
    return f"expected a kind such as 'kind' or 'kind: {{option: value}}', got {_short(value)}"


def _listed(keys: Iterable[str]) -> str:
    return " and ".join(f"'{key}'" for key in keys)


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys_at(schema: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys that a map at `path` may have."""
    here: Any = schema
    for step in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(step))
            here = field.annotation if field else None
        else:
            here = _member(here, step)
        if here is None:
            return []
    models = [m for m in _members(here) if isinstance(m, type) and issubclass(m, BaseModel)]
    return [key for model in models[:1] for key in model.model_fields]


def _member(annotation: Any, step: str | int) -> Any:
    """Inside a list, its entries; inside a union of kinds, the one that is named `step`."""
    if typing.get_origin(annotation) is list:
        return typing.get_args(annotation)[0] if isinstance(step, int) else None
    for member in _members(annotation, keep_tags=True):
        if any(isinstance(extra, Tag) and extra.tag == step for extra in getattr(member, "__metadata__", ())):
            return typing.get_args(member)[0]
    return None


def _members(annotation: Any, *, keep_tags: bool = False) -> list[Any]:
    """The alternatives of an annotation, without `Annotated` and `None`."""
    if typing.get_origin(annotation) is typing.Annotated:
        if keep_tags and any(isinstance(extra, Tag) for extra in annotation.__metadata__):
            return [annotation]
        return _members(typing.get_args(annotation)[0], keep_tags=keep_tags)
    if typing.get_origin(annotation) in (typing.Union, UnionType):
        return [m for a in typing.get_args(annotation) for m in _members(a, keep_tags=keep_tags)]
    return [] if annotation is type(None) else [annotation]

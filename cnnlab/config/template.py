"""New experiment files, made from existing ones."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnlab.config import files, shipped, yaml
from cnnlab.config.documentation import documentation
from cnnlab.config.edit import edited_text
from cnnlab.config.json_schema import FILE, MODELINE, json_schema
from cnnlab.config.load import read_file, to_yaml
from cnnlab.config.overrides import Override
from cnnlab.config.schema_lookup import is_choice, models_at
from cnnlab.errors import RequestError, printable
from cnnlab.experiment.schema import FOLDER_NAME, FOLDER_NAME_RULE
from cnnlab.messages import folder_name
from cnnlab.paths import KeyPath, value_at

WIDTH, REASON_WIDTH = 44, 100  # where comments at the ends of lines begin; of comments above a line


@dataclass(frozen=True)
class DataSection:
    """The section `data` of a new file: its options, the reason for each, and what they describe, in a line."""

    options: Mapping[str, Any]
    changes: Sequence[Override]
    """What changes with the data, `data` itself included."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    summary: str = ""


def path_of(target: str) -> Path:
    """The path of the new file. Raises RequestError where it exists, or cannot be called so."""
    path = Path(target)
    if not path.name:
        raise RequestError(f"'{target}': expected the name of a new file, such as mine")
    if path.suffix not in (".yaml", ".yml"):
        path = path.with_name(f"{path.name}.yaml")
    if not re.fullmatch(FOLDER_NAME, path.stem):
        raise RequestError(f"{target}: expected {FOLDER_NAME_RULE}; try {path.with_stem(folder_name(path.stem))}")
    if path.exists():
        raise RequestError(f"{path}: exists, and is not overwritten; choose another name, or remove it")
    return path


def write(target: str, like: str, data: DataSection | None = None) -> list[Path]:
    """Write the experiment `like` to the file `target`, with comments, and a schema for editors beside it.

    With `data` it is on these data. Returns the files written. Raises RequestError where `target` exists.
    """
    path = path_of(target)
    text = commented(path.stem, files.find(like), data)
    written = [path]
    schema = path.parent / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        if not schema.exists():
            schema.write_text(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            written.append(schema)
    except OSError as error:
        raise RequestError(f"{error.filename}: cannot be written: {error.strerror}") from None
    return written


def commented(name: str, like: Path, data: DataSection | None = None) -> str:
    """The text of a new experiment `name`, equal to the one in the file `like` but for the changes of `data`."""
    changes = data.changes if data else ()
    experiment = read_file(like, changes).experiment.model_copy(update={"name": name, "published": None})
    source = files.read_text(like)
    # The layout of other files than shipped ones is not known.
    body = _body(source, name) if like in shipped.paths().values() else to_yaml(experiment)
    if data is not None:
        for change in changes:
            if change.path != ("data",):
                body = edited_text(body, name, change.path, change.value)
        body = _with_section(body, data)
    heading = [
        f"# {name}: describe it here in one line.",
        "#",
        f"# Source: started from {like.stem}, `cnnlab init`.",
        f"# Check:   cnnlab validate {name}.yaml && cnnlab describe {name}.yaml",
        f"# Command: cnnlab train {name}.yaml",
        "# Reference: cnnlab schema --format md",
        MODELINE,
    ]
    return "\n".join([*heading, *_with_comments(body)]) + "\n"


def _body(source: str, name: str) -> str:
    """The file under another name, without its heading, published results and comments other than `allow[rule]`."""
    lines = [
        re.sub(r"\s+#(?!\s*cnnlab:).*", "", line) for line in source.splitlines() if not line.lstrip().startswith("#")
    ]
    parts = re.split(r"(?m)^(?=[a-z])", "\n".join(lines))
    sections = [part.rstrip() for part in parts if not part.startswith(("published:", "name:")) and part.strip()]
    return "\n".join([f"name: {name}", *sections])


def _with_section(body: str, data: DataSection) -> str:
    """The body with another section `data`, each option below the reason for it."""
    lines = ["data:"]
    for key, value in data.options.items():
        reason = data.summary if key == "name" else data.reasons.get(key, "")
        lines += [f"  # {line}" for line in textwrap.wrap(printable(reason), REASON_WIDTH)]
        lines.append(f"  {key}: {yaml.dump_inline(value)}")
    parts = re.split(r"(?m)^(?=[a-z])", body)
    return "".join("\n".join([*lines, ""]) if part.startswith("data:") else part for part in parts)


def _with_comments(body: str) -> list[str]:
    """Each line with the description of its first key, unless an earlier line has the same."""
    document = yaml.parse(body, "new file")
    first_keys: dict[int, KeyPath] = {}
    for path, place in sorted(document.keys.items(), key=lambda item: (item[1].line, item[1].column)):
        first_keys.setdefault(place.line, path)
    for path, place in document.values.items():  # kinds without options, such as `- flatten`, are not keys
        kind = value_at(document.data, path)
        if place.line not in first_keys and isinstance(kind, str):
            first_keys[place.line] = (*path, kind)
    seen: set[str] = set()
    lines = []
    for number, line in enumerate(body.splitlines(), start=1):
        meaning = _meaning(first_keys.get(number, ()))
        lines.append(line if not meaning or meaning in seen or "#" in line else f"{line:<{WIDTH}}  # {meaning}")
        seen.add(meaning)
    return lines


def _meaning(path: KeyPath) -> str:
    """The first clause of the documentation of the option or kind at `path`."""
    if not path:
        return ""
    if path == ("extends",):
        return "The experiment that this one overrides"
    if is_choice(path[:-1]):
        models = models_at(path)
        return documentation(models[0]).summary if models else ""
    descriptions = [documentation(model).options.get(str(path[-1]), "") for model in models_at(path[:-1])]
    return re.split(r"[:;] ", next(filter(None, descriptions), ""))[0].rstrip(".")

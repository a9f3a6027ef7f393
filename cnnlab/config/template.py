"""A new experiment file, made from one that works."""

import json
import re
from pathlib import Path

from cnnlab.config import files, shipped, yaml
from cnnlab.config.documentation import documentation
from cnnlab.config.json_schema import FILE, MODELINE, json_schema
from cnnlab.config.load import load_file, to_yaml
from cnnlab.config.schema_lookup import models_at
from cnnlab.errors import RequestError
from cnnlab.experiment.schema import FOLDER_NAME, FOLDER_NAME_RULE
from cnnlab.messages import folder_name
from cnnlab.paths import KeyPath, value_at

WIDTH = 44  # where comments begin


def write(target: str, like: str) -> list[Path]:
    """Write the file `target` (`.yaml` is added), and beside it the schema for editors if there is none yet.

    What is in it is the experiment `like`, with a comment on every key. The files written; raises RequestError where
    one is in the way.
    """
    path = Path(target)
    if not path.name:
        raise RequestError(f"'{target}': expected the name of a new file, such as mine")
    if path.suffix not in (".yaml", ".yml"):
        path = path.with_name(f"{path.name}.yaml")
    if not re.fullmatch(FOLDER_NAME, path.stem):
        raise RequestError(f"{target}: expected {FOLDER_NAME_RULE}; try {path.with_stem(folder_name(path.stem))}")
    if path.exists():
        raise RequestError(f"{path}: exists, and is not overwritten; choose another name")
    text = commented(path.stem, files.find(like))
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


def commented(name: str, like: Path) -> str:
    """The text of a new experiment `name` that starts as the one in the file `like`."""
    experiment = load_file(like).model_copy(update={"name": name, "published": None})
    source = files.read_text(like)
    # Shipped files are laid out for this; of any other, only what it means is certain.
    body = _body(source, name) if like in shipped.paths().values() else to_yaml(experiment)
    heading = [
        f"# {name}: say here in a line what it is.",
        "#",
        f"# Source: started from {like.stem}, `cnnlab init`.",
        f"# Check:   cnnlab validate {name}.yaml && cnnlab describe {name}.yaml",
        f"# Command: cnnlab train {name}.yaml",
        "# All that can be said here: cnnlab schema --format md",
        MODELINE,
    ]
    return "\n".join([*heading, *_with_comments(body)]) + "\n"


def _body(source: str, name: str) -> str:
    """The file without its heading, its comments (but what they allow) and what is published, under another name."""
    lines = [
        re.sub(r"\s+#(?!\s*cnnlab:).*", "", line) for line in source.splitlines() if not line.lstrip().startswith("#")
    ]
    parts = re.split(r"(?m)^(?=[a-z])", "\n".join(lines))
    kept = [part.rstrip() for part in parts if not part.startswith(("published:", "name:")) and part.strip()]
    return "\n".join([f"name: {name}", *kept])


def _with_comments(body: str) -> list[str]:
    """Each line with what the key that it begins with means; a kind of layer is told the first time only."""
    document = yaml.parse(body, "new file")
    first_keys: dict[int, KeyPath] = {}
    for path, place in sorted(document.keys.items(), key=lambda item: (item[1].line, item[1].column)):
        first_keys.setdefault(place.line, path)
    for path, place in document.values.items():  # kinds without options, such as `- flatten`, are no keys
        kind = value_at(document.data, path)
        if place.line not in first_keys and isinstance(kind, str):
            first_keys[place.line] = (*path, kind)
    told: set[str] = set()
    lines = []
    for number, line in enumerate(body.splitlines(), start=1):
        meaning = _meaning(first_keys.get(number, ()))
        lines.append(line if not meaning or meaning in told or "#" in line else f"{line:<{WIDTH}}  # {meaning}")
        told.add(meaning)
    return lines


def _meaning(path: KeyPath) -> str:
    """What the docstrings say of the key at `path`: of an option its line, of a kind its first sentence."""
    if not path:
        return ""
    if path == ("extends",):
        return "the experiment that this one takes the rest from"
    kinds = models_at(path)
    above = models_at(path[:-1])
    for model in above:
        options = documentation(model).options
        if path[-1] in options:
            return re.split(r"[:;] ", options[str(path[-1])])[0].rstrip(".")
    return documentation(kinds[0]).summary if len(kinds) == 1 else ""

"""New experiment files, made from existing ones."""

import json
import re
from pathlib import Path

from cnnlab.config import files, shipped, yaml
from cnnlab.config.documentation import documentation
from cnnlab.config.json_schema import FILE, MODELINE, json_schema
from cnnlab.config.load import load_file, to_yaml
from cnnlab.config.schema_lookup import is_choice, models_at
from cnnlab.errors import RequestError
from cnnlab.experiment.schema import FOLDER_NAME, FOLDER_NAME_RULE
from cnnlab.messages import folder_name
from cnnlab.paths import KeyPath, value_at

WIDTH = 44  # where comments begin


def write(target: str, like: str) -> list[Path]:
    """Write the experiment `like` to the file `target`, with comments, and a schema for editors beside it.

    Returns the files written. Raises RequestError where `target` exists.
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
    """The text of a new experiment `name`, equal to the one in the file `like`."""
    experiment = load_file(like).model_copy(update={"name": name, "published": None})
    source = files.read_text(like)
    # The layout of other files than shipped ones is not known.
    body = _body(source, name) if like in shipped.paths().values() else to_yaml(experiment)
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

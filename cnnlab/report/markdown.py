"""A `Document` as `report.md`, in GitHub's Markdown, with its images as PNG files beside it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import assert_never

from cnnlab.report import figures, texts
from cnnlab.report.blocks import (
    Block,
    Chart,
    Checklist,
    Code,
    Confusion,
    Diagram,
    Document,
    Facts,
    Parallel,
    Picture,
    Pictures,
    Section,
    Table,
    Text,
)
from cnnlab.report.matrix import MANY
from cnnlab.report.parallel import CAPTION
from cnnlab.report.texts import anchor
from cnnlab.runs import files

FOLDER = "report-files"
SPECIAL = re.compile(r"[\\`*_{}\[\]#|~$^@!]|:(?=//)|(?<=mailto):|(?<=xmpp):|(?<=www)\.", re.IGNORECASE)
AT_START = re.compile(r"^(\d*)([-+=.)])(?=[-+=\s]|$)")  # lists and rules
BOXES = {True: "✓", False: "✗", None: "☐"}


@dataclass
class _Images:
    """The images of a document: names of files, and what writes each."""

    writers: dict[str, Callable[[Path], object]] = field(default_factory=dict)

    def add(self, key: str, write: Callable[[Path], object], alt: str) -> str:
        """An image in Markdown, which `write` writes in PNG."""
        name = f"{len(self.writers) + 1:03d}-{anchor(key)[:40]}.png"
        self.writers[name] = write
        return f"![{escaped(texts.name(alt))}]({FOLDER}/{name})"

    def save(self, folder: Path) -> None:
        """Write all of them into a folder."""
        for name, write in self.writers.items():
            write(folder / name)


def write(document: Document, folder: Path) -> Path:
    """Write `report.md` and the folder of its images into `folder`; the path of the former.

    Raises RunError where they cannot be written.
    """
    images = _Images()
    parts = [f"# {_name(document.title)}", *_blocks(document.lead, "lead", images)]
    for section in document.sections:
        parts += _section(section, 2, images)
    parts += ["---", _inline(document.footer)]
    if images.writers:
        files.write_folder(folder / FOLDER, images.save)
    path = folder / "report.md"
    files.write_text(path, "\n\n".join(part for part in parts if part) + "\n")
    return path


def escaped(text: str) -> str:
    """A text on one line as Markdown shows it, without markup, links and HTML."""
    line = " ".join(texts.prose(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return AT_START.sub(r"\1\\\2", SPECIAL.sub(lambda found: f"\\{found[0]}", line))


def _name(text: str) -> str:
    return escaped(texts.name(text))


def _inline(text: str, *, in_table: bool = False) -> str:
    """A text, with code where it has backticks; in a table, a vertical bar in code would end the cell."""
    parts = [(is_code, part) for is_code, part in texts.spans(text) if not is_code or part.strip()]
    return "".join(_code_span(part, in_table) if is_code else _spaced(part) for is_code, part in parts)


def _spaced(part: str) -> str:
    """Text beside code keeps the space between."""
    before, after = (" " if space else "" for space in (part[:1].isspace(), part[-1:].isspace()))
    return f"{before}{escaped(part)}{after}" if part.strip() else " "


def _code_span(part: str, in_table: bool) -> str:
    line = " ".join(texts.prose(part).split())
    return f"`{line.replace('|', chr(92) + '|') if in_table else line}`"


def _section(section: Section, level: int, images: _Images) -> Iterator[str]:
    yield f'<a id="{anchor(section.key)}"></a>\n\n{"#" * min(level, 6)} {_name(section.title)}'
    yield from _blocks(section.blocks, section.key, images)
    for inner in section.sections:
        yield from _section(inner, level + 1, images)


def _blocks(blocks: Sequence[Block], key: str, images: _Images) -> Iterator[str]:
    for block in blocks:
        yield "\n\n".join(part for part in _block(block, key, images) if part)


def _block(block: Block, key: str, images: _Images) -> Iterator[str]:
    match block:
        case Text():
            yield _text(block)
        case Facts():
            yield _table(["", ""], [[_name(name), _inline(value, in_table=True)] for name, value in block.rows])
        case Table():
            yield from _titled_table(block)
        case Chart():
            yield f"**{_name(block.title)}**"
            yield images.add(key, partial(figures.write_chart, block), block.title)
        case Parallel():
            yield f"**{_name(block.title)}**"
            yield images.add(key, partial(figures.write_parallel, block), block.title)
            yield CAPTION
        case Pictures():
            yield from _pictures(block.items, key, images)
            yield _inline(block.caption)
        case Confusion():
            yield from _confusion(block, key, images)
        case Diagram():
            yield f"**{_name(block.title)}**"
            yield images.add(key, partial(figures.write_diagram, block), block.title)
        case Code():
            yield _name(block.caption)
            yield _fenced(block)
        case Checklist():
            yield "\n".join(f"- {BOXES[i.state]} **{_name(i.label)}** {_inline(i.text)}" for i in block.items)
        case _:
            assert_never(block)


def _text(block: Text) -> str:
    text = _inline(block.text)
    match block.kind:
        case "lead":
            return f"**{text}**"
        case "note" | "warning":
            return f"> **{block.kind.capitalize()}** {text}"
    return text


def _titled_table(table: Table) -> Iterator[str]:
    yield f"**{_name(table.caption)}**"
    rows = [[f"[{_name(c.text)}](#{anchor(c.link)})" if c.link else _name(c.text) for c in row] for row in table.rows]
    yield _table([_name(column.name) for column in table.columns], rows, [c.is_numeric for c in table.columns])
    yield "\n".join(f"- *{_name(c.name)}*: {_inline(c.help)}" for c in table.columns if c.help)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool] = ()) -> str:
    rule = ["---:" if index < len(numeric) and numeric[index] else "---" for index in range(len(names))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (names, rule, *rows))


def _pictures(items: Sequence[Picture], key: str, images: _Images) -> Iterator[str]:
    for picture in items:
        image = images.add(key, partial(figures.write_picture, picture), picture.alt)
        yield f"{image}  \n{_inline(picture.caption)}" if picture.caption else image


def _confusion(block: Confusion, key: str, images: _Images) -> Iterator[str]:
    names = [_name(label) for label in block.labels]
    if len(names) > MANY:
        yield images.add(key, partial(figures.write_confusion, block), "Confusion matrix")
    else:
        rows = [[f"**{name}**", *map(str, counts)] for name, counts in zip(names, block.counts, strict=False)]
        yield _table(["true ↓ predicted →", *names], rows, [False, *[True] * len(names)])
    yield "One row per true class, one column per predicted class."
    for (row, column), picture in block.images.items():
        yield f"True class {names[row]}, predicted {names[column]}: {block.counts[row][column]}"
        yield from _pictures([picture], key, images)


def _fenced(block: Code) -> str:
    """A block of code between more backticks than it has in a row."""
    text = texts.visible(block.text).rstrip("\n")
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{'' if block.language == 'text' else block.language}\n{text}\n{fence}"

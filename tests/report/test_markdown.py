"""The same as Markdown: files beside it, and no text that becomes markup."""

import re

import pytest
from markdown_it import MarkdownIt
from PIL import Image

from cnnlab.report import markdown
from cnnlab.report.blocks import Chart, Code, Document, Facts, Section, Series, Text
from tests.report.documents import BLOCKS, confusion, document
from tests.report.hostile import TEXTS, hostile

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
ANCHOR = re.compile(r'<a id="[\w.-]+">|</a>')


def tokens_of(text):
    for token in PARSER.parse(text):
        yield token
        yield from token.children or []


@pytest.fixture
def no_figures(monkeypatch):
    """Figures that are not drawn, which takes most of the time."""
    for name in ("write_chart", "write_confusion", "write_diagram"):
        monkeypatch.setattr(markdown.figures, name, lambda _, path: path.write_bytes(b""))


def test_all_images_are_written_and_shown(tmp_path):
    path = markdown.write(Document("Title", [], [Section("One", "one", [*BLOCKS, confusion(21)])], ""), tmp_path)
    assert path == tmp_path / "report.md"
    shown = [token.attrs["src"] for token in tokens_of(path.read_text()) if token.type == "image"]
    files = sorted(tmp_path.glob("report-files/*"))
    assert [tmp_path / one for one in shown] == files
    for file in files:
        with Image.open(file) as image:
            assert min(image.size) >= 28


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_of_any_block_becomes_markup(text, tmp_path, no_figures):
    plain = {token.type for token in tokens_of(markdown.write(document(), tmp_path).read_text())}
    written = markdown.write(hostile(document(), text), tmp_path).read_text()
    found = list(tokens_of(written))
    assert {token.type for token in found} <= plain
    for token in found:
        if token.type.startswith("html"):
            assert ANCHOR.fullmatch(token.content)
        if token.type == "link_open":
            assert token.attrs["href"].startswith("#")
        if token.type == "image":
            assert re.fullmatch(r"report-files/\d{3}-[\w.-]+\.(png|webp)", token.attrs["src"])
    shown = re.sub(r'```.*?```|`[^`\n]*`|<a id="[^"]*">|\((#|report-files/)[^)]*\)', "", written, flags=re.DOTALL)
    assert not re.search(r"https?://|www\.|[^\\]@", shown)


@pytest.mark.parametrize(
    "text",
    [
        "a_b_c *x* [y](z)",
        "1. one",
        "- x",
        "--- ",
        "+1.5",
        "# x",
        "a|b",
        "<b>&amp;",
        "2.20.0",
        "~~x~~",
        "\\*",
        "===",
        "> x",
        "12) x",
    ],
)
def test_a_text_is_shown_as_it_is(text):
    (inline,) = [token for token in PARSER.parse(markdown.escaped(text)) if token.type == "inline"]
    assert "".join(child.content for child in inline.children) == text.strip()
    assert {child.type for child in inline.children} <= {"text", "text_special"}


def test_code_with_fences_stays_one_block(tmp_path):
    code = "```\n<b>\n````\nx"
    written = markdown.write(Document("Title", [Code(code, "yaml"), Text("after")], [], ""), tmp_path).read_text()
    (fence,) = [token for token in PARSER.parse(written) if token.type == "fence"]
    assert fence.content == f"{code}\n"


def test_a_bar_in_code_does_not_end_a_cell(tmp_path):
    written = markdown.write(Document("Title", [Facts([("a|b", "`c | d`")])], [], ""), tmp_path).read_text()
    cells = [token.content for token in PARSER.parse(written) if token.type == "inline"]
    assert cells[-2:] == ["a|b", "`c | d`"]


def test_values_that_cannot_be_drawn_are_left_out(tmp_path):
    nan, inf = float("nan"), float("inf")
    charts = [
        Chart("None", "x", "y", []),
        Chart("Log", "x", "y", [Series("_s", [0, 1, 2], [-1, nan, inf], [nan] * 3, [inf] * 3)], log_x=True, log_y=True),
        Chart("Points", "x", "$y$", [Series("s", [nan, 1], [1e308, -1e308], kind="points", labels=["$a", "b"])]),
        Chart(
            "Names",
            "x",
            "y",
            [Series("s", [0, 1], [1, 2], [0, 1], [2, 3], kind="points")],
            x_names=["a" * 99, "b"],
            y_range=(0, nan),
        ),
    ]
    markdown.write(Document("Title", charts, [], ""), tmp_path)
    assert len(list(tmp_path.glob("report-files/*.png"))) == 4

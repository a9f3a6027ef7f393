"""The page: every block, nothing from outside, no text as markup."""

import base64
import hashlib
import re
import time
from html.parser import HTMLParser
from itertools import pairwise
from typing import get_args

import pytest

from cnnlab.report.blocks import Block, Chart, Code, Document, Pictures, Section, Series, Text
from cnnlab.report.html import render
from tests.report.documents import BLOCKS, confusion, document, learning_curves, nodes, picture, rich, table
from tests.report.hostile import TEXTS, hostile

EMPTY = Document("Title", [], [], "Footer")


class Page(HTMLParser):
    """All tags of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(*blocks):
    return render(Document("Title", [], [Section("Section", "section", blocks)], "Footer"))


def test_the_document_of_these_tests_has_every_kind_of_block():
    assert {type(block) for block in BLOCKS} == set(get_args(Block))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: type(block).__name__)
def test_each_block_shows_all_its_texts(block):
    page = Page(page_of(block))
    shown = " ".join(page.text.split()) + " ".join(v or "" for _, a in page.tags for v in a.values())
    for word in re.findall(r"\w{3,}", " ".join(texts_of(block))):
        assert word in shown


def texts_of(value):
    if isinstance(value, str):
        yield value[:30]
    elif hasattr(value, "__dataclass_fields__"):
        skipped = {"kind", "language", "link"} if not hasattr(value, "depth") else set()
        for name in value.__dataclass_fields__.keys() - skipped:
            yield from texts_of(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts_of(one)
    elif isinstance(value, dict):
        yield from texts_of(list(value.values()))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_of_any_block_becomes_markup(text):
    harmless = {tag for tag, _ in Page(render(document())).tags}
    page = Page(render(hostile(document(), text)))
    assert {tag for tag, _ in page.tags} <= harmless
    assert len(page.named("script")) == len(page.named("style")) == 1
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/", "data:,")), (tag, attributes)
        assert not [name for name in attributes if not re.fullmatch("[a-zA-Z-]+", name)], (tag, attributes)


def test_characters_that_hide_or_turn_others_are_written_out():
    page = page_of(Text("a\u202eb\x00c"), Code("d\u2066e\x1bf"))
    assert r"a\u202eb\u0000c" in page
    assert r"d\u2066e\u001bf" in page


def test_the_policy_allows_only_the_style_and_the_script_of_the_page():
    html = render(document())
    (policy,) = [a["content"] for a in Page(html).named("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy


def test_all_ids_differ_and_all_links_lead_somewhere():
    tags = Page(render(rich())).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"][1:] for tag, attributes in tags if tag == "a"}
    assert links <= set(ids)


def test_headings_go_down_one_level_at_a_time():
    levels = [int(tag[1]) for tag, _ in Page(render(rich())).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_deep_sections_have_headings_of_the_lowest_level():
    section = Section("Deepest", "deepest")
    for level in range(8):
        section = Section(f"Level {level}", f"level-{level}", [], [section])
    assert "h6" in {tag for tag, _ in Page(render(Document("Title", [], [section], ""))).tags}


def values_of(chart):
    """The summary, the headings and the rows of the table below a chart."""
    (found,) = re.findall(r'<details class="data">(.*?)</details>', page_of(chart), re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>([^<\n]*)", row) for row in found.split("<tr>")[1:]]
    return re.findall("<summary>(.*?)</summary>", found)[0], cells[0], cells[1:]


def test_values_of_categories_do_not_tell_where_beside_them_a_point_is_drawn():
    seeds = Series("a", [-0.15, -0.15], [0.5, 0.6], kind="points", labels=["seed 0", "seed 1"])
    mean = Series("mean", [1.15], [0.55], [0.5], [0.6], kind="points")
    summary, names, rows = values_of(Chart("By seed", "", "accuracy", [seeds, mean], x_names=["a", "b"]))
    assert (summary, names) == ("Values", ["Series", "Point", "accuracy"])
    assert rows == [["a", "seed 0", "0.5"], ["a", "seed 1", "0.6"], ["mean", "b", "0.55"]]


@pytest.mark.parametrize(
    ("epochs", "lines", "left_out"),
    [(50, 20, ""), (60, 1, " (31 of 60 rows)"), (60, 25, " (31 of 60 rows, 20 of 25 lines)")],
)
def test_the_table_of_values_says_that_some_are_left_out(epochs, lines, left_out):
    summary, _, rows = values_of(learning_curves(epochs, lines))
    assert summary == f"Values{left_out}"
    assert len(rows) == (50 if epochs == 50 else 31)
    points = Series("points", range(epochs), [0.5] * epochs, kind="points")
    summary, _, rows = values_of(Chart("Points", "x", "y", [points]))
    assert summary == ("Values (31 of 60 rows)" if left_out else "Values")
    assert len(rows) == (50 if epochs == 50 else 31)


def test_sizes():
    assert len(render(EMPTY).encode()) < 40_000
    hundred = len(page_of(confusion(100)).encode())
    assert hundred < len(render(EMPTY).encode()) + 250_000


def test_a_thousand_rows_and_fifty_charts_take_less_than_two_seconds():
    render(document())  # the templates are compiled
    start = time.process_time()
    page_of(table(1000), *[learning_curves(100, 3)] * 50)
    assert time.process_time() - start < 2


def test_images_are_in_the_page_and_enlarged_by_whole_numbers():
    first, second = Page(page_of(Pictures([picture((28, 28)), picture((300, 200), is_pixels=False)]))).named("img")
    assert (first["width"], first["height"], first["class"]) == ("140", "140", "pixels")
    assert (second["width"], second["height"]) == ("300", "200")
    assert base64.b64decode(first["src"].removeprefix("data:image/png;base64,")) == picture((28, 28)).data


def test_a_network_of_a_hundred_layers_has_all_of_them():
    from cnnlab.report.blocks import Diagram

    assert page_of(Diagram("Deep", nodes(100))).count("<g><title>") == 101

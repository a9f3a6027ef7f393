"""Parallel coordinates as SVG and by Matplotlib: well formed whatever the values, the best line above all others."""

import math
import re
from xml.etree import ElementTree

import pytest

from cnnlab.report import figures, parallel
from cnnlab.report.blocks import Parallel, Scale
from tests.report import documents

NAN, INF = math.nan, math.inf
NUMBERS, LOG, NAMES = Scale("x"), Scale("rate", is_log=True, ends=(1e-4, 1e-1)), Scale("kind", ["a", "b"])


def drawn(scales, lines):
    text = str(parallel.parallel(Parallel("Title", scales, lines, [f"trial {n}" for n in range(len(lines))])))
    assert not re.search(r"nan|inf", text), text
    return ElementTree.fromstring(text)


def lines_of(root):
    return [one for one in root.iter("path") if one.get("class").startswith("line")]


def height(path, index):
    return float(re.split("[ML]", path.get("d"))[1:][index].split()[1])


@pytest.mark.parametrize(
    ("scales", "lines"),
    [
        ([], []),
        ([NUMBERS], []),
        ([NUMBERS], [[1.0]]),
        ([NUMBERS, LOG], [[NAN, NAN], [INF, -INF], [1e300, -1.0], [-1.7e308, 0.0]]),
        ([NUMBERS, LOG], [[1.0, 1e-300]]),
        ([NAMES, NUMBERS], [[0, 0.5], [1, 0.5]]),
        ([Scale("many", [str(n) for n in range(1000)]), NUMBERS], [[n, n] for n in range(1000)]),
    ],
)
def test_all_values_are_drawn(tmp_path, scales, lines):
    assert len(lines_of(drawn(scales, lines))) == len(lines)
    figures.write_parallel(Parallel("Title", scales, lines, []), tmp_path / "x.png")


def test_the_last_line_is_the_best_and_the_others_have_shades_in_order():
    classes = [one.get("class").split()[1] for one in lines_of(drawn([NUMBERS], [[float(n)] for n in range(13)]))]
    assert classes[-1] == "best"
    assert classes[:-1] == sorted(classes[:-1])
    assert set(classes) == {"best", "t0", "t1", "t2", "t3", "t4", "t5"}


def test_a_line_without_a_value_passes_below_the_axis():
    first, second = lines_of(root := drawn([LOG, NUMBERS], [[NAN, 1.0], [1e-4, 2.0]]))
    assert height(first, 0) > parallel.BOTTOM
    assert height(second, 0) == parallel.BOTTOM
    assert [one.text for one in root.iter("text")].count("none") == 1


def test_lines_through_a_category_are_spread_the_better_the_higher():
    found = [height(one, 0) for one in lines_of(drawn([NAMES, NUMBERS], [[0, n] for n in range(5)]))]
    assert found == sorted(found, reverse=True)
    middle = (parallel.BOTTOM + parallel.TOP) / 2
    assert len(set(found)) == 5
    assert all(middle < at < parallel.BOTTOM for at in found)


def test_the_values_of_a_line_can_be_read():
    root = drawn([LOG, NAMES], [[0.01, 1.0]])
    assert lines_of(root)[0].find("title").text == "trial 0: rate 0.01, kind b"
    assert "The best is trial 0: rate 0.01, kind b." in root.get("aria-label")


def test_a_thousand_lines_are_small():
    assert len(parallel.parallel(documents.parallel(1000, 6))) < 250_000

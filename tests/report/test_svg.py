"""Charts as SVG: well formed whatever the values, small, with round ticks; colours that are told apart."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import cnnlab.report
from cnnlab.report import frame, svg
from cnnlab.report.axes import axis, number
from cnnlab.report.blocks import Chart, Series
from tests.report.documents import learning_curves

NAN, INF = math.nan, math.inf
NAMESPACE = "{http://www.w3.org/2000/svg}"


def drawn(*series, **options):
    text = str(svg.chart(Chart("Title", "x", "y", series, **options), "key"))
    assert not re.search(r"nan|inf", re.sub(r'data-\w+="[^"]*"', "", text)), text
    return ElementTree.fromstring(text.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))


def paths(root, name):
    return [one.get("d") for one in root.iter(f"{NAMESPACE}path") if (one.get("class") or "").split()[:1] == [name]]


VALUES = {
    "none": ([], []),
    "one": ([1], [0.5]),
    "constant": ([1, 2, 3], [0.7, 0.7, 0.7]),
    "zeros": ([0, 0], [0, 0]),
    "only nan": ([1, 2], [NAN, NAN]),
    "infinite": ([1, 2, 3], [1.0, INF, -INF]),
    "infinite x": ([NAN, INF, 3], [1.0, 2.0, 3.0]),
    "negative": ([-3, -2, -1], [-1e-5, -2e-5, 0]),
    "huge": ([1, 2], [-1e300, 1e300]),
    "beyond": ([1, 2], [-1.7e308, 1.7e308]),
    "tiny": ([1, 2], [1e-300, 2e-300]),
    "almost equal": ([1, 2], [1.0, 1.0 + 1e-15]),
    "large and equal": ([1e15, 1e15 + 1], [1e15, 1e15 + 1]),
    "many": (range(1000), [math.sin(x / 9) for x in range(1000)]),
    "shorter y": ([1, 2, 3], [1]),
}


@pytest.mark.parametrize("kind", ["line", "dotted", "points"])
@pytest.mark.parametrize("is_log", [False, True])
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_all_values_are_drawn(values, kind, is_log):
    x, y = values
    low, high = [value - 1 for value in y], [value + 1 for value in y]
    series = Series("s", x, y, low, high, kind=kind, labels=["a"] * len(x), emphasized=[0])
    drawn(series, log_x=is_log, log_y=is_log)
    drawn(series, x_names=["a", "b"], y_range=(0, 1), diagonal=True)
    drawn(series, y_range=(2, 2))
    drawn(series, log_y=is_log, y_range=(0, None))


def test_nan_leaves_a_gap():
    (line,) = paths(drawn(Series("s", [1, 2, 3, 4, 5], [1, 2, NAN, 2, 1])), "line")
    assert line.count("M") == 2
    assert line.count("L") == 2


def test_long_lines_keep_their_extremes_and_few_points():
    y = [0.0] * 5000
    y[1234], y[4321] = 5.0, -5.0
    (line,) = paths(drawn(Series("s", range(5000), y)), "line")
    heights = [float(pair.split()[1]) for pair in re.split("[ML]", line)[1:]]
    assert len(heights) <= 210
    spread = frame.HEIGHT - frame.BOTTOM - frame.TOP
    assert max(heights) - min(heights) > 0.85 * spread


def test_small_charts_are_small_and_large_ones_are_not_large():
    assert len(svg.chart(learning_curves(12, 3), "k").encode()) < 8_000
    assert len(svg.chart(learning_curves(1000, 20), "k").encode()) < 250_000


def test_values_outside_a_fixed_range_are_cut_off():
    root = drawn(Series("s", [1, 2], [-100, 100]), y_range=(0, 1))
    assert root.find(f"{NAMESPACE}clipPath") is not None


def test_each_point_of_a_short_line_can_be_read_without_script():
    root = drawn(Series("train", [1, 2], [0.25, 0.5]))
    titles = [one.text for one in root.iter(f"{NAMESPACE}title")]
    assert "train, x 2: 0.5" in titles


def test_labels_do_not_overlap():
    n = 30
    x = [index % 6 / 50 for index in range(n)]
    root = drawn(
        Series("s", x, [index / n for index in range(n)], kind="points", labels=[f"label {i}" for i in range(n)])
    )
    tags = [one for one in root.iter(f"{NAMESPACE}text") if "tag" in one.get("class")]
    shift = {"tag": 0, "mid": 0.5, "end": 1}
    widths = [len(tag.text) * frame.CHARACTER for tag in tags]
    boxes = [
        (float(tag.get("x")) - shift[tag.get("class").split()[0]] * width, float(tag.get("y")), width)
        for tag, width in zip(tags, widths, strict=True)
    ]
    assert len(boxes) > 3
    for index, (left, base, width) in enumerate(boxes):
        for other_left, other_base, other_width in boxes[index + 1 :]:
            apart = left + width <= other_left or other_left + other_width <= left or abs(base - other_base) >= 13
            assert apart


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.981, 0.993, ["0.985", "0.990"]),
        (1, 12, ["2", "4", "6", "8", "10", "12"]),
        (1, 3, ["1", "2", "3"]),
        (0, 50_000, ["0", "10k", "20k", "30k", "40k", "50k"]),
        (-1, 1, ["−1.0", "−0.5", "0", "0.5", "1.0"]),
    ],
)
def test_ticks_are_round(low, high, expected):
    found = [label for _, label in axis([low, high], (0, 1), is_whole=high == 3).ticks]
    assert found == expected


def test_logarithmic_ticks():
    assert [label for _, label in axis([1e-4, 1], (0, 1), is_log=True).ticks] == ["10⁻⁴", "0.001", "0.01", "0.1", "1"]
    assert [label for _, label in axis([60_000, 1_000_000], (0, 1), is_log=True).ticks] == [
        "100k",
        "200k",
        "500k",
        "1M",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.05, "0.05"),
        (12_500, "12.5k"),
        (2e-5, "2·10⁻⁵"),
        (61_706, "61.71k"),
        (-1e18, "−10¹⁸"),
        (999.4, "999"),
    ],
)
def test_numbers_are_short(value, expected):
    assert number(value) == expected


STYLE = (Path(cnnlab.report.__file__).parent / "templates/report.css").read_text(encoding="utf-8")
THEMES = dict(zip(("light", "dark", "print"), re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL), strict=True))


def colours(theme):
    found = {name: value.lstrip("#") for name, value in re.findall(r"--([\w-]+): (#\w+)", THEMES[theme])}
    return {
        name: tuple(
            int(pair, 16) for pair in re.findall("..", value if len(value) == 6 else "".join(c * 2 for c in value))
        )
        for name, value in found.items()
    }


def contrast(one, two):
    def luminance(colour):
        parts = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_texts_and_lines_have_contrast(theme):
    found = colours(theme)
    for ink in ("ink", "soft", "accent", "good", "bad", "caution"):
        for paper in ("paper", "raised"):
            assert contrast(found[ink], found[paper]) >= 4.5, (ink, paper)
    assert contrast(found["accent"], found["tint"]) >= 4.5
    assert contrast(found["caution"], found["caution-tint"]) >= 4.5
    for index in range(svg.COLOURS):
        assert contrast(found[f"s{index}"], found["paper"]) >= 3, index


@pytest.mark.parametrize("theme", THEMES)
def test_counts_are_readable_on_every_shade_of_the_matrix(theme):
    found = colours(theme)
    shades = re.findall(r"\.([rw])\d \{ --m: (\d+)%; \}", STYLE)
    assert len(shades) == 18
    for hue, share in shades:
        part = int(share) / 100
        hued = found[{"r": "right", "w": "wrong"}[hue]]
        mixed = tuple(part * a + (1 - part) * b for a, b in zip(hued, found["paper"], strict=True))
        assert contrast(found["ink"], mixed) >= 4.5, (hue, share)


def test_many_long_names_keep_their_ends_and_do_not_reach_the_label_of_the_axis():
    names = [f"experiment-number-{index}" for index in range(30)]
    root = drawn(Series("s", range(30), range(30), kind="points"), x_names=names)
    written = [one.text for one in root.iter(f"{NAMESPACE}text") if one.get("transform")]
    assert written == [f"exper…{name[-5:]}" for name in names]
    height = int(root.get("viewBox").split()[-1])
    assert height - 14 >= frame.HEIGHT - frame.BOTTOM + 8 + frame.LONGEST_TURNED * frame.LARGE_CHARACTER


def test_a_chart_without_values_says_so():
    assert "no values" in [one.text for one in drawn(Series("s", [1], [NAN])).iter(f"{NAMESPACE}text")]

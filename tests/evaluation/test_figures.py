"""Figures of an evaluation, and class names in them."""

from types import SimpleNamespace

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from cnnlab.data import Examples
from cnnlab.evaluation import figures as evaluation
from cnnlab.models.inference import Outcome
from cnnlab.plots import fonts
from cnnlab.runs import Run
from tests.plots.figure_texts import assert_readable, texts


@pytest.fixture
def run(tmp_path):
    (tmp_path / "lenet-7" / "evaluation").mkdir(parents=True)
    return Run(tmp_path / "lenet-7")


def measured(names, matrix, calibration=()):
    return {
        "split": "test",
        "accuracy": 0.5,
        "examples": int(np.sum(matrix)),
        "expected_calibration_error": 0.125,
        "calibration": list(calibration),
        "confusion_matrix": matrix.tolist(),
    }


def drawn_of(run, names, ending, figures, bins=15):
    """The figures of an evaluation of these classes, with every second example wrong."""
    count = len(names)
    labels = np.arange(4 * count, dtype=np.int32) % count
    predictions = np.where(np.arange(4 * count) % 2, labels, (labels + 1) % count)
    scores = np.full((4 * count, count), 0.1, np.float32)
    scores[np.arange(4 * count), predictions] = 0.9
    examples = Examples(np.zeros((4 * count, 8, 8, 1), np.uint8), labels)
    dataset = SimpleNamespace(class_names=tuple(names), image_shape=(8, 8, 1), splits=lambda: {"test": examples})
    matrix = np.zeros((count, count), int)
    np.add.at(matrix, (labels, predictions), 1)
    calibration = [
        {"confidence": (index + 0.5 + 0.49 * (-1) ** index) / 15, "accuracy": 0.5, "examples": 1 + 7 * index}
        for index in range(bins)
    ]
    outcome = Outcome(labels, scores, np.zeros(4 * count, np.float32))
    paths = evaluation.draw(run, measured(names, matrix, calibration), outcome, dataset, ending)
    return paths, figures


def test_no_text_overlaps_in_the_figures_of_an_evaluation(run, figures):
    """Neighbouring bins are occupied, each with few examples."""
    paths, (confusion, reliability, mistakes) = drawn_of(run, ["automobile", "b" * 70, "c d " * 12], "png", figures)
    assert [path.name for path in paths] == ["test-confusion.png", "test-reliability.png", "test-mistakes.png"]
    for drawn in (confusion, reliability, mistakes):
        assert_readable(drawn)
        assert any("lenet-7" in text for text, _ in texts(drawn))
    counts = [text.get_text() for text in reliability.axes[1].texts]
    assert counts == [f"{1 + 7 * index}" for index in range(15)]
    filled = {
        container.get_label(): len(container.lines[0].get_xdata()) for container in reliability.axes[0].containers
    }
    assert filled == {"the network, ± standard error": 13, "fewer than 10 examples": 2}


def test_twenty_classes_are_named_and_counted(run, figures):
    _, (confusion, *_) = drawn_of(run, [f"class number {index}" for index in range(20)], "png", figures)
    assert_readable(confusion)
    assert [tick.get_text() for tick in confusion.axes[0].get_yticklabels()][-1] == "class number 19"
    assert sum(int(text.get_text()) for text in confusion.axes[0].texts) == 80


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_file_extension_selects_the_format(run, figures, ending, start):
    paths, _ = drawn_of(run, ["a", "b"], ending, figures)
    for path in paths:
        assert path.read_bytes().startswith(start)


@pytest.fixture
def cat_font(tmp_path):
    """A font that contains only 猫."""
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "cat"])
    builder.setupCharacterMap({ord("猫"): "cat"})
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    pen.lineTo((0, 800))
    pen.lineTo((800, 0))
    pen.closePath()
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "cat": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "cat": (1000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Only Cats", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "cats.ttf")
    before = list(font_manager.fontManager.ttflist)
    font_manager.fontManager.addfont(str(tmp_path / "cats.ttf"))
    yield "Only Cats"
    font_manager.fontManager.ttflist[:] = before


def test_a_name_is_drawn_with_a_font_that_has_its_characters(monkeypatch, capsys, cat_font, run, figures):
    others = [font for font in fonts._others() if font[0] == cat_font]
    monkeypatch.setattr(fonts, "_others", lambda: others)  # as on a machine with only this font
    drawn_of(run, ["dog", "猫"], "png", figures)
    assert capsys.readouterr().err == ""
    label = figures[0].axes[0].get_yticklabels()[1]
    assert label.get_text() == "猫"
    assert label.get_fontfamily() == [fonts.DEFAULT, cat_font]


CUNEIFORM = "\U00012001"  # in none of the fonts of Matplotlib
ESCAPED = "\\U00012001"


def test_a_name_without_a_font_is_replaced_by_its_number_and_reported_once(monkeypatch, capsys, run, figures):
    monkeypatch.setattr(fonts, "_others", list)  # as on a machine without other fonts
    names = ["dog", f"a{CUNEIFORM}", CUNEIFORM * 50]
    drawn_of(run, names, "png", figures)
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("cnnlab: warning: no font here has the characters of class a")
    assert f", and 1 more: drawn as 1 (a{ESCAPED}); install a font that has them" in warning
    shown = [tick.get_text().replace("\n", "") for tick in figures[0].axes[0].get_yticklabels()]
    assert shown == ["dog", f"1 (a{ESCAPED})", f"2 ({ESCAPED}{ESCAPED}…)"]
    for drawn in figures:
        assert_readable(drawn)

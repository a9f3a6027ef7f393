"""What figures show: lines, labels and captions, told from Matplotlib's own objects; and files of every kind."""

import itertools
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from cnnlab.analysis import curves
from cnnlab.analysis.groups import Group
from cnnlab.analysis.significance import estimate
from cnnlab.data import Examples
from cnnlab.errors import RequestError
from cnnlab.evaluation import figures as evaluation
from cnnlab.models.inference import Outcome
from cnnlab.plots import figure, fonts, grid
from cnnlab.runs import Run
from tests.conftest import make_run

LETTERS = "abcdefghij"


@pytest.fixture
def figures(monkeypatch):
    """Every figure that is written, in order."""
    written = []
    save = Figure.savefig

    def savefig(self, *arguments, **options):
        written.append(self)
        return save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return written


def texts(drawn):
    """All texts that are drawn, with their boxes in pixels."""
    found = []

    def draw(self, renderer):
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), self.get_window_extent(renderer)))

    with mock.patch.object(Text, "draw", draw):
        FigureCanvasAgg(drawn).draw()
    return found


def assert_readable(drawn):
    """No text lies on another or leaves the figure."""
    boxes = texts(drawn)
    assert boxes
    width, height = drawn.bbox.size
    for text, box in boxes:
        assert -1 <= box.x0 < box.x1 <= width + 1, text
        assert -1 <= box.y0 < box.y1 <= height + 1, text
    for (first, one), (second, other) in itertools.combinations(boxes, 2):
        overlap = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
        assert min(overlap) < 1, (first, second)


def group(tmp_path, name, lengths, *, accuracy=0.9, train=None, size=None):
    """An experiment with a run for each of these numbers of epochs."""
    members = []
    for seed, length in enumerate(lengths):
        record = {
            "status": "finished",
            "experiment": {"name": name, "data": {"train_sizes": size and [size]}, "train": train or {}, "seed": seed},
            "results": {"test_accuracy": accuracy + seed / 100, "test_loss": 0.3 + seed / 10, "val_accuracy": 0.8},
            "data": {"splits": {"train": {"examples": size or 1000}, "test": {"examples": 100}}},
        }
        run = make_run(tmp_path, name, None, record)
        rows = [
            f"{e},{1 / e},{accuracy - 0.1 / e},{1.2 / e},{accuracy + seed / 100 - 0.2 / e}"
            for e in range(1, length + 1)
        ]
        run.metrics.write_text("\n".join(["epoch,loss,accuracy,val_loss,val_accuracy", *rows]) + "\n")
        members.append(run.record())
    return Group(name, members)


def legend(drawn):
    return [text.get_text() for text in drawn.legends[0].get_texts()]


def test_ten_groups_have_each_a_look_of_their_own_and_are_listed_in_order(tmp_path, figures):
    groups = [
        group(tmp_path, name, [6], accuracy=0.9 - abs(3 - i) / 50, train={"rate": i}) for i, name in enumerate(LETTERS)
    ]
    curves.plot(groups, tmp_path / "x.png")
    (drawn,) = figures
    for axes, title in zip(drawn.axes, ("accuracy", "loss"), strict=True):
        assert (axes.get_title(), axes.get_xlabel()) == (title, "epoch")
        looks = {(line.get_color(), line.get_marker()) for line in axes.lines}
        assert len(looks) == len(axes.lines) == 10
        assert len({line.get_color() for line in axes.lines}) == len({line.get_marker() for line in axes.lines}) == 10
        assert len({line.get_linestyle() for line in axes.lines}) > 2
    assert [name[0] for name in legend(drawn)] == [*"dcebfaghij"]
    ends = [line.get_ydata()[-1] for line in drawn.axes[0].lines]
    assert ends == sorted(ends, reverse=True)
    assert "training: not drawn of more than 5" in drawn.legends[0].get_title().get_text()
    assert_readable(drawn)


def test_of_a_few_groups_training_is_dotted_and_validation_has_a_band(tmp_path, figures):
    curves.plot([group(tmp_path, "a", [4, 4]), group(tmp_path, "b", [4, 4], train={"rate": 2})], tmp_path / "x.svg")
    accuracy = figures[0].axes[0]
    assert [line.get_linestyle() for line in accuracy.lines].count(":") == 2
    assert len(accuracy.collections) == 2
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), [0.905 - 0.2 / epoch for epoch in range(1, 5)])


def test_a_line_says_how_many_seeds_came_to_its_end(tmp_path, figures):
    groups = [group(tmp_path, "a", [8, 5, 8]), group(tmp_path, "b", [6, 6, 6], accuracy=0.8, train={"rate": 2})]
    curves.plot(groups, tmp_path / "x.png")
    assert [name.partition(" (")[2] for name in legend(figures[0])] == ["3 seeds, 2 to the end)", "3 seeds)"]
    validation = [line for line in figures[0].axes[0].lines if line.get_linestyle() != ":"]
    assert [list(line.get_xdata()) for line in validation] == [[1, 2, 3, 4, 5], [5, 6, 7, 8], [1, 2, 3, 4, 5, 6]]
    assert validation[1].get_linewidth() < validation[0].get_linewidth()
    assert "thin: not all seeds reached these epochs" in figures[0].legends[0].get_title().get_text()


def test_runs_that_differ_in_size_are_drawn_by_it(tmp_path, figures):
    groups = [
        group(tmp_path, f"{name}-{size}", [2, 2, 2], accuracy=accuracy, size=size, train={"rate": rate})
        for name, rate, factor in (("a", 1, 1.0), ("b", 2, 0.9))
        for size, accuracy in ((1000, 0.9 * factor), (10, 0.5 * factor), (100, 0.7 * factor))
    ]
    curves.plot(groups, tmp_path / "x.pdf")
    accuracy, loss = figures[0].axes
    assert (accuracy.get_title(), loss.get_title()) == ("test accuracy", "test loss")
    assert accuracy.get_xscale() == "log"
    assert accuracy.get_xlabel() == "training examples"
    assert [tick.get_text() for tick in accuracy.get_xticklabels()] == ["10", "100", "1,000"]
    (first, _), _ = (container.lines[:2] for container in accuracy.containers)
    np.testing.assert_allclose(np.array(first.get_xdata(), float), [10, 100, 1000], rtol=0.05)
    np.testing.assert_allclose(np.array(first.get_ydata(), float), [0.51, 0.71, 0.91])
    (bars,) = accuracy.containers[0].lines[2]
    expected = estimate([0.5, 0.51, 0.52], (0, 1))
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [expected.low, expected.high])
    assert len(legend(figures[0])) == 2
    assert_readable(figures[0])


def test_captions_are_wrapped_and_whole(tmp_path, figures):
    titles = [
        "automobile as truck, 0.99",
        "cat",
        "a_very_long_name_without_any_space, 0.50",
        "Straße $x^2$ \\frac",
        "b",
    ]
    images = np.zeros((5, 32, 32, 3), np.uint8)
    grid.draw(
        images, titles, "a heading that is much longer than two images are wide, and more of it", tmp_path / "x.png", 2
    )
    (drawn,) = figures
    assert_readable(drawn)
    shown = [text.replace(r"\$", "$") for text, _ in texts(drawn)]
    for title in titles:
        assert title.replace(" ", "") in "".join(shown).replace(" ", "")
    assert "automobile as" in shown
    assert not any("…" in text for text in shown)


def test_a_caption_of_a_hundred_words_ends_in_dots(tmp_path, figures):
    grid.draw(np.zeros((1, 8, 8, 1), np.uint8), ["word " * 100], "x", tmp_path / "x.png", 1)
    assert_readable(figures[0])
    assert texts(figures[0])[-1][0].endswith("…")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_pixel_is_shown_as_a_square(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (1, 4, 5, channels), np.uint8)
    grid.draw(images, [""], "", tmp_path / "x.png", 1)
    with Image.open(tmp_path / "x.png") as written:
        assert round(written.info["dpi"][0]) == figure.DPI
        pixels = np.asarray(written.convert("RGB")).astype(int)
    factor = grid.TILE // 5
    top = int(grid.BORDER + grid.LINE + grid.GAP)
    tile = pixels[top : top + 4 * factor, grid.BORDER : grid.BORDER + 5 * factor]
    centres = tile[factor // 2 :: factor, factor // 2 :: factor]
    expected = images[0][..., :3] if channels > 2 else images[0][..., :1].repeat(3, axis=-1)
    assert np.abs(centres - expected).max() <= 1


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
    """The figures of an evaluation of so many classes, every second example of which is wrong."""
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


def test_no_label_of_an_evaluation_lies_on_another(run, figures):
    """Neighbouring bins are next to each other here, and all have few examples."""
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
def test_every_figure_is_what_its_ending_says(run, tmp_path, figures, ending, start):
    paths, _ = drawn_of(run, ["a", "b"], ending, figures)
    curves.plot([group(tmp_path, "c", [3])], tmp_path / f"curves.{ending.upper()}")
    for path in [*paths, tmp_path / f"curves.{ending.upper()}"]:
        assert path.read_bytes().startswith(start)


def test_a_file_of_another_kind_is_refused(tmp_path):
    for path in (tmp_path / "x.jpg", tmp_path / "x"):
        with pytest.raises(RequestError, match=r"expected a file name that ends in \.png, \.svg or \.pdf"):
            grid.draw(np.zeros((1, 8, 8, 1), np.uint8), ["x"], "x", path, 1)
        with pytest.raises(RequestError, match=r"--plot .*expected a file name that ends in"):
            curves.plot([], path)


@pytest.fixture
def cat_font(tmp_path):
    """A font that has 猫, and nothing else."""
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


CUNEIFORM = "\U00012001"  # which no font has that comes with Matplotlib
ESCAPED = "\\U00012001"


def test_a_name_that_no_font_can_write_is_its_number_and_that_is_told_once(monkeypatch, capsys, run, figures):
    monkeypatch.setattr(fonts, "_others", list)  # as on a machine that has no other font
    names = ["dog", f"a{CUNEIFORM}", CUNEIFORM * 50]
    drawn_of(run, names, "png", figures)
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("cnnlab: warning: no font here has the characters of class a")
    assert f", and 1 more: drawn as 1 (a{ESCAPED}); install a font that has them" in warning
    shown = [tick.get_text().replace("\n", "") for tick in figures[0].axes[0].get_yticklabels()]
    assert shown == ["dog", f"1 (a{ESCAPED})", f"2 ({ESCAPED}{ESCAPED}…)"]
    for drawn in figures:
        assert_readable(drawn)

"""Learning curves of groups of runs, and results by training size."""

import numpy as np
import pytest

from cnnlab.analysis import curves
from cnnlab.analysis.groups import Group
from cnnlab.analysis.significance import estimate
from cnnlab.errors import RequestError
from tests.conftest import make_run
from tests.plots.figure_texts import assert_readable

LETTERS = "abcdefghij"


def group(tmp_path, name, lengths, *, accuracy=0.9, train=None, size=None):
    """An experiment with one run for each of these numbers of epochs."""
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


def test_ten_groups_have_distinct_styles_and_are_listed_in_order(tmp_path, figures):
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


def test_with_few_groups_training_is_dotted_and_validation_has_a_band(tmp_path, figures):
    curves.plot([group(tmp_path, "a", [4, 4]), group(tmp_path, "b", [4, 4], train={"rate": 2})], tmp_path / "x.svg")
    accuracy = figures[0].axes[0]
    assert [line.get_linestyle() for line in accuracy.lines].count(":") == 2
    assert len(accuracy.collections) == 2
    np.testing.assert_allclose(accuracy.lines[1].get_ydata(), [0.905 - 0.2 / epoch for epoch in range(1, 5)])


def test_a_curve_label_counts_the_seeds_that_reach_its_end(tmp_path, figures):
    groups = [group(tmp_path, "a", [8, 5, 8]), group(tmp_path, "b", [6, 6, 6], accuracy=0.8, train={"rate": 2})]
    curves.plot(groups, tmp_path / "x.png")
    assert [name.partition(" (")[2] for name in legend(figures[0])] == ["3 seeds, 2 to the end)", "3 seeds)"]
    validation = [line for line in figures[0].axes[0].lines if line.get_linestyle() != ":"]
    assert [list(line.get_xdata()) for line in validation] == [[1, 2, 3, 4, 5], [5, 6, 7, 8], [1, 2, 3, 4, 5, 6]]
    assert validation[1].get_linewidth() < validation[0].get_linewidth()
    assert "thin: not all seeds reached these epochs" in figures[0].legends[0].get_title().get_text()


def test_runs_of_different_training_sizes_are_plotted_by_size(tmp_path, figures):
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


@pytest.mark.parametrize(("ending", "start"), [("PNG", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_file_extension_selects_the_format(tmp_path, ending, start):
    curves.plot([group(tmp_path, "c", [3])], tmp_path / f"curves.{ending}")
    assert (tmp_path / f"curves.{ending}").read_bytes().startswith(start)


def test_an_unknown_file_extension_is_rejected(tmp_path):
    for path in (tmp_path / "x.jpg", tmp_path / "x"):
        with pytest.raises(RequestError, match=r"--plot .*expected a file name that ends in"):
            curves.plot([], path)

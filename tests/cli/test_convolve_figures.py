"""The figures of `cnnlab convolve`."""

import numpy as np
import pytest
from PIL import Image

from cnnlab.lessons.lessons import LESSONS
from tests.cli.test_convolve import INTEL, PLAIN


def test_small_arrays_are_drawn_with_their_numbers(cnnlab, figures, tmp_path):
    done = cnnlab("convolve", *INTEL, "--out", "new/intel.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "intel.png").stat().st_size > 1000
    (figure,) = figures
    titles = [axes.get_title().splitlines()[:2] for axes in figure.axes]
    assert titles == [["input", "3×3, 1 to 3"], ["kernel", "3×3, -2 to 2"], ["output", "1×1, 2 to 2"]]
    assert [text.get_text() for text in figure.axes[1].texts] == ["-1", "0", "1", "-2", "0", "2", "-1", "0", "1"]


def test_whole_numbers_are_drawn_with_all_digits(cnnlab, figures):
    cnnlab("convolve", "--lesson", "kth-curve", "--out", "x.png")
    assert [text.get_text() for text in figures[0].axes[2].texts] == ["6600"]


def test_signed_values_are_drawn_with_0_in_the_middle(cnnlab, figures):
    cnnlab("convolve", *INTEL, "--out", "x.png")
    kernel = figures[0].axes[1].images[0]
    assert (kernel.cmap.name, kernel.get_clim()) == ("RdBu_r", (-2, 2))


def test_a_photograph_is_drawn_in_colour_with_its_range(cnnlab, figures, tmp_path):
    photograph = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    Image.fromarray(photograph).save(tmp_path / "photo.png")
    cnnlab("convolve", "--image", "photo.png", "--kernel", "sobel-x", "--kernel", "sharpen", "--out", "x.png")
    (figure,) = figures
    titles = [axes.get_title().splitlines() for axes in figure.axes]
    assert [title[0] for title in titles] == [
        "photo.png",
        "kernel sobel-x",
        "output",
        "photo.png",
        "kernel sharpen",
        "output",
    ]
    assert titles[2][1].startswith("12×20×3, -")
    assert (titles[2][2], titles[5][2]) == ("0 is mid-grey", "0 is mid-grey")  # of noise, most is beyond [0, 1]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array(), photograph / 255)


def test_a_sharpened_photograph_is_drawn_cut_unless_a_bias_moves_most_of_it_out(cnnlab, figures):
    for more in ((), ("--bias", "1")):
        assert cnnlab("convolve", "--kernel", "sharpen", *more, "--out", "x.png").returncode == 0
    plain, biased = (figure.axes[2].get_title().splitlines() for figure in figures)
    assert (plain[0], plain[2]) == ("output", "cut to [0, 1], 23.0% are beyond")
    assert (biased[0], biased[2]) == ("output with bias 1", "0 is mid-grey")


def test_a_figure_is_named_and_replaces_an_earlier_one(cnnlab, tmp_path, monkeypatch):
    monkeypatch.setattr("cnnlab.plots.figure.DPI", 40)
    for ending in (".png", ".svg", ".pdf"):
        for _ in range(2):
            done = cnnlab("convolve", *INTEL, "--out", f"x{ending}")
            assert (done.returncode, done.stderr) == (0, f"figure: x{ending}\n")


@pytest.mark.parametrize("options", [("--lesson", "intel-3x3"), INTEL], ids=["lesson", "input"])
def test_the_figure_is_complete_before_anything_is_printed(cnnlab, tmp_path, monkeypatch, options):
    def nobody_reads(*_):
        assert (tmp_path / "x.png").stat().st_size > 1000
        raise BrokenPipeError

    monkeypatch.setattr("cnnlab.plots.figure.DPI", 40)
    module = __import__("cnnlab.cli.convolutions").cli.convolutions
    monkeypatch.setattr(module, "print", lambda *text, file=None: file or nobody_reads(), raising=False)
    assert cnnlab("convolve", *options, "--out", "x.png").returncode == 1
    assert (tmp_path / "x.png").exists()


def test_lists_are_drawn_as_bars(cnnlab, figures):
    cnnlab("convolve", "--lesson", "kth-xo", "--out", "x.png")
    stacked, of_x, of_o = figures[0].axes[15:18]
    assert stacked.get_title().splitlines() == ["stacked and flattened", "48 values, 0.11 to 1.00"]
    assert [text.get_text() for text in of_x.texts] == ["0.61", "0.38"]
    assert of_o.get_title().startswith("vote of our image of O")
    cnnlab("convolve", *PLAIN, "--kernel", "[[1]]", "--flatten", "--out", "x.png")
    assert [text.get_text() for text in figures[1].axes[3].texts] == ["1", "2", "3", "4"]


def test_a_list_that_is_too_long_for_bars_is_named(cnnlab, figures):
    done = cnnlab("convolve", "--kernel", "[[1]]", "--flatten", "--out", "x.png")
    assert "x.png: without 'flattened', of 819,840 numbers; at most 10,000 are drawn" in done.stderr


def test_a_figure_of_many_filters_says_how_many_it_has(cnnlab, figures, tmp_path, monkeypatch):
    monkeypatch.setattr("cnnlab.plots.figure.DPI", 40)
    np.save(tmp_path / "k.npy", np.ones((1, 1, 1, 20)))
    done = cnnlab("convolve", *PLAIN, "--kernel", "k.npy", "--out", "x.png")
    assert "x.png: has the first 16 of 20 filters" in done.stderr
    assert len(figures[0].axes) == 16 * 3


@pytest.mark.parametrize("name", LESSONS)
def test_every_lesson_is_drawn(cnnlab, figures, name, monkeypatch):
    monkeypatch.setattr("cnnlab.plots.figure.DPI", 40)
    done = cnnlab("convolve", "--lesson", name, "--out", "x.png")
    assert done.returncode == 0, done.stderr
    assert all(axes.get_title() for axes in figures[0].axes if axes.images)


def test_a_figure_that_cannot_be_written_is_reported(cnnlab, tmp_path):
    (tmp_path / "file").touch()
    done = cnnlab("convolve", *INTEL, "--out", "file/x.png")
    assert done.returncode == 2
    assert "--out file/x.png: cannot be written" in done.stderr

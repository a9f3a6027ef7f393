"""Grids of images with captions."""

import numpy as np
import pytest
from PIL import Image

from cnnlab.errors import RequestError
from cnnlab.plots import figure, grid
from tests.plots.figure_texts import assert_readable, texts


def test_captions_are_wrapped_and_complete(tmp_path, figures):
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


def test_a_caption_of_a_hundred_words_is_truncated_with_an_ellipsis(tmp_path, figures):
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


def test_an_unknown_file_extension_is_rejected(tmp_path):
    for path in (tmp_path / "x.jpg", tmp_path / "x"):
        with pytest.raises(RequestError, match=r"expected a file name that ends in \.png, \.svg or \.pdf"):
            grid.draw(np.zeros((1, 8, 8, 1), np.uint8), ["x"], "x", path, 1, "--grid")

"""Pages of tiles."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnnlab.plots import page
from cnnlab.plots.page import Section
from cnnlab.plots.tiles import Tiles, arrange, colours, numbers, paint
from tests.plots.figure_texts import assert_readable, texts


@pytest.fixture
def drawn(monkeypatch):
    """The figures that pages are drawn with, which have their texts."""
    found = []
    make = Figure.__init__

    def remember(self, *arguments, **options):
        make(self, *arguments, **options)
        found.append(self)

    monkeypatch.setattr(Figure, "__init__", remember)
    return found


def tiles(count, side=8, **options):
    random = np.random.default_rng(0)
    return Tiles("activations: 0 to 1", random.normal(size=(count, side, side)).astype(np.float32), **options)


@pytest.mark.parametrize("count", [1, 6, 64, 1024])
@pytest.mark.parametrize("columns", [1, 4])
def test_every_tile_is_shown_at_a_readable_size_and_numbered(tmp_path, drawn, count, columns):
    sections = [
        Section(f"layer_{n}: 8×8×{count}", [[tiles(count)], [tiles(count, 1)]], columns=columns) for n in (0, 1)
    ]
    if columns == 1:
        sections = [Section(one.heading, one.panels[:1], "a text below the heading") for one in sections]
    (path,) = page.draw(sections, "run, mnist/test/7: true 4, predicted 9 (0.98)", tmp_path / "x.png")
    (figure,) = drawn
    assert_readable(figure)
    with Image.open(path) as image:
        assert image.width == page.WIDTH
    layout = arrange(tiles(count), 460, 460)
    assert layout.factor * 8 >= 16
    assert layout.rows * layout.columns >= count
    shown = {text for text, _ in texts(figure)}
    assert count == 1 or {"0", "1"} <= shown or layout.columns > 9


def test_boxes_do_not_cover_texts(tmp_path, drawn, monkeypatch):
    boxes = []
    save = page._save
    monkeypatch.setattr(page, "_save", lambda sheet, path: boxes.extend(sheet.boxes) or save(sheet, path))
    captions = [f"{number}: 0.9" for number in range(9)]
    sections = [
        Section("a", [[tiles(33), tiles(5, 1)], [tiles(12, columns=4)]], "text"),
        Section("b", [[tiles(9, captions=captions)]]),
    ]
    page.draw(sections, "heading", tmp_path / "x.png")
    height = drawn[0].bbox.height
    bars = 2  # legends, of which one has its zero within
    for text, place in texts(drawn[0]):
        for y, x, box in boxes[bars - 1 :]:
            inside = (
                min(x + box.shape[1], place.x1) - max(x, place.x0),
                min(y + box.shape[0], height - place.y0) - max(y, height - place.y1),
            )
            covered = (
                min(inside) > 2
                and (
                    box[max(0, int(height - place.y1) - y) :, max(0, int(place.x0) - x) :][
                        : int(inside[1]), : int(inside[0])
                    ]
                    < 255
                ).any()
            )
            assert not covered, text


def test_numbers_count_the_tiles():
    many = tiles(100)
    layout = arrange(many, 460, 460)
    rows = [int(text) for x, _, text in numbers(many, layout) if x == 0]
    assert rows == list(range(0, 100, layout.columns))
    matrix = tiles(24, columns=6)
    layout = arrange(matrix, 460, 460)
    assert layout.columns == 6
    assert [text for x, _, text in numbers(matrix, layout) if x == 0] == ["0", "1", "2", "3"]


def test_colours_are_centred_at_zero_where_there_are_signs():
    signed = colours(np.array([-1.0, 0, 3]))
    assert signed[1].min() > 240  # white
    assert signed[2][0] > signed[2][2]  # red
    assert signed[0][2] > signed[0][0]  # blue
    np.testing.assert_array_equal(colours(np.array([0.0, 2]))[0], colours(np.zeros(1))[0])
    assert colours(np.array([np.nan, 1.0]))[0].tolist() == [128] * 3


def test_a_tile_has_its_pixels_and_its_frame():
    values = np.zeros((2, 4, 4, 3), np.uint8)
    values[0, 1, 2] = 9, 8, 7
    framed = Tiles("x", values, frames={1: "#ff0000"})
    layout = arrange(framed, 460, 460)
    painted, side = paint(framed, layout), layout.factor
    assert painted[side + side // 2, 2 * side + side // 2].tolist() == [9, 8, 7]
    assert painted[0, layout.pitch[1]].tolist() == [255, 0, 0]
    assert painted[2 * side, layout.pitch[1] + 2 * side].tolist() == [0, 0, 0]


def test_an_image_that_is_wider_than_the_page_is_made_smaller():
    wide = Tiles("x", np.full((1, 30, 4000, 3), 7, np.uint8))
    layout = arrange(wide, 460, 460)
    painted = paint(wide, layout)
    assert painted.shape[1] <= 470
    assert painted[0, 0].tolist() == [7, 7, 7]


def test_long_pages_are_divided_and_replace_earlier_ones(tmp_path):
    sections = [Section(f"layer {number}", [[tiles(64)]]) for number in range(20)]
    paths = page.draw(sections, "x", tmp_path / "layers.png")
    assert [path.name for path in paths] == [f"layers-{n}.png" for n in range(1, len(paths) + 1)]
    assert len(paths) > 1
    (only,) = page.draw(sections[:1], "x", tmp_path / "layers.png")
    assert [path.name for path in tmp_path.iterdir()] == [only.name] == ["layers.png"]

"""Texts of figures, read from Matplotlib."""

import itertools
from unittest import mock

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def texts(drawn):
    """All visible texts with their boxes in pixels."""
    found = []

    def draw(self, renderer):
        if self.get_visible() and self.get_text().strip():
            found.append((self.get_text(), self.get_window_extent(renderer)))

    with mock.patch.object(Text, "draw", draw):
        FigureCanvasAgg(drawn).draw()
    return found


def assert_readable(drawn):
    """No texts overlap or leave the figure."""
    boxes = texts(drawn)
    assert boxes
    width, height = drawn.bbox.size
    for text, box in boxes:
        assert -1 <= box.x0 < box.x1 <= width + 1, text
        assert -1 <= box.y0 < box.y1 <= height + 1, text
    for (first, one), (second, other) in itertools.combinations(boxes, 2):
        overlap = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
        assert min(overlap) < 1, (first, second)

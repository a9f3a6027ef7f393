"""Points in two dimensions, coloured by class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import RequestError
from cnnlab.plots.figure import class_labels, drawing, shortened, write

# "muted" of Paul Tol, "Colour schemes" (2021), safe for the colour-blind, and a dark grey.
COLOURS = ("#332288", "#CC6677", "#DDCC77", "#117733", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#555555")
MARKERS = "os^Dv"  # of the first ten classes, of the next ten, and so on
MOST_NAMED = 40  # classes that a legend has room for
LONGEST_NAME = 24
MANY_WRONG = 200


def draw(
    points: NDArray[np.float64],
    labels: NDArray[np.integer],
    wrong: NDArray[np.bool_],
    class_names: Sequence[str],
    axes_names: tuple[str, str],
    heading: str,
    path: Path,
) -> Path:
    """Write the points (n, 2) with a legend of classes; those that are `wrong` have a black cross.

    Of many classes, colours and shapes repeat, and there is no legend. Raises RequestError where the file cannot be
    written.
    """
    names = class_labels(class_names)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{path.parent}: cannot be made: {error.strerror or error}") from None
    with drawing([*names, heading]) as plain:
        from matplotlib import pyplot as plt

        figure, axes = plt.subplots(figsize=(10, 7.5), layout="constrained")
        for label in np.unique(labels):
            x, y = points[labels == label].T
            marker = MARKERS[label // len(COLOURS) % len(MARKERS)]
            name = plain(shortened(names[label], LONGEST_NAME))
            axes.scatter(x, y, s=14, color=COLOURS[label % len(COLOURS)], marker=marker, alpha=0.7, lw=0, label=name)
        if wrong.any():
            x, y = points[wrong].T
            size, width = (26, 0.9) if wrong.sum() < MANY_WRONG else (9, 0.6)  # so that points are seen between them
            axes.scatter(
                x, y, s=size, color="black", marker="x", lw=width, label=f"predicted wrong ({int(wrong.sum()):,})"
            )
        axes.set(xlabel=axes_names[0], ylabel=axes_names[1])
        axes.set_title(plain(heading), fontsize=11)
        axes.spines[["top", "right"]].set_visible(False)
        if len(names) <= MOST_NAMED:
            figure.legend(loc="outside right upper", frameon=False, markerscale=2, fontsize=9)
        return write(figure, path)

"""The toy of X and O in the KTH lecture (after Rohrer, "How convolutional neural networks work", 2016)."""

import numpy as np

from cnnlab.lessons.convolution import Array, correlate, pool, relu
from cnnlab.lessons.lesson import Step, image, kernel, shown
from cnnlab.lessons.pools import Pool

# 1 on both diagonals from (1, 1) to (7, 7), else -1.
LETTER_X = image([[1 if 1 <= row <= 7 and column in (row, 8 - row) else -1 for column in range(9)] for row in range(9)])
RING = "000000000 000111000 001000100 010000010 010000010 010000010 001000100 000111000 000000000"
# Ours: the lecture's numbers are of X alone.
LETTER_O = image([[2 * int(pixel) - 1 for pixel in row] for row in RING.split(" ")])
FILTERS = kernel(
    [[1, -1, -1], [-1, 1, -1], [-1, -1, 1]],
    [[1, -1, 1], [-1, 1, -1], [1, -1, 1]],
    [[-1, -1, 1], [-1, 1, -1], [1, -1, -1]],
)
FIRST_ROW = [[0.77, -0.11, 0.11, 0.33, 0.55, -0.11, 0.33]]
FIRST_MAP = [
    [0.77, 0, 0.11, 0.33, 0.55, 0, 0.33],
    [0, 1, 0, 0.33, 0, 0.11, 0],
    [0.11, 0, 1, 0, 0.11, 0, 0.55],
    [0.33, 0.33, 0, 0.55, 0, 0.33, 0.33],
    [0.55, 0, 0.11, 0, 1, 0, 0.11],
    [0, 0.11, 0, 0.33, 0, 1, 0],
    [0.33, 0, 0.55, 0.33, 0.11, 0, 0.77],
]
POOLED = np.stack(
    [
        [[1.00, 0.33, 0.55, 0.33], [0.33, 1.00, 0.33, 0.55], [0.55, 0.33, 1.00, 0.11], [0.33, 0.55, 0.11, 0.77]],
        [[0.55, 0.33, 0.55, 0.33], [0.33, 1.00, 0.55, 0.11], [0.55, 0.55, 0.55, 0.11], [0.33, 0.11, 0.11, 0.33]],
        [[0.33, 0.55, 1.00, 0.77], [0.55, 0.55, 1.00, 0.33], [1.00, 1.00, 0.11, 0.55], [0.77, 0.33, 0.55, 0.33]],
    ],
    axis=-1,
)


def layers(letter: Array) -> tuple[Array, Array, Array]:
    """The maps, after ReLU, and pooled 2×2 at stride 2 with the last row and column alone: 7×7, 7×7, 4×4, ×3."""
    maps = correlate(letter, FILTERS) / 9  # the mean of nine products
    positive = relu(maps)
    return maps, positive, pool(positive, Pool.MAX, padding="same")


def votes(pooled: Array) -> tuple[float, float]:
    """Of X and O: the mean of the values that are larger in the image of that letter than in the other.

    A dense layer with equal weights on these values and 0 elsewhere. The lecture's weights are trained and not printed.
    """
    of_x, of_o = layers(LETTER_X)[2], layers(LETTER_O)[2]
    return float(pooled[of_x > of_o].mean()), float(pooled[of_o > of_x].mean())


def work() -> list[Step]:
    """The image of X through filters, ReLU and pooling to the vote."""
    maps, positive, pooled = layers(LETTER_X)
    of_x, of_o = votes(pooled), votes(layers(LETTER_O)[2])
    terms = zip(LETTER_X[:3, :3].flat, FILTERS[..., 0].flat, strict=True)
    corner = "+".join(f"({pixel:g}*{weight:g})" for pixel, weight in terms)
    return [
        Step("image of X", LETTER_X),
        Step("three filters", shown(FILTERS)),
        Step(
            "filtered images: the mean of nine products at each place",
            maps,
            [f"[0, 0, channel 0] ({corner})/9 = 7/9"],
            printed=image(FIRST_ROW),
            cut=True,
        ),
        Step("after ReLU", positive, printed=image(FIRST_MAP), cut=True),
        Step("after max pooling 2×2, stride 2; the last row and column alone", pooled, printed=POOLED, cut=True),
        Step("stacked and flattened", pooled.ravel(), cut=True),
        Step("vote of the image of X: for X, for O", np.array(of_x), _votes_worked(), cut=True),
        Step("vote of our image of O: for X, for O", np.array(of_o), cut=True),
    ]


def _votes_worked() -> list[str]:
    """How the votes come about."""
    of_x, of_o = layers(LETTER_X)[2], layers(LETTER_O)[2]
    return [
        f"X is voted for by the mean of the {int((of_x > of_o).sum())} values that are larger for X than for O, O by "
        f"that of the {int((of_o > of_x).sum())} that are larger for O; the lecture's dense layer is trained"
    ]

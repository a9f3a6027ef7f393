"""How many changed copies `data verify` finds, and how many pairs of different images it takes for copies.

`python -m benchmarks.near_duplicates` writes the table of docs/data.md. A copy is an image after one change; 1,000
images of each data set are changed. Of digits and MNIST each image was written once, so that every pair is false.
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnlab.cli.tables import Format, render
from cnnlab.data import Examples, catalog, read
from cnnlab.data.near import MIN_CORRELATION, near_pairs

PAGE = Path(__file__).parents[1] / "docs" / "data.md"
COPIES = 1_000
BEGIN, END = "<!-- near-duplicates: begin -->\n", "<!-- near-duplicates: end -->\n"
Picture = NDArray[np.uint8]


def _pillow(change: Callable[[Image.Image], Image.Image]) -> Callable[[Picture], Picture]:
    """`change` for an image (height, width, channels)."""

    def changed(image: Picture) -> Picture:
        return np.asarray(change(Image.fromarray(image.squeeze()))).reshape(image.shape)

    return changed


def _jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return change


def _resized(image: Image.Image) -> Image.Image:
    smaller = (image.width * 3 // 4, image.height * 3 // 4)
    return image.resize(smaller, Image.Resampling.BICUBIC).resize(image.size, Image.Resampling.BICUBIC)


def _noisy(image: Picture) -> Picture:
    noise = np.random.default_rng(int(image.sum())).normal(0, 5, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG 75": _pillow(_jpeg(75)),
    "JPEG 50": _pillow(_jpeg(50)),
    "darker": lambda image: np.asarray(np.rint(image * 0.7 + 20), np.uint8),
    "noise of 5": _noisy,
    "to 3/4 and back": _pillow(_resized),
    "moved by a pixel": lambda image: np.roll(image, 1, axis=1),
}


def row(name: str) -> dict[str, object]:
    """What is found in a data set and among changed copies of some of its images."""
    source = read(catalog.named(name))
    splits = {"train": source.train, "test": source.test} if source.test else {"train": source.train}
    count = sum(map(len, splits.values()))
    found = {
        "data": name,
        "images": f"{count:,}",
        "pairs": len(near_pairs(splits)),
        "by correlation alone": len(near_pairs(splits, MIN_CORRELATION)),
    }
    chosen = np.sort(np.random.default_rng(0).choice(len(source.train), COPIES, replace=False))
    images = source.train.images[chosen]
    labels = source.train.labels[chosen]
    for change, function in CHANGES.items():
        copies = np.stack([function(image) for image in images])
        pairs = near_pairs({"images": Examples(images, labels), "copies": Examples(copies, labels)})
        equal = (images == copies).all(axis=(1, 2, 3))
        of_copies = {pair.second.index for pair in pairs if pair.is_across and pair.first.index == pair.second.index}
        found[change] = f"{100 * (len(of_copies) + equal.sum()) / COPIES:.1f} %"
    return found


def main() -> None:
    """Write the table into the page."""
    rows = [row(name) for name in ("digits", "mnist", "cifar10")]
    table = render(rows, list(rows[0]), Format.MD)
    print(table)
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()

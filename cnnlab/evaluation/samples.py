"""Images to predict: from files, or from a data set."""

import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab import data
from cnnlab.data.conversions import Summary
from cnnlab.data.dataset import Examples
from cnnlab.data.statistics import border_brightness
from cnnlab.errors import DataError, RequestError, printable
from cnnlab.experiment.data import Data
from cnnlab.images.batch import Report
from cnnlab.images.decode import Decoded
from cnnlab.images.listing import ImageFile, list_images
from cnnlab.images.stream import decode_many, decode_one, paths_in
from cnnlab.messages import pluralize
from cnnlab.runs.inputs import NetworkInputs
from cnnlab.terminal import note, warn

STDIN = "-"
BORDER_DIFFERENCE = 0.5  # of the brightness, from which on an image looks inverted
CHECKED_AT_ONCE = 64  # images
LISTED = 3  # skipped files that are named


@dataclass(frozen=True)
class Sample:
    """An image (height, width, channels) uint8, how it is named, and the name of its class if that is known."""

    name: str
    pixels: NDArray[np.uint8]
    truth: str | None = None


class FileSamples:
    """The images in files, folders and patterns, decoded as those that the network was trained on.

    Iterating gives every sample, or None where the next path on standard input is awaited. What cannot be decoded is
    one line on standard error, and counted by `failed`; if `strict`, it is a RequestError. Raises RequestError where an
    argument names no image.
    """

    def __init__(self, inputs: NetworkInputs, arguments: Sequence[str], *, invert: bool, strict: bool = False) -> None:
        """List the files and start to decode them."""
        if inputs.size.channels not in (1, 3):
            raise RequestError(
                f"{arguments[0]}: the network takes images of {inputs.size.channels} channels, which files do not "
                "have; examples of a data set can be predicted"
            )
        self._inputs, self._invert, self._strict = inputs, invert, strict
        self._listing = list_images([argument for argument in arguments if argument != STDIN])
        self._report, self._count, self._border = Report(), 0, _BorderCheck(inputs.border_brightness)
        self.failed = 0
        self.total = None if STDIN in arguments else len(self._listing.files)
        self.has_truths = self._listing.has_folders
        paths = [file.path for file in self._listing.files]
        self._decoded: Iterator[tuple[ImageFile, Decoded | DataError] | None] = zip(
            self._listing.files, decode_many(paths, inputs.size, inputs.levels), strict=True
        )
        if STDIN in arguments:
            self._decoded = chain(self._decoded, self._from_stdin())

    def __iter__(self) -> Iterator[Sample | None]:
        """The samples; what was changed of them is known afterwards."""
        for item in self._decoded:
            if item is None:
                yield None
                continue
            file, decoded = item
            if isinstance(decoded, DataError):
                if self._strict:
                    raise RequestError(f"{file.path}: {decoded}")
                self.failed += 1
                print(f"cnnlab: {printable(file.path)}: {decoded}", file=sys.stderr)
                continue
            self._report.add(self._count, decoded)
            self._count += 1
            pixels = 255 - decoded.pixels if self._invert else decoded.pixels
            self._border.add(pixels)
            yield Sample(file.path, pixels, self._truth(file))

    def report(self) -> None:
        """Say what was skipped and changed."""
        if skipped := self._listing.skipped:
            names = ", ".join(skipped[:LISTED]) + (", …" if len(skipped) > LISTED else "")
            note(f"{pluralize(len(skipped), 'file')} in folders skipped, not named as images: {names}")
        for text in Summary.of(self._report).notes(self._inputs.size, self._count):
            note(text)
        if self._invert:
            note(f"{pluralize(self._count, 'image')} inverted")
        if 2 * self._border.count() > self._count:
            warn(f"{self._border.describe(self._count)}: {self._advice()}")

    def _advice(self) -> str:
        if self._strict:  # the option is of `predict`
            return "it looks inverted"
        return "leave --invert out" if self._invert else "try --invert"

    def _from_stdin(self) -> Iterator[tuple[ImageFile, Decoded | DataError] | None]:
        for path in paths_in(sys.stdin):
            if path is None:
                yield None
                continue
            yield ImageFile(path), decode_one(path, self._inputs.size, self._inputs.levels)

    def _truth(self, file: ImageFile) -> str | None:
        """The innermost of its folders that is called as a class is."""
        names = (unicodedata.normalize("NFC", name) for name in reversed(file.folders))
        return next((name for name in names if name in self._inputs.class_names), None)


class _BorderCheck:
    """Counts the images whose borders are dark where those of the training images are light, or the other way round."""

    def __init__(self, usual: float | None) -> None:
        self._usual, self._count, self._waiting = usual, 0, list[NDArray[np.uint8]]()

    def add(self, pixels: NDArray[np.uint8]) -> None:
        if self._usual is not None:
            self._waiting.append(pixels)
            if len(self._waiting) == CHECKED_AT_ONCE:
                self.count()

    def count(self) -> int:
        if self._waiting and self._usual is not None:
            brightness = border_brightness(np.stack(self._waiting))
            self._count += int((np.abs(brightness - self._usual) > BORDER_DIFFERENCE).sum())
            self._waiting = []
        return self._count

    def describe(self, total: int) -> str:
        usual, other = ("dark", "light") if (self._usual or 0) < 0.5 else ("light", "dark")
        has = "has" if self._count == 1 else "have"
        return (
            f"{self._count:,} of {pluralize(total, 'image')} {has} a {other} border, and the training images a {usual} "
            f"one, of brightness {self._usual:.2f}"
        )


class ExampleSamples:
    """Examples of a split of a data set. Raises RequestError where they do not fit the network."""

    def __init__(self, inputs: NetworkInputs, spec: Data, split: str, examples: str | None, *, invert: bool) -> None:
        """Read the data set."""
        dataset = data.load(spec)
        if dataset.image_shape != (shape := (inputs.size.height, inputs.size.width, inputs.size.channels)):
            sizes = ["×".join(map(str, found)) for found in (dataset.image_shape, shape)]
            raise RequestError(f"--data {dataset.name}: has images of {sizes[0]}; the network takes {sizes[1]}")
        splits = dataset.splits()
        if split not in splits:
            raise RequestError(f"--split {split}: {dataset.name} has {' and '.join(splits)} examples")
        chosen = _range(examples, len(splits[split]))
        self._examples: Examples = splits[split].take(slice(chosen.start, chosen.stop))
        self._first, self._invert = chosen.start, invert
        self._name, self._class_names = f"{dataset.name}/{split}", dataset.class_names
        self.total, self.failed, self.has_truths = len(self._examples), 0, True

    def __iter__(self) -> Iterator[Sample]:
        """The samples, named by their files or else by their numbers."""
        files = self._examples.files
        for part in self._examples.chunks():
            images = self._examples.images[part]
            for index, pixels in enumerate(images, start=part.start):
                name = f"{self._name}/{self._first + index}" if files is None else str(files[index])
                truth = self._class_names[self._examples.labels[index]]
                yield Sample(name, 255 - pixels if self._invert else pixels, truth)

    def report(self) -> None:
        """Say what was changed."""
        if self._invert:
            note(f"{pluralize(self.total, 'image')} inverted")


def decode_single(inputs: NetworkInputs, path: Path, option: str) -> NDArray[np.uint8]:
    """The image (height, width, channels) in the one file that `option` names; what was changed is reported.

    Raises RequestError where it is a folder or a pattern, or cannot be decoded.
    """
    if path.is_dir():
        raise RequestError(f"{option} {path}: is a folder; expected an image file")
    samples = FileSamples(inputs, [str(path)], invert=False, strict=True)
    if samples.total != 1:
        raise RequestError(f"{option} {path}: names {samples.total} images; expected one")
    (sample,) = samples
    samples.report()
    if sample is None:
        raise RequestError(f"{option} {path}: expected an image file")
    return sample.pixels


Samples = FileSamples | ExampleSamples


def _range(text: str | None, total: int) -> range:
    """The examples that `--examples` names: N, FIRST:END, FIRST: or :END."""
    if text is None:
        return range(total)
    first, colon, end = text.partition(":")
    numbers: Iterable[str] = [part for part in (first, end) if part]
    if not (first or colon) or not all(part.isdecimal() and len(part) < 10 for part in numbers):
        raise RequestError(f"--examples {text}: expected a number such as 7, or a range such as 0:25")
    start = int(first or 0)
    stop = (int(end) if end else total) if colon else start + 1
    if not start < min(stop, total):
        raise RequestError(f"--examples {text}: no such examples; there are {total:,}, counted from 0")
    return range(start, min(stop, total))

"""Comparing an exported network with the one of the run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnlab import data
from cnnlab.analysis.significance import paired_accuracy_interval
from cnnlab.data import Examples
from cnnlab.data.catalog import named
from cnnlab.errors import DataError, ExportError, RunError
from cnnlab.evaluation.load import LoadedModel, load_dataset
from cnnlab.experiment.data import Data
from cnnlab.export.runtime import ALONE, BATCH_SIZE, Measured
from cnnlab.terminal import note
from cnnlab.training.finish import evaluated_split

MAX_DIFFERENCE = 1e-4  # of a probability, between runtimes in float32
MAX_OTHER_LABELS = 1e-3  # of all images
TIE = 1e-6  # scores that are so close are one label or the other by rounding
SHIPPED = "digits"


@dataclass(frozen=True)
class Sample:
    """The images that networks are compared on: of a split of the run's data, or else of another data set."""

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int32] | None


@dataclass(frozen=True)
class Proof:
    """An exported network compared with the run's, on n images.

    `largest_difference` is that of a probability, and `equal_labels` the fraction of images with the same prediction,
    both to the network in float32. Accuracies, and the 95 % interval of their difference to the network as it was
    trained, are None where no labels are known.
    """

    images: str
    count: int
    largest_difference: float
    equal_labels: float
    accuracy: float | None
    accuracy_of_run: float | None
    accuracy_difference: float | None
    accuracy_interval: tuple[float, float] | None
    ms_per_image: float
    ms_alone: float

    def check(self, runtime: str) -> None:
        """Raise ExportError where it is not the same network, up to rounding in float32."""
        if not self.largest_difference <= MAX_DIFFERENCE:
            raise ExportError(
                f"{runtime} gives other results: they differ by up to {self.largest_difference:.2g}, expected at most "
                f"{MAX_DIFFERENCE:g}; nothing was exported; try another format"
            )
        if 1 - self.equal_labels > MAX_OTHER_LABELS:
            raise ExportError(
                f"{runtime} predicts another class for {(1 - self.equal_labels) * self.count:.0f} of {self.count:,} "
                f"images, expected at most {MAX_OTHER_LABELS:.1%}; nothing was exported; try another format"
            )


def sample_for(loaded: LoadedModel, folder: Path) -> Sample:
    """Images to compare on, which `folder` gets as images.npy.

    Those that the run is measured on, which records a use of its test set; without its data, images of scikit-learn's.
    """
    record, experiment = loaded.record, loaded.experiment
    labels: NDArray[np.int32] | None
    try:
        splits = load_dataset(record, experiment).splits()
    except (DataError, RunError) as error:
        examples = data.load(named(SHIPPED), quiet=True).train
        examples = Examples(_brought_to(examples.images[:], experiment.data), examples.labels)
        name, labels = SHIPPED, None
        note(f"{error}; compared on {len(examples):,} images of {SHIPPED} instead, brought to the size of the network")
    else:
        name = evaluated_split(experiment, splits) or "train"
        examples, labels = splits[name], splits[name].labels
        if name == "test" or experiment.data.validation == "test":
            record.run.record_test_use("export")
    path = folder / "images.npy"
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (len(examples), *examples.images.shape[1:]))
    for part in examples.chunks():
        images[part] = examples.images[part]
    images.flush()
    return Sample(name, images, labels)


def measure(loaded: LoadedModel, sample: Sample, advance: Callable[[int], None]) -> Measured:
    """The scores of a network of cnnlab."""
    alone = _timed(loaded, sample.images[:ALONE], 1, lambda _: None)
    batches = _timed(loaded, sample.images, BATCH_SIZE, advance)
    return Measured(batches[0], alone[0], batches[1], alone[1])


def prove(exported: Measured, reference: Measured, trained: Measured, sample: Sample) -> Proof:
    """Compare the exported network with that of the run in float32, and its accuracy with that as trained."""
    differences = [np.abs(exported.scores - reference.scores), np.abs(exported.alone - reference.alone)]
    predictions = exported.scores.argmax(axis=1)
    of_predictions = np.take_along_axis(reference.scores, predictions[:, None], axis=1)[:, 0]
    proof = {
        "images": sample.name,
        "count": len(sample.images),
        "largest_difference": max(float(difference.max()) for difference in differences),
        "equal_labels": float(np.mean(of_predictions >= reference.scores.max(axis=1) - TIE)),
        "ms_per_image": exported.ms_per_image,
        "ms_alone": exported.ms_alone,
    }
    if sample.labels is None:
        unknown = ("accuracy", "accuracy_of_run", "accuracy_difference", "accuracy_interval")
        return Proof(**proof, **dict.fromkeys(unknown))  # type: ignore[arg-type]
    right, right_of_run = predictions == sample.labels, trained.scores.argmax(axis=1) == sample.labels
    return Proof(
        **proof,  # type: ignore[arg-type]
        accuracy=float(right.mean()),
        accuracy_of_run=float(right_of_run.mean()),
        accuracy_difference=float(right.mean() - right_of_run.mean()),
        accuracy_interval=paired_accuracy_interval(right, right_of_run),
    )


def _timed(
    loaded: LoadedModel, images: NDArray[np.uint8], batch_size: int, advance: Callable[[int], None]
) -> tuple[NDArray[np.float32], float]:
    loaded.forward.scores(images[:batch_size])  # compiles
    scores, seconds = [], []
    for first in range(0, len(images), batch_size):
        part = np.array(images[first : first + batch_size])
        started = time.perf_counter()
        scores.append(loaded.forward.scores(part))
        seconds.append((time.perf_counter() - started) / len(part))
        advance(first + len(part))
    return np.concatenate(scores), 1000 * float(np.median(seconds))


def _brought_to(images: NDArray[np.uint8], spec: Data) -> NDArray[np.uint8]:
    """Grey images (n, height, width, 1) in the size and channels of a data set, by the nearest pixel."""
    height, width, channels = spec.image_shape
    rows, columns = (
        np.arange(size) * old // size for size, old in zip((height, width), images.shape[1:3], strict=True)
    )
    return np.repeat(images[:, rows][:, :, columns], channels, axis=-1)

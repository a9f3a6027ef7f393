"""Events for TensorBoard: what became of an epoch, and what a look at a few examples shows of the network.

Event files are written with TensorBoard's own record writer, since TensorFlow's cannot append to a file: a run that
was killed after it wrote an epoch's events and before its checkpoint would have them twice. Here the checkpoint knows
how long the files were, and they are cut to that.
"""

import errno
import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from cnnlab.errors import RunError
from cnnlab.experiment.callbacks import TensorBoard
from cnnlab.models.inference import to_input
from cnnlab.runs import Run
from cnnlab.terminal import warn
from cnnlab.training.engine.batch import batch_of
from cnnlab.training.trainer import Trainer

FILE = "events.out.tfevents.cnnlab"  # by the middle part TensorBoard knows it
VERSION = "brain.Event:2"  # what it expects in the first record


class Events(keras.callbacks.Callback):
    """Writes a run's events into tensorboard/train and tensorboard/validation; epochs are the steps, from 1."""

    def __init__(self, spec: TensorBoard, trainer: Trainer, run: Run) -> None:
        super().__init__()
        self._spec, self._trainer = spec, trainer
        splits = ["train", "validation"] if trainer.dataset.validation else ["train"]
        self._files = {split: _File(run.tensorboard / split / FILE) for split in splits}
        self._is_new = True
        self._logs: dict[str, Any] = {}

    def get_state(self) -> dict[str, Any]:
        """How long the files are, in bytes, all of them on disk."""
        return {split: file.flush() for split, file in self._files.items()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Cut the files to what they were then."""
        for split, file in self._files.items():
            size = state.get(split, 0)
            if not isinstance(size, int) or size < 0:
                raise ValueError(f"{size!r} as the length of a file")
            file.cut(size)
        self._is_new = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write what does not change, once."""
        if not self._is_new:
            return
        self._is_new = False
        for file in self._files.values():
            file.cut(0)
        train = self._files["train"]
        train.add(0, graph_def=self._trainer.inspector.graph)
        if self._spec.images:
            batch = batch_of(self._trainer.experiment, self._trainer.dataset.train, 0, most=self._spec.images)
            names = self._trainer.dataset.class_names
            labels = [names[label] for label in self._trainer.dataset.train.labels[batch.numbers]]
            train.add_values(0, _images(batch.inputs.numpy(), labels))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write what the epoch came to."""
        logs = logs or {}
        train = {"loss": logs["loss"], "accuracy": logs["accuracy"], "learning_rate": logs["learning_rate"]}
        self._files["train"].add_values(epoch + 1, _scalars(train))
        if "validation" in self._files:
            validation = {
                column.removeprefix("val_"): logs[column]
                for column in self._trainer.columns
                if column.startswith("val_")
            }
            self._files["validation"].add_values(epoch + 1, _scalars(validation))
        if self._spec.histograms and (epoch + 1) % self._spec.histograms == 0:
            self._files["train"].add_values(epoch + 1, self._inspect())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Have all of it on disk."""
        self.get_state()

    def close(self) -> None:
        """Close the files, also where training ended with an error."""
        for file in self._files.values():
            file.close()

    def _inspect(self) -> Iterator[Any]:
        """Weights, gradients and outputs, of the first training examples."""
        train = self._trainer.dataset.train
        first = slice(0, min(self._spec.examples, self._trainer.experiment.train.batch_size))
        images, labels = to_input(tf.constant(train.images[first])), tf.constant(train.labels[first])
        inspector = self._trainer.inspector
        non_zero = {
            f"non_zero/{layer.name}": float(np.count_nonzero(output) / np.size(output))
            for layer, output in zip(self._trainer.model.layers, inspector.outputs(images).values(), strict=True)
            if not isinstance(layer, keras.layers.InputLayer)
        }
        yield from _scalars(non_zero)
        for layer in self._trainer.model.layers:
            for weight in layer.weights:
                yield from _histogram(f"weights/{layer.name}/{weight.name}", keras.ops.convert_to_numpy(weight))
        for name, gradient in inspector.gradients(images, labels).weights.items():
            yield from _histogram(f"gradients/{name}", np.asarray(gradient))


class _File:
    """One file of events, which can be cut and gone on with."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def cut(self, size: int) -> None:
        """Truncate to `size` bytes and append from there."""
        self.close()
        self._guarded(partial(self._open, size))
        if size == 0:
            self.add(0, file_version=VERSION)

    def add(self, step: int, **content: Any) -> None:
        """One event."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        event = Event(wall_time=time.time(), step=step, **content)
        self._guarded(lambda: RecordWriter(self._file).write(event.SerializeToString()))

    def add_values(self, step: int, values: Iterator[Any]) -> None:
        """One event of several values."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self.add(step, summary=Summary(value=list(values)))

    def flush(self) -> int:
        """Have all of it on disk; how many bytes that is."""
        size = 0

        def flush() -> None:
            nonlocal size
            if self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
                size = self._file.tell()

        self._guarded(flush)
        return size

    def close(self) -> None:
        """No more is to come; what is not on disk by now is lost."""
        if self._file:
            with suppress(OSError):
                self._file.close()
            self._file = None

    def _open(self, size: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # a file, not a link, not a pipe
        self._file = os.fdopen(os.open(self._path, flags, 0o644), "ab")
        if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no file")
        size_on_disk = self._file.tell()
        if size_on_disk < size:
            warn(f"{self._path}: {size_on_disk:,} bytes, and size_on_disk were {size:,}; events are missing")
        self._file.truncate(min(size, size_on_disk))
        self._file.seek(0, os.SEEK_END)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except OSError as error:
            raise RunError(f"{self._path}: cannot be written: {error.strerror or error}") from error


def _scalars(values: dict[str, float]) -> Iterator[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary

    for tag, value in values.items():
        yield Summary.Value(tag=tag, simple_value=value)


def _histogram(tag: str, values: Any) -> Iterator[Any]:
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb

    yield from histogram_pb(tag, values.astype(np.float64)).value


def _images(images: Any, labels: list[str]) -> Iterator[Any]:
    """Images (n, height, width, channels) float32 in [0, 1], each under its number and label."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    for number, (image, label) in enumerate(zip(images, labels, strict=True), start=1):
        pixels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
        height, width, channels = pixels.shape
        encoded = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels[:, :, :3]).save(encoded, "PNG")
        encoded_image = Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue()
        )
        yield Summary.Value(tag=f"examples/{number:02} {label}", image=encoded_image)

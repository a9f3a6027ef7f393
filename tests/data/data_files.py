"""Writes small data sets, and checks how unusable files are reported."""

import contextlib
import gzip
import resource
import signal
import struct
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlab.cli import main
from cnnlab.data import load
from cnnlab.errors import DataError, printable
from cnnlab.experiment.data import Folder

MEMORY = 2 << 30  # bytes


def cnnlab_in(folder, monkeypatch, capsys):
    """`cnnlab ARGUMENTS` in this process, in `folder` or in the keyword `cwd`."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("KERAS_HOME", str(folder))  # set by the command, so restored afterwards
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*arguments, cwd=folder):
        monkeypatch.chdir(cwd)
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return subprocess.CompletedProcess(arguments, code, *capsys.readouterr())

    return run


def warnings_about_files(err):
    """Standard error without notes and warnings about classes missing in small splits."""
    lines = err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("cnnlab: note: ") and "no examples of" not in line)


IDX_TYPES = {"uint8": 8, "int8": 9, "int16": 0x0B, "int32": 0x0C, "float32": 0x0D, "float64": 0x0E}


def idx_bytes(array):
    """An IDX file of `array`."""
    header = bytes([0, 0, IDX_TYPES[array.dtype.name], array.ndim])
    return header + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def mnist_arrays(count=40):
    """The four arrays of a small variant of MNIST, by file name."""
    images = np.arange(count * 784, dtype=np.uint32).astype(np.uint8).reshape(count, 28, 28)
    labels = (np.arange(count) % 10).astype(np.uint8)
    return {
        f"{part}-{name}": array[::step]
        for part, step in (("train", 1), ("t10k", 2))
        for name, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels))
    }


def mnist_files(count=40):
    """The same arrays as IDX files."""
    return {name: idx_bytes(array) for name, array in mnist_arrays(count).items()}


def write_mnist(folder):
    """The small variant of MNIST in `folder`, gzipped."""
    folder.mkdir(parents=True)
    for name, content in mnist_files().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    return folder


def cifar_files(published, records=20):
    """Small files in CIFAR's binary format, by name; the labels of each file count from 0."""
    random = np.random.default_rng(0)
    contents = {}
    for name in published.files:
        rows = random.integers(0, 256, (records, published.label_bytes + 3072), dtype=np.uint8)
        rows[:, published.label_bytes - 1] = np.arange(records) % (10 if published.label_bytes == 1 else 100)
        if published.label_bytes == 2:
            rows[:, 0] = np.arange(records)[::-1] % 20
        contents[name] = rows.tobytes()
    return contents


def write_folder(folder, contents):
    """Write files into a new folder."""
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def write_image(path, grey=100, size=(6, 4)):
    """Write an image of one grey level and size (width, height), in the format of the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, grey).save(path)
    return path


@contextlib.contextmanager
def within_limits(seconds: int = 300) -> Iterator[None]:
    """Fails if the block takes longer than `seconds` or more than MEMORY of additional memory."""

    def give_up(*_: object) -> None:
        pytest.fail(f"not done within {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, hard))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def assert_refused(spec, *parts: str | Path) -> None:
    """Loading raises a DataError within the limits, in one line that contains every part."""
    with within_limits(), pytest.raises(DataError) as caught:
        load(spec)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert printable(str(part)) in printable(message)


# Folders of images

CATS, DOGS = range(10, 70, 10), range(110, 190, 10)  # one grey level per image


def folder_spec(**options):
    given = {"path": "pets", "image_size": 4, "channels": 1, "num_classes": 2, "validation": 0, **options}
    return Folder(name="folder", **given)


def grey_values(examples):
    """The grey level of every image."""
    return examples.images[:][:, 0, 0, 0].tolist()


def write_classes(folder, cats=CATS, dogs=DOGS):
    for name, values in (("cat", cats), ("dog", dogs)):
        for value in values:
            write_image(folder / name / f"{value:03}.png", value)

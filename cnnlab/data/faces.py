"""Random faces in the format of a lecture whose photographs are not public.

Stéphane Gentric (Idemia), Deep Learning, 2020: images of 48 × 48 grey bytes, labels of two float32, one-hot. The
faces are ellipses of random sizes and shades, some of which depend on the class, with enough overlap that no network
is always right.
"""

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnnlab.errors import RequestError

SIDE = 48
CHUNK = 2000  # faces drawn at once
NAMES = ("train_images.bin", "train_labels.bin", "test_images.bin", "test_labels.bin")
CLASSES = ("woman", "man")

Array = NDArray[np.floating[Any]]
Value = Array | float


class _Normal(Protocol):
    def __call__(self, mean: float, std: float, of_men: float = 0.0) -> Array: ...


def write(folder: Path, train: int, test: int, seed: int) -> list[Path]:
    """Write the four files into `folder`; training and test set have different faces.

    Raises RequestError where one of the files exists or cannot be written.
    """
    paths = [folder / name for name in NAMES]
    for path in paths:
        if os.path.lexists(path):
            raise RequestError(f"{path}: exists, and is not overwritten; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{folder}: cannot be created: {error.strerror}") from None
    for (images_path, labels_path), count, split in zip((paths[:2], paths[2:]), (train, test), (0, 1), strict=True):
        images, labels = faces(count, np.random.default_rng([seed, split]))
        _write(images_path, images.tobytes())
        _write(labels_path, np.eye(2, dtype="<f4")[labels].tobytes())
    return paths


def _write(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RequestError(f"{path}: cannot be written: {error.strerror}") from None
        raise


def faces(count: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Images (count, 48, 48) and their classes (count,), 0 for a woman and 1 for a man, as many of each."""
    labels = random.permutation(np.arange(count) % 2)
    images = [_drawn(labels[first : first + CHUNK], random) for first in range(0, count, CHUNK)]
    return np.concatenate([*images, np.empty((0, SIDE, SIDE), np.uint8)]), labels


def _drawn(labels: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.uint8]:
    n = len(labels)
    man = labels.astype(np.float32)

    def normal(mean: float, std: float, of_men: float = 0.0) -> Array:
        """One number per face; the mean of men is `of_men` higher."""
        return (mean + of_men * man + std * random.standard_normal(n)).astype(np.float32)

    skin, hair = normal(0.66, 0.1), normal(0.25, 0.12)
    image = np.broadcast_to(normal(0.5, 0.2)[:, None, None], (n, SIDE, SIDE)).astype(np.float32)
    x, y = _coordinates(normal, n)
    width, height = normal(0.5, 0.03, 0.02), normal(0.66, 0.03)

    def paint(shade: Array, where: Array) -> None:
        image[:] += where * (shade[:, None, None] - image)

    length = normal(0.55, 0.28, -0.42)  # how far down the hair comes at the sides
    for sign in (-1, 1):
        paint(hair, _ellipse(x, y, sign * 0.42, length * 0.5 - 0.25, normal(0.2, 0.04), np.abs(length) * 0.55 + 0.1))
    paint(hair, _ellipse(x, y, 0, -0.32, width * 1.15, height * normal(0.72, 0.05)))
    paint(skin, _ellipse(x, y, 0, 0, width, height))
    fringe = normal(0.24, 0.08, -0.06)
    paint(hair, _ellipse(x, y, normal(0, 0.12), -0.68, width * 0.95, fringe))
    beard = np.where(random.random(n) < 0.3 * man, normal(0.55, 0.2), normal(0, 0.03, 0.1)).clip(0, 0.9)
    low = (1 / (1 + np.exp(-14 * (y - 0.22)))) * _ellipse(x, y, 0, 0, width, height) * beard[:, None, None]
    paint(hair, low.astype(np.float32))
    eye_height, eye_distance = normal(-0.12, 0.02), normal(0.21, 0.015)
    for sign in (-1, 1):
        left, brow = sign * eye_distance, eye_height - normal(0.13, 0.015, -0.025)
        paint(normal(0.92, 0.04), _ellipse(x, y, left, eye_height, normal(0.1, 0.01), normal(0.05, 0.008, -0.006)))
        paint(normal(0.12, 0.05), _ellipse(x, y, left, eye_height, normal(0.045, 0.005), normal(0.045, 0.006)))
        paint(hair * 0.8, _ellipse(x, y, left, brow, normal(0.13, 0.012), normal(0.022, 0.008, 0.014)))
    paint(skin * 0.75, _ellipse(x, y, 0.03, 0.12, normal(0.045, 0.008, 0.008), normal(0.1, 0.012)))
    lips = skin * normal(0.52, 0.08, 0.13)
    paint(lips, _ellipse(x, y, 0, normal(0.36, 0.02), normal(0.17, 0.02), normal(0.05, 0.01, -0.012)))
    light = 1 + normal(0, 0.15)[:, None, None] * x + normal(0, 0.12)[:, None, None] * y
    noisy = image * light + 0.04 * random.standard_normal(image.shape)
    shown: NDArray[np.uint8] = (255 * noisy.clip(0, 1)).round().astype(np.uint8)
    return shown


def _coordinates(normal: "_Normal", n: int) -> tuple[Array, Array]:
    """Where each pixel of n faces is, from -1 to 1 across and down, of heads that are moved, turned and scaled."""
    across, down = np.meshgrid(np.linspace(-1, 1, SIDE, dtype=np.float32), np.linspace(-1, 1, SIDE, dtype=np.float32))
    angle, scale = normal(0, 0.06)[:, None, None], normal(1.05, 0.05)[:, None, None]
    x, y = scale * (across - normal(0, 0.04)[:, None, None]), scale * (down - normal(0.02, 0.04)[:, None, None])
    return x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)


def _ellipse(x: Array, y: Array, left: Value, top: Value, wide: Array, high: Array) -> Array:
    """1 inside, 0 outside, with an edge of about a pixel; all in the coordinates of the head."""
    wide, high = np.maximum(wide, 0.02), np.maximum(high, 0.015)
    distance = np.hypot((x - _each(left)) / _each(wide), (y - _each(top)) / _each(high))
    sharpness = 30 * np.minimum(wide, high)
    inside: Array = 1 / (1 + np.exp(((distance - 1) * _each(sharpness)).clip(-30, 30)))
    return inside


def _each(value: Value) -> Value:
    """One number per face, broadcast to its pixels."""
    return value[:, None, None] if isinstance(value, np.ndarray) else value

"""Kernels of image processing by name, each (height, width) float64."""

import math
from collections.abc import Callable, Mapping
from inspect import signature

import numpy as np

from cnnlab.errors import RequestError
from cnnlab.lessons.convolution import Array
from cnnlab.messages import did_you_mean

LARGEST_SIZE = 101  # pixels
LARGEST = 1e100  # products and sums of such numbers are finite


def identity(size: int = 3) -> Array:
    """1 in the middle."""
    kernel = np.zeros((size, size))
    kernel[size // 2, size // 2] = 1
    return kernel


def box_blur(size: int = 3) -> Array:
    """The mean of a square."""
    return np.full((size, size), 1 / size**2)


def gaussian_blur(size: int = 5, sigma: float = 1.0) -> Array:
    """A mean weighted by the distance; `sigma` in pixels."""
    x, y = _coordinates(size)
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return np.asarray(kernel / kernel.sum())


def sharpen() -> Array:
    """The image plus its difference to its four neighbours."""
    return np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], float)


def sobel_x() -> Array:
    """Vertical edges; positive where it becomes brighter to the right."""
    return np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], float)


def sobel_y() -> Array:
    """Horizontal edges; positive where it becomes brighter downwards."""
    return sobel_x().T


def laplacian() -> Array:
    """Edges of every direction: the sum of second derivatives."""
    return np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], float)


def emboss() -> Array:
    """A relief that is lit from the upper left."""
    return np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], float)


def gabor(
    size: int = 15,
    alpha: float = 1.0,
    beta_x: float = 0.03,
    beta_y: float = 0.03,
    f: float = 0.8,
    phi: float = 0.0,
    x0: float = 0.0,
    y0: float = 0.0,
    tau: float = 0.0,
) -> Array:
    """A wave in a Gaussian window, the model of a cell of V1.

    alpha exp(-beta_x x'^2 - beta_y y'^2) cos(f x' + phi), with x' = (x-x0) cos(tau) + (y-y0) sin(tau) and
    y' = -(x-x0) sin(tau) + (y-y0) cos(tau) (Goodfellow et al. 2016, ch. 9). Lengths in pixels from the middle, y
    downwards; angles in radians.
    """
    x, y = _coordinates(size)
    along = (x - x0) * math.cos(tau) + (y - y0) * math.sin(tau)
    across = -(x - x0) * math.sin(tau) + (y - y0) * math.cos(tau)
    return alpha * np.exp(-beta_x * along**2 - beta_y * across**2) * np.cos(f * along + phi)


KERNELS: Mapping[str, Callable[..., Array]] = {
    "identity": identity,
    "box-blur": box_blur,
    "gaussian-blur": gaussian_blur,
    "sharpen": sharpen,
    "sobel-x": sobel_x,
    "sobel-y": sobel_y,
    "laplacian": laplacian,
    "emboss": emboss,
    "gabor": gabor,
}


def named(text: str) -> Array:
    """The kernel of a name with its parameters, such as `gaussian-blur:size=7,sigma=2`.

    Raises RequestError where there is none, or it has no such parameter.
    """
    name, _, rest = text.partition(":")
    if name not in KERNELS:
        raise RequestError(f"--kernel {text}: no kernel of that name; {did_you_mean(name, KERNELS)}")
    parameters = signature(KERNELS[name]).parameters
    values: dict[str, float] = {}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        if key not in parameters:
            expected = did_you_mean(key, parameters) if parameters else "expected none"
            raise RequestError(f"--kernel {text}: {name} has no parameter '{key}'; {expected}")
        if key in values:
            raise RequestError(f"--kernel {text}: {key} is given twice; expected each parameter once")
        values[key] = _size(text, value) if key == "size" else _number(text, key, value)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        kernel = KERNELS[name](**values)
    if not (np.abs(kernel) <= LARGEST).all():
        raise RequestError(f"--kernel {text}: these parameters give numbers beyond {LARGEST:g}; expected smaller ones")
    return kernel


def _coordinates(size: int) -> tuple[Array, Array]:
    """x (1, size) and y (size, 1) from the middle."""
    axis = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return axis[None, :], axis[:, None]


def _size(text: str, value: str) -> int:
    if value.isdecimal() and int(value) % 2 and int(value) <= LARGEST_SIZE:
        return int(value)
    raise RequestError(f"--kernel {text}: size is '{value}'; expected an odd number up to {LARGEST_SIZE}")


def _number(text: str, key: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (key == "sigma" and number <= 0):
        raise RequestError(f"--kernel {text}: {key} is '{value}'; expected a {'positive ' * (key == 'sigma')}number")
    return number

"""Activations, weights and images as tiles."""

import math

import numpy as np
from numpy.typing import NDArray

from cnnlab.experiment.layers.base import Shape
from cnnlab.experiment.layers.elementwise import Dropout
from cnnlab.explain.layers import Array, LayerView
from cnnlab.plots.page import Section
from cnnlab.plots.tiles import Tiles, as_colours

MOST, MOST_CHANNELS = 4096, 64  # tiles of a panel, and columns of them that have a meaning
WIDEST = 8  # times as many inputs as outputs that a dense layer's kernel is drawn as one matrix with
ROOM, PAGE_ROOM = 360, 1700  # pixels that they must fit into, in a panel of four, and alone
SINGLE = 26  # pixels of the page that a single value is enlarged to


def layer_sections(views: list[LayerView], pixel_layer: tuple[str, Shape] | None) -> list[Section]:
    """As ConvNetJS shows a network: of each layer activations, their gradients, weights and their gradients."""
    sections = []
    for view in _drawn(views):
        panels = [
            [_outputs(view)],
            [_maps("gradients", view.gradients)],
        ]
        if view.weights:
            shape = pixel_layer[1] if pixel_layer and pixel_layer[0] == view.name else None
            on_image = view.line is not None and view is first_weighted(views)
            panels += [
                [weight_tiles(name, weight.values, shape, on_image) for name, weight in view.weights.items()],
                [
                    weight_tiles(f"gradient of {name}", weight.gradient, shape, on_image)
                    for name, weight in view.weights.items()
                ],
            ]
        sections.append(Section(describe(view), panels, columns=4))
    return sections


def hidden_sections(views: list[LayerView]) -> list[Section]:
    """The image, and all channels after each layer, below one another."""
    return [Section(describe(view), [[_outputs(view, 220)]]) for view in _drawn(views)]


def first_weighted(views: list[LayerView]) -> LayerView | None:
    """The first layer that has weights."""
    return next((view for view in views if view.weights), None)


def describe(view: LayerView) -> str:
    """`conv2d_0: 28×28×6, filters 5×5, stride 1, 156 parameters`."""
    window, stride = view.window
    parts = [view.size]
    if window:
        parts.append(f"{'filters' if view.weights else 'windows'} {window}, stride {stride}")
    if view.parameters:
        parts.append(f"{view.parameters:,} parameters")
    return f"{view.name}: {', '.join(parts)}"


def _drawn(views: list[LayerView]) -> list[LayerView]:
    """Without layers whose output is that of the layer before them."""
    return [
        view
        for view in views
        if view.line is None
        or view.line.spec is None
        or not (view.line.spec.is_view or isinstance(view.line.spec, Dropout))
    ]


def _outputs(view: LayerView, largest: int | None = None) -> Tiles:
    """The activations; the image as it is."""
    if view.name == "image":
        pixels = (view.activations * 255).round().astype(np.uint8)
        return picture("image", pixels, largest or 150)
    return _maps("activations", view.activations, largest)


def _maps(title: str, values: Array, largest: int | None = None) -> Tiles:
    """One tile per channel, or per feature."""
    if values.ndim == 3:
        return _tiles(title, values.transpose(2, 0, 1), None, largest)
    return _tiles(title, values.reshape(-1, 1, 1))


def weight_tiles(name: str, values: Array, pixels: Shape | None, on_image: bool, room: int = ROOM) -> Tiles:
    """A weight of any layer; `pixels` is the shape of the image that a dense layer takes, flattened."""
    match values.ndim:
        case 4:
            return kernel_tiles(name, values, on_image, room)
        case 2 if pixels is not None:
            return pixel_tiles(name, values, pixels)
        case 2:
            inputs, outputs = values.shape
            if inputs > WIDEST * outputs:  # a strip
                return _tiles(f"{name}, a tile per output, its {inputs:,} inputs row by row", _folded(values.T))
            title = f"{name}, {inputs:,} rows of inputs, {outputs:,} columns of outputs"
            return _tiles(title, values[None], largest=500)
    return _tiles(name, values.reshape(-1, 1, 1))


def _folded(rows: Array) -> Array:
    """Each row of (n, width) as a square (n, side, side), with NaN where it ends."""
    side = math.ceil(math.sqrt(rows.shape[1]))
    missing = side**2 - rows.shape[1]
    return np.pad(rows, [(0, 0), (0, missing)], constant_values=np.nan).reshape(-1, side, side)


def kernel_tiles(name: str, kernel: Array, on_image: bool, room: int) -> Tiles:
    """A kernel (height, width, channels, filters): in colour, or one row per filter and one column per channel."""
    height, width, channels, filters = kernel.shape
    if channels == 3 and on_image:
        return _coloured(name, kernel.transpose(3, 0, 1, 2))
    if channels == 1:
        return _tiles(name, kernel[:, :, 0].transpose(2, 0, 1))
    columns = min(channels, MOST_CHANNELS, max(1, room // (width + 1)))
    rows = min(filters, max(1, MOST // columns))
    parts = [
        text.format(few, many)
        for text, few, many in (("{:,} of {:,} filters", rows, filters), ("{:,} of {:,} channels", columns, channels))
        if few < many
    ]
    tiles = kernel[:, :, :columns, :rows].transpose(3, 2, 0, 1).reshape(-1, height, width)
    cut = f" (the first {' and '.join(parts)})" if parts else ""
    return _tiles(f"{name}, a row per filter, a column per channel{cut}", tiles, columns)


def pixel_tiles(name: str, kernel: Array, shape: Shape) -> Tiles:
    """A dense kernel (pixels, units) as one image per unit."""
    images = kernel.T.reshape(-1, *shape)
    if shape[-1] == 3:
        return _coloured(name, images)
    return _tiles(name, images.mean(axis=-1))


def _coloured(name: str, values: NDArray[np.float32]) -> Tiles:
    """Values (n, height, width, 3) as colours, zero as middle grey."""
    largest = float(np.abs(values).max()) or 1.0
    shown = ((values / largest + 1) * 127.5).round().astype(np.uint8)[:MOST]
    return Tiles(f"{name}, in colour, grey is 0: {values.min():.3g} to {values.max():.3g}", shown)


def _tiles(title: str, values: Array, columns: int | None = None, largest: int | None = None) -> Tiles:
    """Tiles (n, height, width) with their range in the title; no more than can be drawn."""
    if len(values) > MOST:
        title = f"{title}; the first {MOST:,} of {len(values):,}"
    size = SINGLE if math.prod(values.shape[1:]) == 1 else largest
    tiles = Tiles(f"{title}: {np.nanmin(values):.3g} to {np.nanmax(values):.3g}", values[:MOST], columns)
    return tiles if size is None else Tiles(tiles.title, tiles.images, columns, largest=size)


def picture(title: str, pixels: NDArray[np.uint8], largest: int) -> Tiles:
    """An image (height, width, channels)."""
    return Tiles(title, as_colours(pixels)[None], largest=largest)

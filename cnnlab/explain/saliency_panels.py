"""Maps of what speaks for a class, beside those of shuffled weights, as tiles."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnlab.explain.panels import picture
from cnnlab.explain.saliency import Array, ClassMaps
from cnnlab.explain.subject import Subject
from cnnlab.plots.page import Section
from cnnlab.plots.tiles import Tiles, as_colours, colours

SIDE = 230  # pixels of the page
HEAT = 0.6  # of the map in its mixture with the image


def saliency_sections(
    subject: Subject, found: Sequence[ClassMaps], class_names: Sequence[str], cam_layer: str | None
) -> list[Section]:
    """One section per class: the image, then each map beside that of the shuffled weights."""
    sections = []
    for maps in found:
        panels = [[picture("image", subject.pixels, SIDE)]]
        for one in maps.maps:
            is_cam = one.method == "Grad-CAM"
            name = f"{one.method}, {cam_layer}" if is_cam else one.method
            correlation = "a constant map" if one.correlation is None else f"ρ = {one.correlation:.2f}"
            for title, values in ((name, one.values), (f"shuffled, {correlation}", one.shuffled)):
                shown = f"{title}: {values.min():.2g} to {values.max():.2g}"
                tiles = _over(values, subject.pixels) if is_cam else values[None]
                panels.append([Tiles(shown, tiles, largest=SIDE)])
        truth = ", the true class" if maps.label == subject.truth else ""
        heading = f"class {class_names[maps.label]}: {subject.scores[maps.label]:.3g}{truth}"
        total, wanted = maps.completeness
        text = (
            "beside each map that of the network with shuffled weights, and their rank correlation ρ; integrated "
            f"gradients sum to {total:.4g}, and the output differs by {wanted:.4g} from that of a black image"
        )
        sections.append(Section(heading, panels, text))
    return sections


def _over(values: Array, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A map enlarged to the image and mixed with it, (1, height, width, 3)."""
    height, width = pixels.shape[:2]
    enlarged = np.asarray(Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR))
    grey = as_colours(pixels).mean(axis=-1, keepdims=True)
    mixed: NDArray[np.uint8] = (HEAT * colours(enlarged) + (1 - HEAT) * grey).round().astype(np.uint8)
    return mixed[None]

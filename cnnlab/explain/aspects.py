"""What can be looked at, and of which networks; without TensorFlow."""

from collections.abc import Sequence

from cnnlab.errors import RequestError
from cnnlab.experiment.layers.elementwise import Dropout
from cnnlab.explain.structure import Structure
from cnnlab.explain.what import What

OF_TEST_SET = {What.FILTERS, What.PATCHES, What.CONFUSIONS, What.MAP}
"""What is about all test examples."""
NO_CONVOLUTION = "the network has no convolution"
NO_PIXEL_LAYER = "the network has no dense layer on the pixels"


def chosen(wanted: Sequence[What], structure: Structure, layer: str | None) -> tuple[list[What], list[str]]:
    """What can be shown of a network, in order and without duplicates, and notes on what cannot.

    Raises RequestError where something else than `all` asks for what the network does not have, or where `layer` does
    not fit.
    """
    everything = [what for what in What if what is not What.ALL]
    is_all = What.ALL in wanted
    asked = everything if is_all else [what for what in everything if what in wanted]
    lacking = {
        **({} if structure.convolutions else dict.fromkeys((What.FILTERS, What.PATCHES), NO_CONVOLUTION)),
        **({} if structure.pixel_layer else {What.WEIGHTS: NO_PIXEL_LAYER}),
        **({} if structure.last_dense else {What.MAP: "the network has no dense layer"}),
    }
    missing = [what for what in asked if what in lacking]
    if missing and not is_all:
        raise RequestError(f"--what {missing[0]}: {lacking[missing[0]]}")
    notes = [f"{what}: left out, {lacking[what]}" for what in missing]
    if What.SALIENCY in asked and not structure.convolutions:
        notes.append("Grad-CAM does not apply: the network has no convolution; the other maps are shown")
    if layer is not None:
        _check_layer(asked, structure, layer, is_all=is_all)
    return [what for what in asked if what not in missing], notes


def _check_layer(asked: Sequence[What], structure: Structure, name: str, *, is_all: bool) -> None:
    line = structure.check(name)
    is_copy = line.spec is not None and (line.spec.is_view or isinstance(line.spec, Dropout))
    if is_copy and not is_all and (drawn := [what for what in asked if what in (What.LAYERS, What.HIDDEN)]):
        raise RequestError(
            f"--layer {name}: --what {drawn[0]} does not draw it, since its output is that of the layer before it"
        )
    if What.SALIENCY in asked and len(line.output_shape) != 3 and structure.convolutions:
        raise RequestError(f"--layer {name}: Grad-CAM needs a layer whose output is an image; got {line.output_shape}")
    convolutions = [one.place.name for one in structure.convolutions]
    if not is_all and name not in convolutions and (needed := [w for w in asked if w in (What.FILTERS, What.PATCHES)]):
        raise RequestError(f"--layer {name}: --what {needed[0]} needs a convolution: {', '.join(convolutions)}")

"""The layers of a network, with their shapes and costs."""

from cnnlab.experiment.layers.base import Cost, Leaf, Shape, ShapeError, show
from cnnlab.experiment.layers.blocks import Layer, Parallel, Repeat, Residual

__all__ = ["Cost", "Layer", "Leaf", "Parallel", "Repeat", "Residual", "Shape", "ShapeError", "show"]

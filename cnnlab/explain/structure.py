"""The layers of a network by their roles, without TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from cnnlab.errors import RequestError
from cnnlab.experiment.layers.base import Shape, Weighted
from cnnlab.experiment.layers.elementwise import Activation, BatchNorm, Flatten
from cnnlab.experiment.layers.pooling import GlobalPooling, Pooling
from cnnlab.experiment.layers.weighted import Convolution, Dense
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import Line, summarize_experiment
from cnnlab.messages import did_you_mean

RECTIFIERS = ("relu", "relu6")  # are 0 for all negative values


@dataclass(frozen=True)
class Structure:
    """The layers of a network in the order of computation."""

    lines: Sequence[Line]

    @classmethod
    def from_experiment(cls, experiment: Experiment) -> "Structure":
        """Of an experiment whose layers fit."""
        return cls(summarize_experiment(experiment).lines)

    @cached_property
    def by_name(self) -> dict[str, Line]:
        """Every layer by its name."""
        return {line.place.name: line for line in self.lines}

    @property
    def convolutions(self) -> list[Line]:
        """All layers with filters."""
        return [line for line in self.lines if isinstance(line.spec, Convolution)]

    def check(self, name: str) -> Line:
        """The layer of that name. Raises RequestError where there is none."""
        if name not in self.by_name:
            raise RequestError(f"--layer {name}: no such layer; {did_you_mean(name, self.by_name)}")
        return self.by_name[name]

    def activated(self, line: Line) -> Line:
        """The normalization or activation that follows a layer in its list of layers, the last of them, or itself.

        Its channels are those of the layer.
        """
        for following in self.lines[self.lines.index(line) + 1 :]:
            (*before, index, _), (*parents, number, _) = line.place.path, following.place.path
            is_next = before == parents and isinstance(index, int) and number == index + 1
            if not (is_next and isinstance(following.spec, BatchNorm | Activation)):
                break
            line = following
        return line

    def is_rectified(self, line: Line) -> bool:
        """Whether negative values of a layer become 0, after what follows it at once."""
        return getattr(self.activated(line).spec, "activation", None) in RECTIFIERS

    @property
    def cam_layer(self) -> Line | None:
        """The last image of features: the last convolution, with what follows it at once, sums of blocks too."""
        if not self.convolutions:
            return None
        found = self.convolutions[-1]
        for line in self.lines[self.lines.index(found) + 1 :]:
            if line.output_shape[:2] != found.output_shape[:2] or len(line.output_shape) != 3:
                break
            if line.spec is not None and not isinstance(line.spec, BatchNorm | Activation):
                break
            found = line
        return found

    @property
    def last_dense(self) -> Line | None:
        """The last dense layer, whose input is the last hidden layer's output."""
        return next((line for line in reversed(self.lines) if isinstance(line.spec, Dense)), None)

    @property
    def pixel_layer(self) -> tuple[Line, Shape] | None:
        """A dense layer that takes the pixels themselves, and the shape of the image that was flattened for it."""
        shape: Shape | None = None
        for line in self.lines:
            if isinstance(line.spec, Flatten):
                shape = line.input_shape
            if isinstance(line.spec, Dense):
                return (line, shape) if shape is not None else None
            if line.spec is None or isinstance(line.spec, Weighted | Pooling | GlobalPooling):
                return None
        return None

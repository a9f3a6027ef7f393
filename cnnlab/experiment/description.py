"""What a network consists of and costs, as tables. No TensorFlow here: the specs know."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import BYTES, Line, Summary, summarize
from cnnlab.quantities import Bytes, Change

COLUMNS = (
    "layer",
    "output_shape",
    "parameters",
    "multiplications",
    "additions",
    "weight_memory",
    "activation_memory",
    "receptive_field",
)


@dataclass(frozen=True)
class Description:
    """A row a layer, and the totals; `weights_only` leaves biases out, as the course's slides do.

    `multiplications` and `additions` are those of one example going forward; a product goes with one addition.
    Memory is in bytes of float32, that of activations for a whole batch.
    """

    experiment: Experiment
    summary: Summary
    weights_only: bool = False

    @classmethod
    def of(cls, experiment: Experiment, *, weights_only: bool = False) -> "Description":
        """Describe an experiment. Raises LayerError where its network cannot be built."""
        return cls(experiment, summarize(experiment.model.layers, experiment.input_shape), weights_only)

    def rows(self) -> list[dict[str, Any]]:
        """A row a layer, in the order in which they compute."""
        return [self._row(line) for line in self.summary.lines]

    def total(self) -> dict[str, Any]:
        """The row below them."""
        lines = self.summary.lines
        return {
            "layer": "total",
            "output_shape": list(self.summary.output_shape),
            "parameters": self._parameters(lines),
            "multiplications": self.summary.cost.multiplications,
            "additions": self.summary.cost.additions,
            "weight_memory": Bytes(self._parameters(lines) * BYTES),
            "activation_memory": Bytes(self.summary.activation_bytes(self.experiment.train.batch_size)),
            "receptive_field": list(self.summary.receptive_field),
        }

    def totals(self) -> dict[str, Any]:
        """What the network comes to; what depends on the size of the data is None where that is not known yet."""
        total = self.total()
        cost, training = self.summary.cost, self.summary.training
        examples, batch_size = self.experiment.data.train_size(), self.experiment.train.batch_size
        return {
            "parameters": total["parameters"],
            "trainable": cost.weights if self.weights_only else cost.trainable,
            "weight_memory": total["weight_memory"],
            "forward_multiplications": cost.multiplications,
            "forward_additions": cost.additions,
            "batch_size": batch_size,
            "activation_memory": total["activation_memory"],
            "train_examples": examples,
            "steps_per_epoch": examples and -(-examples // batch_size),
            "epoch_multiplications": examples and examples * training.multiplications,
            "epoch_additions": examples and examples * training.additions,
        }

    def memory_by_kind(self) -> dict[str, int]:
        """The weight memory of each kind of layer that has weights, in bytes."""
        memory: dict[str, int] = {}
        for line in self.summary.lines:
            if line.spec is not None and (count := self._parameters([line])):
                memory[line.spec.kind] = memory.get(line.spec.kind, 0) + count * BYTES
        return memory

    def _row(self, line: Line) -> dict[str, Any]:
        parameters = self._parameters([line])
        return {
            "layer": line.place.name,
            "output_shape": list(line.output_shape),
            "parameters": parameters,
            "multiplications": line.cost.multiplications,
            "additions": line.cost.additions,
            "weight_memory": Bytes(parameters * BYTES),
            "activation_memory": Bytes(line.activation_bytes * self.experiment.train.batch_size),
            "receptive_field": list(line.receptive_field),
        }

    def _parameters(self, lines: Sequence[Line]) -> int:
        return sum(line.cost.weights if self.weights_only else line.cost.parameters for line in lines)


def side_by_side(other: Description, this: Description) -> list[dict[str, Any]]:
    """A row a quantity: what it is in `other` and in `this`, and its change from the one to the other."""
    before, after = other.totals(), this.totals()
    quantities: dict[str, tuple[Any, Any]] = {key: (before[key], after[key]) for key in before}
    memory_before, memory_after = other.memory_by_kind(), this.memory_by_kind()
    for kind in dict.fromkeys([*memory_before, *memory_after]):
        quantities[f"weight_memory of {kind}"] = Bytes(memory_before.get(kind, 0)), Bytes(memory_after.get(kind, 0))
    return [
        {"quantity": name, "other": a, "this": b, "change": Change(b / a - 1) if a and b is not None else None}
        for name, (a, b) in quantities.items()
    ]

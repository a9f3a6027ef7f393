"""What a network consists of and costs, as tables. No TensorFlow here: the specs are enough."""

from dataclasses import dataclass
from typing import Any

from cnnlab.experiment.layers import Cost, Shape
from cnnlab.experiment.schema import Experiment
from cnnlab.experiment.summary import BYTES, Summary, summarize_experiment
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
    """One row per layer, and the totals.

    Multiplications and additions are those of the forward pass for one example, with one addition per multiplication.
    Memory is in bytes of float32; activations are those of a batch.
    """

    experiment: Experiment
    summary: Summary
    weights_only: bool = False
    """Whether parameters exclude biases, as in the course's slides."""

    @classmethod
    def from_experiment(cls, experiment: Experiment, *, weights_only: bool = False) -> "Description":
        """Describe an experiment. Raises LayerError where its network cannot be built."""
        return cls(experiment, summarize_experiment(experiment), weights_only)

    def rows(self) -> list[dict[str, Any]]:
        """One row per layer, in the order of computation."""
        return [
            self._row(line.place.name, line.output_shape, line.cost, line.activation_bytes, line.receptive_field)
            for line in self.summary.lines
        ]

    def total(self) -> dict[str, Any]:
        """The row of totals."""
        summary = self.summary
        return self._row(
            "total", summary.output_shape, summary.cost, summary.activation_bytes(1), summary.receptive_field
        )

    def totals(self) -> dict[str, Any]:
        """The totals by quantity; those that depend on the number of examples are None where it is not known yet."""
        total, cost, training = self.total(), self.summary.cost, self.summary.training
        frozen = self.summary.frozen
        examples, batch_size = self.experiment.data.train_size(), self.experiment.train.batch_size
        return {
            "parameters": total["parameters"],
            "trainable": cost.weights - frozen.weights if self.weights_only else cost.trainable - frozen.trainable,
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
            if line.spec is not None and (parameters := self._parameters(line.cost)):
                memory[line.spec.kind] = memory.get(line.spec.kind, 0) + parameters * BYTES
        return memory

    def _row(
        self, name: str, output_shape: Shape, cost: Cost, activation_bytes: int, receptive_field: tuple[int, int]
    ) -> dict[str, Any]:
        parameters = self._parameters(cost)
        return {
            "layer": name,
            "output_shape": list(output_shape),
            "parameters": parameters,
            "multiplications": cost.multiplications,
            "additions": cost.additions,
            "weight_memory": Bytes(parameters * BYTES),
            "activation_memory": Bytes(activation_bytes * self.experiment.train.batch_size),
            "receptive_field": list(receptive_field),
        }

    def _parameters(self, cost: Cost) -> int:
        return cost.weights if self.weights_only else cost.parameters


def side_by_side(other: Description, this: Description) -> list[dict[str, Any]]:
    """One row per quantity: its values in `other` and in `this`, and the relative change."""
    before, after = other.totals(), this.totals()
    quantities: dict[str, tuple[Any, Any]] = {key: (before[key], after[key]) for key in before}
    memory_before, memory_after = other.memory_by_kind(), this.memory_by_kind()
    for kind in dict.fromkeys([*memory_before, *memory_after]):
        quantities[f"weight_memory of {kind}"] = Bytes(memory_before.get(kind, 0)), Bytes(memory_after.get(kind, 0))
    return [
        {"quantity": name, "other": a, "this": b, "change": Change(b / a - 1) if a and b is not None else None}
        for name, (a, b) in quantities.items()
    ]

"""How far an epoch is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far an epoch is: steps and examples so far, and the sums over them while the weights changed."""

    steps: int = 0
    examples: int = 0
    sums: tuple[float, float] = (0.0, 0.0)
    """Of the losses, and how many were predicted right."""
    diverged_at: int | None = None
    """The first step, counted from 0, whose loss is not finite."""

    @property
    def loss(self) -> float:
        """The mean."""
        return self.sums[0] / self.examples

    @property
    def accuracy(self) -> float:
        """The fraction predicted right."""
        return self.sums[1] / self.examples


START = Progress()

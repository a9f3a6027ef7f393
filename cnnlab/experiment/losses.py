"""Loss functions."""

from typing import Annotated, ClassVar

from cnnlab.experiment.choice import Choice, Fraction, by_kind


class CrossEntropy(Choice):
    """-log of the probability of the correct class, averaged over the batch."""

    kind: ClassVar[str] = "cross_entropy"
    usage: ClassVar[tuple[str, ...]] = ("cross_entropy: {label_smoothing: 0.1}",)
    label_smoothing: Fraction = 0.0
    """Fraction of each label that is spread over all classes. Szegedy et al. 2015."""
    from_logits: bool = True
    """Whether the network outputs logits, to which the loss applies softmax; `false` for a network that ends in
    softmax.
    """


class MeanSquaredError(Choice):
    """(output - one-hot label)², averaged over the classes and the batch."""

    kind: ClassVar[str] = "mse"
    keras: ClassVar[tuple[str, ...]] = ("MeanSquaredError",)


class SumOfSquares(Choice):
    """(output - one-hot label)², summed over the classes; the gradient is summed over the batch too.

    A step is `batch_size` times as large as with a mean. The reported loss is the mean over the examples.
    """

    kind: ClassVar[str] = "sum_of_squares"


Loss = Annotated[CrossEntropy | MeanSquaredError | SumOfSquares, by_kind]

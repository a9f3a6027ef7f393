"""What training makes small."""

from typing import Annotated, ClassVar

from cnnlab.experiment.choice import Choice, Fraction, by_kind


class CrossEntropy(Choice):
    """-log of the probability of the right class, mean over the batch.

    label_smoothing: the share of each label that is spread over all classes. Szegedy et al. 2015.
    from_logits: true where the network ends in logits, to which the loss applies softmax itself; false where the
    network ends in softmax.
    Example: cross_entropy: {label_smoothing: 0.1}
    """

    kind: ClassVar[str] = "cross_entropy"
    label_smoothing: Fraction = 0.0
    from_logits: bool = True


class MeanSquaredError(Choice):
    """(output - one-hot label)², mean over the classes and the batch."""

    kind: ClassVar[str] = "mse"
    keras: ClassVar[tuple[str, ...]] = ("MeanSquaredError",)


class SumOfSquares(Choice):
    """(output - one-hot label)², summed over the classes, its gradient over the batch too.

    A step is `batch_size` times as large as with a mean. What is reported is the mean over the examples.
    """

    kind: ClassVar[str] = "sum_of_squares"


Loss = Annotated[CrossEntropy | MeanSquaredError | SumOfSquares, by_kind]

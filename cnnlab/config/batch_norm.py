"""The rule against batch normalization over too few examples."""

from collections.abc import Iterator, Sequence
from itertools import count

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.experiment.layers.base import values_in
from cnnlab.experiment.layers.elementwise import BatchNorm
from cnnlab.experiment.summary import Line

USUAL_BATCH = 32  # Keras's default of `fit`


def batch_norm(context: LintContext) -> Iterator[Violation]:
    """Batch normalization needs batches of more than one example, on every replica and also at the end of an epoch."""
    train = context.experiment.train
    size = context.experiment.data.train_size()
    if found := batch_of_one(context.lines, train.batch_size, context.replicas, size):
        yield ("train", "batch_size"), f"{found[0]}; set batch_size: {found[1]}"


def batch_of_one(lines: Sequence[Line], batch_size: int, replicas: int, examples: int | None) -> tuple[str, int] | None:
    """Why a layer would normalize single values, which gives 0, and the batch size to set; None if none would.

    A single image suffices where a channel has several positions, which are normalized together. `examples` is the size
    of the training split, None where it is not known yet.
    """
    single = (
        line.place.name
        for line in lines
        if isinstance(line.spec, BatchNorm) and values_in(line.input_shape[:-1]) == 1 and not line.is_frozen
    )
    layer = next(single, None)

    def ends_in_one(size: int) -> bool:
        return examples is not None and 0 < examples % size < 2 * replicas

    if layer is None or not (batch_size < 2 * replicas or ends_in_one(batch_size)):
        return None
    each = " per replica" if replicas > 1 else ""
    found, first = f"a batch of 1{each}", USUAL_BATCH * replicas
    if batch_size >= 2 * replicas:
        found, first = f"the last batch of {examples:,} examples is 1{each}", batch_size + 1
    wanted = next(size for size in count(first) if not ends_in_one(size))
    return f"{found}, which {layer} normalizes to 0 whatever the image", wanted

"""Batch normalization over too few examples: what its batches can be, and what to set instead."""

from collections.abc import Iterator, Sequence
from itertools import count

from cnnlab.config.lint_rule import LintContext, Violation
from cnnlab.experiment.layers.base import values_in
from cnnlab.experiment.layers.elementwise import BatchNorm
from cnnlab.experiment.summary import Line

USUAL_BATCH = 32  # Keras's default of `fit`


def batch_norm(context: LintContext) -> Iterator[Violation]:
    """Batch normalization needs batches, also on every replica and at the end of an epoch, of more than one example."""
    train = context.experiment.train
    size = context.experiment.data.train_size()
    if found := batch_of_one(context.lines, train.batch_size, context.replicas, size):
        yield ("train", "batch_size"), f"{found[0]}; set batch_size: {found[1]}"


def batch_of_one(lines: Sequence[Line], batch_size: int, replicas: int, examples: int | None) -> tuple[str, int] | None:
    """Why a layer normalizes single values, of which nothing is left, and the batch size to set; None where none does.

    Values that have a position in the image are normalized together with those at others: one image is enough for them.
    `examples` are those of the training split, None where their number is not known yet.
    """
    single = (
        line.place.name for line in lines if isinstance(line.spec, BatchNorm) and values_in(line.input_shape[:-1]) == 1
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

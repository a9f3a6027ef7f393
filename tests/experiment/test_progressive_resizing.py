"""The sizes of progressive resizing."""

import pytest
from pydantic import ValidationError

from cnnlab.experiment.progressive_resizing import ProgressiveResizing


@pytest.mark.parametrize(
    ("options", "full", "epochs", "stages"),
    [
        ({}, (32, 32), 10, [(0, (16, 16)), (6, (20, 20)), (7, (28, 28)), (8, (32, 32))]),
        ({"size_increment": 16}, (32, 32), 10, [(0, (16, 16)), (7, (32, 32))]),
        ({"initial_scale": 0.75, "delay_fraction": 0.6, "finetune_fraction": 0.4}, (32, 32), 10, [(0, (24, 24)), (6, (32, 32))]),
        ({"delay_fraction": 0, "finetune_fraction": 0.5}, (32, 32), 4, [(0, (16, 16)), (1, (24, 24)), (2, (32, 32))]),
        # Sides that are no multiples of the increment keep their full length.
        ({}, (29, 45), 5, [(0, (16, 24)), (3, (20, 32)), (4, (29, 45))]),
        ({"finetune_fraction": 0.3}, (29, 29), 10, [(0, (16, 16)), (6, (20, 20)), (7, (29, 29))]),
        # Never 0, and never larger than the image.
        ({"initial_scale": 0.1, "size_increment": 8}, (8, 8), 2, [(0, (1, 1)), (1, (1, 1))][:1]),
        ({"size_increment": 100}, (8, 8), 2, [(0, (1, 1))]),
        ({}, (32, 32), 1, [(0, (16, 16))]),
    ],
)  # fmt: skip
def test_the_sizes_of_all_epochs(options, full, epochs, stages):
    assert ProgressiveResizing(**options).stages(full, epochs) == stages


def test_sizes_never_shrink_and_end_at_the_full_size():
    for epochs in range(5, 60):
        resizing = ProgressiveResizing(size_increment=1)
        sizes = [resizing.size((31, 33), epoch, epochs) for epoch in range(epochs)]
        assert sizes == sorted(sizes)
        assert sizes[0] == (16, 16)
        assert all(size == (31, 33) for size in sizes[-(epochs // 5) :])


def test_fractions_that_leave_no_epoch_are_rejected():
    with pytest.raises(ValidationError, match=r"add up to 1\.1; expected at most 1"):
        ProgressiveResizing(delay_fraction=0.5, finetune_fraction=0.6)

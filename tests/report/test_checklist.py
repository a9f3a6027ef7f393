"""The checklist is filled in from what is recorded, and ticks nothing that it cannot know."""

import pytest

from cnnlab.report import checklist
from cnnlab.report.source import Source
from tests.conftest import make_run

SYNTHETIC = "name: synthetic, image_shape: [8, 8, 1], num_classes: 10"


def items(*runs, sizes=None):
    (found,) = checklist.section([Source(run.record()) for run in runs], sizes or [len(runs)]).blocks
    return {item.label: item for item in found.items}


@pytest.fixture
def run(tmp_path):
    """A run with little recorded."""
    return make_run(tmp_path, "tiny", "tiny-0", {"status": "finished"})


def test_what_cannot_be_known_is_never_ticked(run):
    unknowable = [label for label, item in items(run).items() if item.state is None]
    for word in ("chosen", "Consent", "failed ones", "Limits"):
        assert any(word in label for label in unknowable)
    assert all(items(run)[label].text for label in unknowable)


@pytest.mark.parametrize(("seeds", "state"), [(1, False), (2, False), (3, True)])
def test_few_seeds_are_not_enough(tmp_path, seeds, state):
    runs = [
        make_run(tmp_path, "tiny", f"tiny-{seed}", {"status": "finished", "experiment": {"seed": seed}})
        for seed in range(seeds)
    ]
    assert items(*runs)["Number of runs, and their seeds"].state is state


@pytest.mark.parametrize(("uses", "state"), [(0, True), (1, True), (2, False)])
def test_a_test_set_that_was_used_twice_is_told(tmp_path, uses, state):
    run = make_run(tmp_path, "tiny", "tiny-1", {"status": "finished", "test_uses": [{"by": "evaluate"}] * uses})
    assert items(run)["The test set was used once"].state is state


def test_three_seeds_of_one_do_not_stand_for_those_of_another(tmp_path):
    runs = [make_run(tmp_path, "tiny", f"tiny-{seed}", {"status": "finished"}) for seed in range(6)]
    assert items(*runs, sizes=[5, 1])["Number of runs, and their seeds"].state is False
    assert items(*runs, sizes=[3, 3])["Number of runs, and their seeds"].state is True


@pytest.mark.parametrize(("data", "state"), [("name: digits", True), ("name: cifar10", None), (SYNTHETIC, None)])
def test_a_licence_that_is_not_stated_stays_open(run, data, state):
    run.config.write_text(f"name: x\ndata: {{{data}}}\nmodel: {{layers: [flatten, {{dense: 10}}]}}\n")
    assert items(run)["Licence of the data"].state is state


def test_time_that_was_not_recorded_is_not_ticked(run):
    assert items(run)["Compute time and hardware"].state is False

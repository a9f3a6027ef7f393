"""The checklist is filled in from what is recorded, and ticks nothing that it cannot know."""

import shutil

import pytest

from cnnlab.analysis.compare import compare_records
from cnnlab.report import checklist
from cnnlab.report.source import Source
from cnnlab.runs import Run
from tests.conftest import make_run
from tests.report.test_of_runs import finished

SEEDS, INTERVALS = "Number of runs, and their seeds", "Intervals, and what they are over"
BOTH = "Validation figures beside test figures"
SYNTHETIC = "name: synthetic, image_shape: [8, 8, 1], num_classes: 10"


def items(*runs, **options):
    records = [run.record() for run in runs]
    is_compared = len(runs) > 1 and any(record.status == "finished" for record in records)
    comparison = compare_records(records, []) if is_compared else None
    (found,) = checklist.section([*map(Source, records)], comparison, **options).blocks
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
    assert items(*runs)[SEEDS].state is state


@pytest.mark.parametrize(("uses", "state"), [(0, True), (1, True), (2, False)])
def test_a_test_set_that_was_used_twice_is_told(tmp_path, uses, state):
    run = make_run(tmp_path, "tiny", "tiny-1", {"status": "finished", "test_uses": [{"by": "evaluate"}] * uses})
    assert items(run)["The test set was used once"].state is state


def test_three_seeds_of_one_do_not_stand_for_those_of_another(tmp_path):
    runs = [finished(tmp_path, "a", seed) for seed in range(3)]
    others = [finished(tmp_path, "b", seed) for seed in range(3)]
    assert items(*runs, others[0])[SEEDS].state is False
    assert items(*runs, *others)[SEEDS].state is True
    assert items(*runs, *others)[SEEDS].text == "6 runs of 2 configurations, seeds 0, 1, 2"


@pytest.mark.parametrize("status", ["running", "diverged", "interrupted"])
def test_only_runs_that_finished_are_counted(tmp_path, status):
    runs = [finished(tmp_path, "a", seed) for seed in range(4)]
    runs[0].create({**runs[0].record().raw, "status": status})
    runs.append(make_run(tmp_path, "a", "again", runs[3].record().raw))
    item = items(*runs)[SEEDS]
    shown = "crashed" if status == "running" else status
    others = f"; not among them: 1 {shown}, 1 with the seed of another one"
    assert (item.state, item.text) == (True, f"3 runs of 1 configuration, seeds 1, 2, 3{others}")
    item = items(runs[0])[SEEDS]
    assert item.state is False
    assert item.text.startswith(f"no finished run; not among them: 1 {shown}; fewer than 3")


def test_what_the_page_of_a_run_does_not_show_is_not_ticked(trained, tmp_path):
    shutil.copytree(trained / "runs/tiny-1", tmp_path / "tiny-1")
    run = Run(tmp_path / "tiny-1")
    assert [items(run)[label].state for label in (INTERVALS, BOTH)] == [True, True]
    shutil.rmtree(run.path / "evaluation")
    run.metrics.unlink()
    found = items(run)
    assert [found[label].state for label in (INTERVALS, BOTH)] == [False, False]
    assert found[INTERVALS].text == "none of tiny-1, whose evaluation/test.json is missing or damaged"
    assert found[BOTH].text == "not on this page: evaluation/test.json and metrics.csv missing or damaged"


def test_intervals_of_single_runs_are_in_their_sections(tmp_path):
    runs = [finished(tmp_path, name, seed) for name in "ab" for seed in range(2)]
    assert items(*runs, has_sections=False)[INTERVALS].state is True  # of the means, in the table
    assert (
        items(*runs[:3], has_sections=False)[INTERVALS].text == "none of b-0, which is one run and has no section here"
    )
    assert items(*runs[:3])[INTERVALS].state is False  # it has no evaluation


@pytest.mark.parametrize(("data", "state"), [("name: digits", True), ("name: cifar10", None), (SYNTHETIC, None)])
def test_a_licence_that_is_not_stated_stays_open(run, data, state):
    run.config.write_text(f"name: x\ndata: {{{data}}}\nmodel: {{layers: [flatten, {{dense: 10}}]}}\n")
    assert items(run)["Licence of the data"].state is state


def test_the_sizes_of_every_data_set_are_shown(tmp_path):
    other = {"fingerprint": "g", "splits": {"test": {"examples": 50}}}
    run = finished(tmp_path, "a")
    assert items(run)["Source and size of the data, splits"].text == "1,000 test"
    both = items(run, finished(tmp_path, "b", data=other))["Source and size of the data, splits"]
    assert both.text == "2 data sets: digits: 1,000 test; digits: 50 test"


def test_time_that_was_not_recorded_is_not_ticked(run):
    assert items(run)["Compute time and hardware"].state is False


def test_the_time_of_some_runs_is_said_to_be_of_some(tmp_path):
    cpu = {"model": "a processor"}
    runs = [finished(tmp_path, "a", seed, cpu=cpu) for seed in range(3)]
    assert items(*runs)["Compute time and hardware"].text == "5 min 0 s for 3 runs, on a processor"
    runs.append(finished(tmp_path, "a", 3, cpu=cpu, seconds=None))
    item = items(*runs)["Compute time and hardware"]
    assert (item.state, item.text) == (False, "5 min 0 s for 3 of 4 runs, on a processor")

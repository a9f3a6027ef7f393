"""The content of reports of several runs."""

import pytest

from cnnlab.analysis.compare import compare, compare_records
from cnnlab.analysis.matching import matching_records
from cnnlab.report import of_runs
from cnnlab.report.blocks import Chart, Table
from cnnlab.report.build import MOST_SECTIONS, of_several
from cnnlab.report.names import group_name
from tests.conftest import make_run

SIZES = {"parameters": {"a": 10, "b": 20, "c": 30}, "accuracy": {"a": 0.8, "b": 0.9, "c": 0.85}}


def finished(runs, name, seed=0, **record):
    """A finished run of the experiment `name` with an accuracy of its own."""
    accuracy = SIZES["accuracy"][name] + seed / 1000
    experiment = {"name": name, "seed": seed, "train": {"batch_size": ord(name)}}
    results = {"test_accuracy": accuracy, "test_loss": 1.0, "loss": 1.0, "accuracy": accuracy}
    data = {"splits": {"test": {"examples": 1000}}}
    whole = {
        "data": data,
        "status": "finished",
        "experiment": experiment,
        "results": results,
        "seconds": 10.0 * SIZES["parameters"][name],
    }
    return make_run(runs, name, f"{name}-{seed}", {**whole, "parameters": SIZES["parameters"][name], **record})


@pytest.fixture
def runs(tmp_path):
    """Three seeds of three experiments."""
    for name in "abc":
        for seed in range(3):
            finished(tmp_path, name, seed)
    return tmp_path


def blocks(found, key):
    return [block for section in of_runs.sections(found) if section.key == key for block in section.blocks]


def test_the_front_has_what_no_cheaper_experiment_is_as_good_as(runs):
    (chart, *_) = blocks(compare([runs]), "cost")
    (series,) = chart.series
    assert {series.labels[index] for index in series.emphasized} == {"a", "b"}  # c costs more than b and is worse


@pytest.mark.parametrize(
    ("costs", "values", "higher", "front"),
    [
        ([1, 2, 3], [0.1, 0.2, 0.3], True, [0, 1, 2]),
        ([1, 2, 3], [0.1, 0.2, 0.3], False, [0]),
        ([1, 1, 2], [0.1, 0.2, 0.2], True, [1]),
        ([], [], True, []),
    ],
)
def test_pareto_front(costs, values, higher, front):
    assert of_runs._front(costs, values, higher=higher) == front


def test_every_seed_is_a_point_beside_the_mean(runs):
    (chart,) = blocks(compare([runs]), "seeds")
    assert isinstance(chart, Chart)
    points = [series for series in chart.series if not series.emphasized]
    assert sorted(len(series.y) for series in points) == [3, 3, 3]
    assert {round(value, 3) for series in points for value in series.y} >= {0.8, 0.801, 0.802, 0.852}
    means = [series for series in chart.series if series.emphasized]
    assert all(series.low[0] < series.y[0] < series.high[0] for series in means)


def test_the_lead_counts_what_is_worse_and_what_is_not_tested(runs):
    (text,) = of_runs.lead(compare([runs]))
    assert text.text == "b is the best, test accuracy: 0.9010 ± 0.0010; 2 of the others are detectably worse."


def test_a_single_experiment_has_no_verdict(tmp_path):
    finished(tmp_path, "a")
    table = blocks(compare([tmp_path]), "comparison")[0]
    assert isinstance(table, Table)
    assert "verdict" not in [column.name for column in table.columns]


def test_sections_of_many_runs_are_left_out_and_the_page_says_so(tmp_path):
    records = [finished(tmp_path, "a", seed).record() for seed in range(MOST_SECTIONS + 1)]
    document = of_several(records, compare([tmp_path]))
    (section,) = [section for section in document.sections if section.key == "runs"]
    assert section.sections == []
    assert section.blocks[0].text.startswith("The sections of the 41 runs are left out: there are more than 40.")
    assert len(section.blocks[1].rows) == MOST_SECTIONS + 1


def test_names_on_a_page_of_several_folders_mean_one_thing_each(tmp_path):
    """Of two experiments with the same name, and runs with the same name in two folders."""
    made = [("k", 0, 1), ("k", 1, 1), ("s", 0, 2), ("s", 1, 2)]
    for folder, seed, batch_size in made:
        experiment = {"name": "a", "seed": seed, "train": {"batch_size": batch_size}}
        finished(tmp_path / folder, "a", seed, experiment=experiment)
    finished(tmp_path / "s", "a", 2, experiment={"name": "a-1", "seed": 0, "train": {"batch_size": 3}})
    paths = [tmp_path / "k", tmp_path / "s"]
    records = matching_records(paths)
    found = compare_records(records, paths, name_of=group_name(records))
    k, s = paths
    groups = [row.group.name for row in found.rows]
    assert sorted(groups) == [
        f"a ({k}/a-0, …)",
        f"a ({s}/a-0, …)",
        "a-1",  # the runs of that name are called by their paths
    ]
    document = of_several(records, found)
    (section,) = [section for section in document.sections if section.key == "runs"]
    names = [f"{k}/a-0", f"{k}/a-1", f"{s}/a-0", f"{s}/a-1", "a-2"]
    assert [row[0].text for row in section.blocks[0].rows] == names
    assert [inner.title for inner in section.sections] == [f"{name} (finished)" for name in names]
    named = compare_records(records, paths, baseline=f"{s}/a-0", name_of=group_name(records)).reference
    assert named is not None
    assert named.name == f"a ({s}/a-0, …)"


def test_a_group_is_not_called_as_a_run_of_another_one(tmp_path):
    finished(tmp_path, "a", 1)
    finished(tmp_path, "b", 0, experiment={"name": "a-1", "seed": 0, "train": {"batch_size": 2}})
    records = matching_records([tmp_path])
    found = compare_records(records, [tmp_path], name_of=group_name(records))
    assert {row.group.name for row in found.rows} == {"a", "a-1 (b-0)"}


def test_keys_are_unique_on_a_page(runs):
    document = of_several(matching_records([runs]), compare([runs]))

    def keys(sections):
        for section in sections:
            yield section.key
            yield from keys(section.sections)

    found = list(keys(document.sections))
    assert len(found) == len(set(found)) > 50

"""The page of a sweep: its outcome, all trials, which keys mattered, in whatever state its folder is."""

import math
import random
import re
import time

import pytest

from cnnlab.cli.report import after_sweep
from cnnlab.report import search_plots, sweep_source
from cnnlab.report.blocks import Chart, Parallel, Table, Text
from cnnlab.report.build import of_sweep_in, of_sweep_source
from cnnlab.report.html import render
from cnnlab.report.markdown import write
from cnnlab.runs import files
from cnnlab.sweep.finals import finalists
from cnnlab.sweep.folder import SweepFolder
from cnnlab.sweep.importance import FOLDS, LEAST_TRIALS, importance
from cnnlab.sweep.run import outcome_of
from cnnlab.sweep.study import Trial
from cnnlab.sweep.trials import TrialTable, read_trials
from tests.conftest import assert_one_line
from tests.report.hostile import HACK, TEXTS
from tests.report.sweeps import LARGE, WITHOUT_LOSS, space_of, write_sweep
from tests.report.test_in_browser import A4, FOUND, SHOWN, browser, overflow, visit, wide  # noqa: F401 - fixtures

FEW = {"train.batch_size": [32, 64], "train.optimizer.sgd.learning_rate": {"log": [1e-4, 1e-1]}}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """The source of a sweep of 60 trials, of which 8 were pruned and 4 failed."""
    return sweep_source.read(write_sweep(tmp_path_factory.mktemp("mixed") / "sweep", pruned=8, failed=4).path)


@pytest.fixture(scope="module")
def document(mixed):
    return of_sweep_source(mixed)


def blocks_of(document, kind, key=None):
    def inside(sections):
        for section in sections:
            yield from (block for block in section.blocks if key in (None, section.key))
            yield from inside(section.sections)

    lead = document.lead if key in (None, "lead") else []
    return [block for block in [*lead, *inside(document.sections)] if isinstance(block, kind)]


def texts_of(document, key="lead"):
    return " ".join(block.text for block in blocks_of(document, Text, key))


def test_the_table_of_trials_is_read_as_it_was_written(tmp_path):
    space = space_of(tmp_path)
    folder, chance = SweepFolder(tmp_path), random.Random(1)
    points = [space.complete({one.key: one.at(chance.random()) for one in space.dimensions}) for _ in range(30)]
    trials = [Trial(n, "complete", point, n / 30, "w", None, False) for n, point in enumerate(points)]
    failed = Trial(30, "failed", points[0], None, "w", 'diverged: "nan",\nreally', False)
    TrialTable(folder, space).write([*trials, failed])
    found = read_trials(folder, space)
    assert [dict(row.point) for row in found] == [*points, points[0]]
    assert [row.value for row in found] == [*(trial.value for trial in trials), None]
    assert found[30].reason == failed.reason
    assert {len(row.point) for row in found} == {5, 6}  # the learning rate of SGD does not always apply


def test_the_lead_says_what_the_winner_is_worth_on_fresh_seeds(mixed, document):
    winner = outcome_of(mixed.folder, mixed.space).winner
    lead = document.lead[0]
    assert lead.text.startswith(f"Trial {winner.trial} is the winner of 48 by val_accuracy: ")
    assert "layers conv2d, flatten, dense" in lead.text
    assert re.search(
        r"Its test accuracy is 0\.9\d+ \(95 % interval 0\.\d+ to 0\.\d+\), the mean of 3 fresh seeds\.", lead.text
    )
    table = document.lead[1]
    assert [cells[0].text for cells in table.rows] == [str(one.trial) for one in mixed.outcome.finalists]
    assert [cells[4].text for cells in table.rows] == [f"{one.optimism:+.4f}" for one in mixed.outcome.finalists]
    assert f"an optimism of {winner.optimism:+.4f}" in texts_of(document)


def test_trials_are_in_the_search_section_and_only_finalists_are_compared(mixed, document):
    (table,) = blocks_of(document, Table, "search-trials")
    assert len(table.rows) == 60
    assert table.is_sortable
    keys = [section.key for section in document.sections]
    assert keys[0] == "search"
    assert {"comparison", "curves", "checklist", "runs"} < set(keys)
    (comparison,) = blocks_of(document, Table, "comparison")
    assert [cells[0].text for cells in comparison.rows] == [f"trial {one.trial}" for one in mixed.outcome.finalists]
    assert len(blocks_of(document, Table, "runs")[0].rows) == 6
    assert "cnnlab train" not in texts_of(document, "comparison")  # more seeds, once they are seen, are a new decision


def test_failed_and_pruned_trials_are_shown_as_such(document):
    (table,) = blocks_of(document, Table, "search-trials")
    states = [cells[1].text for cells in table.rows]
    assert states.count("pruned") == 8
    assert states.count("failed: diverged: the loss is nan") == 4
    assert "4 trials failed, and have no value." in texts_of(document, "search-slices")


def test_each_key_has_a_slice_with_all_trials_that_have_it(mixed, document):
    charts = {chart.x_label: chart for chart in blocks_of(document, Chart, "search-slices")}
    assert charts.keys() == set(mixed.names.values())
    for one in mixed.space.dimensions:
        chart = charts[mixed.names[one.key]]
        with_key = [trial for trial in mixed.trials if one.key in trial.point and trial.value is not None]
        assert sum(len(series.x) for series in chart.series) == len(with_key)
        assert chart.log_x == (one.values.kind == "log")
        assert len(chart.x_names) == len(one.values.choice or ())
    rates = charts["learning_rate"].series[0]
    assert 0 < len(rates.x) < 48
    (best,) = charts["batch_size"].series[0].emphasized
    assert charts["batch_size"].series[0].y[best] == max(charts["batch_size"].series[0].y)
    layers = charts["layers"]
    assert layers.x_names == ["flatten, dense", "conv2d, flatten, dense"]
    large = {trial.number for trial in mixed.ranked if trial.point["model.layers"] == LARGE}
    right = {
        int(label.split()[1][:-1])
        for x, label in zip(layers.series[0].x, layers.series[0].labels, strict=True)
        if x > 0.5
    }
    assert right == large


@pytest.mark.parametrize("metric", ["val_accuracy", "val_loss"])
def test_the_best_so_far_never_gets_worse_and_ends_at_the_best(tmp_path, metric):
    write_sweep(tmp_path / "s", 24, failed=2, pruned=5, space=WITHOUT_LOSS, metric=metric)
    sweep = sweep_source.read(tmp_path / "s")
    charts = blocks_of(of_sweep_in(tmp_path / "s"), Chart, "search-budget")
    sign = 1 if metric == "val_accuracy" else -1
    for chart in charts:
        (line,) = chart.series
        values = [sign * value for value in line.y]
        assert values == sorted(values)
        assert values[-1] == max(sign * trial.value for trial in sweep.trials if trial.state == "complete")
        assert line.x == sorted(line.x)
    assert charts[0].series[0].x[-1] == max(trial.number for trial in sweep.trials)
    assert charts[1].series[0].x[-1] == pytest.approx(sum(trial.seconds for trial in sweep.trials))


def test_parallel_lines_are_in_order_and_keys_that_do_not_apply_are_gaps(mixed, document):
    (block,) = blocks_of(document, Parallel)
    values = [line[-1] for line in block.lines]
    assert values == sorted(values)
    assert len(values) == 48
    assert block.labels[-1] == f"trial {mixed.outcome.winner.trial}"
    gaps = {scale.name: any(math.isnan(line[i]) for line in block.lines) for i, scale in enumerate(block.scales)}
    assert gaps == {name: name == "learning_rate" for name in gaps}


def test_importance_finds_the_keys_that_the_value_depends_on(mixed, document):
    found = mixed.importance
    assert set(list(found.keys)[:3]) == {"model.layers", "train.optimizer", "train.optimizer.sgd.learning_rate"}
    assert abs(found.keys["train.batch_size"][0]) < 0.05
    assert found.r2 > 0.5
    assert (
        f"with an R² of {found.r2:.2f} ({FOLDS}-fold cross-validation over 48 complete trials; 12 others"
        in texts_of(document, "search-importance")
    )


def test_where_nothing_matters_importance_is_none_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.report.sweeps.value_of", lambda point, chance: 0.9 + 0.01 * chance.random())
    monkeypatch.setattr("cnnlab.sweep.importance.TREES", 10)
    write_sweep(tmp_path / "s", 60, space=FEW)
    sweep = sweep_source.read(tmp_path / "s")
    assert sweep.importance.r2 < 0.1
    assert "what is drawn here may be chance" in texts_of(of_sweep_in(tmp_path / "s"), "search-importance")


def test_importance_does_not_depend_on_the_scale_of_the_metric(tmp_path, monkeypatch):
    monkeypatch.setattr("cnnlab.sweep.importance.TREES", 10)
    write_sweep(tmp_path / "s", 40, space=FEW, metric="val_loss")
    sweep = sweep_source.read(tmp_path / "s")
    from dataclasses import replace

    huge = [replace(trial, value=10 ** (100 * trial.value)) for trial in sweep.trials]
    assert importance(sweep.space, huge) == sweep.importance


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        (LEAST_TRIALS - 1, "Not known from 19 complete trials: that takes at least 20 complete trials."),
        (LEAST_TRIALS, "A random forest"),
    ],
)
def test_importance_takes_twenty_complete_trials(tmp_path, trials, words):
    write_sweep(tmp_path / "s", trials + 3, failed=3, space=FEW)
    assert texts_of(of_sweep_in(tmp_path / "s"), "search-importance").startswith(words)


def test_equal_values_have_no_importance(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.report.sweeps.value_of", lambda point, chance: 0.5)
    write_sweep(tmp_path / "s", 25, space=FEW)
    assert "all of them have the same value" in texts_of(of_sweep_in(tmp_path / "s"), "search-importance")


def test_a_sweep_at_work_has_a_page(tmp_path):
    folder = write_sweep(tmp_path / "s", 10, running=3, failed=1, has_outcome=False, sampler="tpe", space=FEW)
    with folder.worker():
        text = texts_of(of_sweep_in(folder.path))
    assert re.match(r"Trial \d is the best so far, val_accuracy 0\.\d{4}: ", text)
    assert "partly luck: the finalists are not chosen yet." in text
    assert "53 of 60 trials have not ended." in text
    assert "1 process was at work on it" in text
    assert "at work" not in texts_of(of_sweep_in(folder.path))


def test_finalists_whose_runs_are_not_finished_have_no_test_accuracy(tmp_path):
    folder = write_sweep(tmp_path / "s", 8, space=FEW, seeds=0)
    found = of_sweep_in(folder.path)
    assert "Its runs on fresh seeds have not finished." in found.lead[0].text
    assert "0 of 6 runs on fresh seeds have finished." in texts_of(found)
    assert [section.key for section in found.sections] == ["search"]


def test_trials_that_were_asked_for_later_are_told(tmp_path):
    folder = write_sweep(tmp_path / "s", 8, running=2, space=FEW)
    assert "2 of 8 trials have not ended. The finalists were chosen before." in texts_of(of_sweep_in(folder.path))


def test_no_trial_may_have_finished(tmp_path):
    folder = write_sweep(tmp_path / "s", 3, failed=3, has_outcome=False, space=FEW)
    found = of_sweep_in(folder.path)
    assert found.lead[0].text == "No trial has finished."
    assert len(blocks_of(found, Table, "search-trials")[0].rows) == 3


DAMAGED = {
    "missing": None,
    "empty": b"",
    "no text": b"\xff\xfe\x00",
    "another table": b"a,b\n1,2\n",
    "unequal rows": b"trial,state\n1\n",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_without_the_table_of_trials_there_is_one_warning(tmp_path, content):
    folder = write_sweep(tmp_path / "s", 5, space=FEW)
    if content is None:
        folder.trials.unlink()
    else:
        folder.trials.write_bytes(content)
    found = of_sweep_in(folder.path)
    warnings = [block.text for block in blocks_of(found, Text) if block.kind == "warning"]
    assert warnings == ["trials.csv is missing or damaged: the trials are not shown."]
    assert "is the winner" in found.lead[0].text
    render(found)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("state", "finished"),
        ("val_accuracy", "nan"),
        ("val_accuracy", "much"),
        ("trial", "1.5"),
        ("epochs", "1e999"),
        ("train.batch_size", "48"),
        ("train.optimizer.sgd.learning_rate", "7"),
    ],
)
def test_a_cell_that_cannot_be_makes_the_table_damaged(tmp_path, column, cell):
    import csv

    folder = write_sweep(tmp_path / "s", 3, space=FEW, has_outcome=False)
    rows = list(csv.DictReader(folder.trials.read_text().splitlines()))
    rows[1][column] = cell
    with folder.trials.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert sweep_source.read(folder.path).problem


@pytest.mark.parametrize(
    "outcome",
    ["", "[", "[]", "{}", '{"trials": 1, "candidates": 1, "finalists": [{"trial": -1}], "claims": {}}', "null"],
)
def test_a_damaged_outcome_is_none(tmp_path, outcome):
    folder = write_sweep(tmp_path / "s", 5, space=FEW)
    folder.outcome.write_text(outcome)
    assert "the finalists are not chosen yet" in texts_of(of_sweep_in(folder.path))


def test_a_thousand_trials_take_seconds_and_have_one_line_each(tmp_path):
    folder = write_sweep(tmp_path / "s", 1000, space=FEW, seeds=1)
    import sklearn.ensemble  # noqa: F401 - its import is not measured

    start = time.process_time()
    found = of_sweep_in(folder.path)
    page = render(found)
    assert time.process_time() - start < 8
    assert len(page) < 3_000_000
    assert len(blocks_of(found, Parallel)[0].lines) == 1000
    assert len(blocks_of(found, Table, "search-trials")[0].rows) == 1000


def test_of_many_keys_the_most_important_are_drawn(tmp_path):
    space = {f"train.callbacks[{index}].x": {"linear": [0.0, 1.0]} for index in range(30)}
    folder = write_sweep(tmp_path / "s", 5, space=space, has_outcome=False)
    found = of_sweep_in(folder.path)
    assert len(blocks_of(found, Chart, "search-slices")) == search_plots.MOST_SLICES
    assert "The 24 first of 30 keys are drawn." in texts_of(found, "search-slices")
    assert len(blocks_of(found, Parallel)[0].scales) == search_plots.MOST_AXES + 1


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_of_a_sweep_becomes_markup(tmp_path, monkeypatch, text):
    plain = text.encode("utf-8", "replace").decode().replace("\x00", "").replace("\x1b", "").replace("\ufffe", "")
    space = {**FEW, "model.layers[1].dense.activation": ["relu", plain or "x"]}
    folder = write_sweep(tmp_path / "s", 4, failed=1, space=space, seeds=1)
    table = folder.trials.read_text()
    reason = '"' + " ".join(plain.split()).replace('"', '""') + '"'
    folder.trials.write_text(table.replace("diverged: the loss is nan", reason))
    found = of_sweep_in(folder.path)
    assert len(blocks_of(found, Table, "search-trials")) == 1
    page = render(found)
    assert f"<script>{HACK}" not in page
    assert "<img src=x" not in page
    assert page.count("<script") == 1
    monkeypatch.setattr(files, "write_folder", lambda folder, save: None)  # the images take long
    written = write(found, tmp_path / "md").read_text()
    assert "<script" not in re.sub(r"(?ms)^(`{3,}).*?^\1$", "", written)


def test_report_writes_the_page_into_the_folder_of_the_sweep(cnnlab, tmp_path):
    write_sweep(tmp_path / "runs/tiny-sweep", 6, space=FEW, seeds=0)
    for _ in range(2):
        done = cnnlab("report", "runs/tiny-sweep")
        assert (done.returncode, done.stdout, done.stderr) == (0, "report: runs/tiny-sweep/report.html\n", "")
    assert "tiny: sweep of 6 trials" in (tmp_path / "runs/tiny-sweep/report.html").read_text()
    done = cnnlab("report", "runs/tiny-sweep", "--format", "md")
    assert done.returncode == 0, done.stderr
    images = list((tmp_path / "runs/tiny-sweep/report/report-files").iterdir())
    assert sum("parallel" in image.name for image in images) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metric", "test_loss"], "--metric: is for several runs, and runs/tiny-sweep is a sweep"),
        (["--top", "1"], "--top: is for several runs, and runs/tiny-sweep is a sweep"),
    ],
)
def test_options_of_compare_are_refused(cnnlab, tmp_path, arguments, words):
    write_sweep(tmp_path / "runs/tiny-sweep", 3, space=FEW)
    assert_one_line(cnnlab("report", "runs/tiny-sweep", *arguments), 2, words)
    assert not (tmp_path / "runs/tiny-sweep/report.html").exists()


def test_a_damaged_space_is_one_line(cnnlab, tmp_path):
    folder = write_sweep(tmp_path / "runs/tiny-sweep", 3, space=FEW)
    folder.space.write_text("[")
    done = cnnlab("report", "runs/tiny-sweep")
    assert (done.returncode, done.stdout) == (2, "")
    assert "sweep.yaml" in done.stderr


def test_the_checklist_knows_how_the_finalists_were_chosen(document):
    from cnnlab.report.blocks import Checklist

    (checklist,) = blocks_of(document, Checklist)
    item = next(item for item in checklist.items if item.label.startswith("How the hyperparameters were chosen"))
    assert item.state is True
    assert item.text.startswith(
        "random over 6 keys, 60 trials: 48 complete, 8 pruned, 4 failed, compared by val_accuracy"
    )


def test_without_finalists_the_best_value_is_said_to_be_luck(tmp_path):
    folder = write_sweep(tmp_path / "s", 4, space=FEW, finalists=0)
    assert "partly luck: no finalists were asked for." in texts_of(of_sweep_in(folder.path))


def test_trials_of_one_point_are_one_finalist(tmp_path):
    space = space_of(tmp_path, FEW)
    point = {"train.batch_size": 32, "train.optimizer.sgd.learning_rate": 0.01}
    other = {**point, "train.batch_size": 64}
    values = [(0.9, point), (0.95, point), (0.8, other), (0.95, point), (0.7, other)]
    trials = [Trial(n, "complete", at, value, "w", None, False) for n, (value, at) in enumerate(values)]
    assert [trial.number for trial in finalists(trials, space)] == [1, 2]


@pytest.mark.skipif(FOUND is None, reason="no browser is installed")
def test_nothing_overflows_or_is_cut_off_on_paper(visit, document):  # noqa: F811
    page = visit(document, **wide(360))
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) <= 0, width
    page.set_viewport_size({"width": A4, "height": 800})
    page.emulate_media(media="print")
    assert [one for one in page.evaluate(SHOWN) if one[2] < -1 or one[3] > A4 + 1] == []


def test_after_a_sweep_its_page_is_in_its_folder(tmp_path, capsys):
    folder = write_sweep(tmp_path / "s", 4, space=FEW, seeds=0)
    after_sweep(folder.path)
    assert "is the winner of 4" in (folder.path / "report.html").read_text()
    assert capsys.readouterr().err == f"report: {folder.path / 'report.html'}\n"

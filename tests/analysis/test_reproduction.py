"""Published results compared with ours, and new runs compared with the expected results of their config."""

from dataclasses import replace

import pytest

from benchmarks import races, working_filters
from benchmarks import reproduction as pages
from cnnlab.analysis import reproduction, results
from cnnlab.analysis.expected import compare_with_expected, describe_expected
from cnnlab.analysis.results import Epoch, Result, recipe_of
from cnnlab.config import shipped
from cnnlab.config.load import load, load_file, to_dict
from cnnlab.config.overrides import parse_set
from cnnlab.errors import RequestError
from cnnlab.experiment.summary import summarize
from cnnlab.runs.record import ExperimentRecord


def result(seed, accuracy, experiment="fc", loss=0.04, seconds=11.0, cores=2):
    return Result(
        experiment, "r", "d", seed, 100, accuracy, loss, 0.05, None, 7850, 10_000, seconds, "2.21.0", "a CPU", cores
    )


def usual(*accuracies):
    return [result(seed, accuracy) for seed, accuracy in enumerate(accuracies)]


FIVE = usual(0.981, 0.982, 0.983, 0.9815, 0.9825)


@pytest.mark.parametrize(
    ("accuracies", "line"),
    [
        ([0.981], "0.9810, as expected (0.9820 ± 0.0008, n = 5)"),
        ([0.9787], "0.9787, 4.2 standard deviations below what this config gives (0.9820 ± 0.0008, n = 5)"),
        ([0.99], "0.9900, 10.1 standard deviations above what this config gives (0.9820 ± 0.0008, n = 5)"),
        ([0.981, 0.982, 0.983], "0.9820 ± 0.0010, as expected (0.9820 ± 0.0008, n = 5)"),
        (
            [0.975, 0.976, 0.977],
            "0.9760 ± 0.0010, 7.6 standard deviations below what this config gives (0.9820 ± 0.0008, n = 5)",
        ),
    ],
)
def test_a_run_is_compared_with_the_expected_results_of_its_config(accuracies, line):
    assert compare_with_expected(accuracies, FIVE, 10_000) == line


def test_a_single_result_gives_no_expectation():
    assert compare_with_expected([0.9], usual(0.98), 10_000) == compare_with_expected([0.9], [], 10_000) == ""


def test_results_without_spread_allow_for_rounding():
    same = usual(0.98, 0.98, 0.98)
    assert "as expected" in compare_with_expected([0.9801], same, 10_000)
    assert "below what this config gives" in compare_with_expected([0.97], same, 10_000)


def test_a_heading_shows_mean_std_seeds_and_time():
    assert describe_expected(FIVE, [(12, [0.75, 0.752])]) == (
        "test accuracy 0.9820 ± 0.0008 (mean ± standard deviation, seeds 0 to 4), 0.7510 ± 0.0014 after 12 epochs; 11 s "
        "on 2 cores"
    )
    assert describe_expected([result(3, 0.9, seconds=200, cores=1)]) == "test accuracy 0.9000 (seed 3); 3 min on 1 core"
    assert describe_expected([result(3, 0.9, cores=None)]).endswith("; 11 s")
    assert "seeds 0, 7)" in describe_expected([result(0, 0.9), result(7, 0.91)])
    assert describe_expected([]) == "not measured yet"


def changed(*sets):
    return recipe_of(load("lenet", [parse_set(text) for text in sets]))


def test_a_recipe_contains_everything_that_affects_the_results():
    same = recipe_of(load("lenet"))
    for text in ("seed=7", "name=other", "train.keep=5", "train.devices=cpu", "train.callbacks=[tensorboard]"):
        assert changed(text) == same, text
    for text in (
        "train.epochs=7",
        "data.limit=100",
        "train.callbacks=[early_stopping: 3]",
        "train.precision=mixed_bfloat16",
    ):
        assert changed(text) != same, text


def test_shipped_experiments_match_the_recipes_of_their_results():
    """On failure the results belong to another experiment: train it again with `cnnlab reproduce --save configs/results`."""
    known = {row.experiment: row.recipe for row in results.results()}
    for name, recipe in known.items():
        assert recipe_of(load_file(shipped.paths()[name])) == recipe, name


def test_shipped_experiments_match_the_recipes_of_their_records():
    """On failure the record belongs to another experiment: `python -m benchmarks.races --only NAME` measures it."""
    for name, record in races.records().items():
        assert recipe_of(load_file(shipped.paths()[name])) == record["recipe"], name


def test_generated_page_and_headings_match_the_results():
    assert (pages.DOCS / "reproduction.md").read_text(encoding="utf-8") == pages.page(), "run `make docs`"
    for path in shipped.paths().values():
        assert path.read_text(encoding="utf-8") == pages.up_to_date(path), "run `make docs`"


def test_a_new_expectation_replaces_only_the_previous_one():
    text = (
        "# A net.\n#\n# Command: cnnlab train a\n# Expected: old\n#   and long.\n# yaml-language-server: x\nname: a\n"
    )
    new = pages.with_expectation(text, "test accuracy 0.9 " + "and more words " * 12)
    assert new.splitlines()[:3] == text.splitlines()[:3]
    assert new.splitlines()[3].startswith("# Expected: test accuracy 0.9 and more")
    assert new.splitlines()[4].startswith("#   ")
    assert new.endswith("# yaml-language-server: x\nname: a\n")
    assert max(map(len, new.splitlines())) < 120
    assert pages.with_expectation(new, "old") == pages.with_expectation(text, "old")


def lines(**changes):
    experiment = load("fc", [parse_set(f"{key}={value}") for key, value in changes.items()])
    runs = [
        result(seed, accuracy, loss=loss)
        for seed, accuracy, loss in ((0, 0.85, 0.042), (1, 0.852, 0.0425), (2, 0.851, 0.0421))
    ]
    epochs = [Epoch("fc", seed, 1, accuracy, 0.173) for seed, accuracy in enumerate((0.4, 0.401, 0.402))]
    return list(reproduction.compare_with_published("fc", experiment, runs, epochs))


def test_each_published_epoch_is_a_row_and_the_last_row_is_the_final_epoch():
    first, *_, last = lines()
    assert (first.epoch, last.epoch, last.id) == (1, 100, "fc-mse")
    assert len(lines()) == 16
    assert last.accuracy.published == 0.852
    assert last.accuracy.ours.mean == pytest.approx(0.851)
    assert last.verdict == "reproduced within noise"
    assert first.verdict == "accuracy differs by +3.2 points"
    assert lines()[1].verdict == "no results for this epoch"


def test_published_values_are_known_to_their_last_digit():
    experiment = load("mlp-1200")
    assert experiment.published.accuracy == 0.98
    for accuracy, verdict in ((0.9849, "reproduced within noise"), (0.9852, "accuracy differs by +0.5 points")):
        (line,) = reproduction.compare_with_published("mlp-1200", experiment, usual(accuracy, accuracy, accuracy), [])
        assert line.verdict == verdict


def test_a_prediction_interval_wider_than_half_a_point_is_called_wide():
    (line,) = reproduction.compare_with_published("mlp-1200", load("mlp-1200"), usual(0.93, 0.97, 0.98), [])
    assert line.verdict == "within noise, which is wide: -2.0 points"


def test_one_seed_gives_no_noise_estimate():
    (line,) = reproduction.compare_with_published("mlp-1200", load("mlp-1200"), usual(0.9812), [])
    assert line.verdict == "not tested: one seed"


def test_equal_seeds_give_no_precision_below_one_example():
    few = [replace(one, test_examples=360) for one in usual(0.9722, 0.9722)]
    (line,) = reproduction.compare_with_published(
        "mlp-1200", load("mlp-1200", [parse_set("published.accuracy=0.969")]), few, []
    )
    assert line.verdict == "reproduced within noise"


def test_published_values_apply_only_to_the_same_data_and_epochs():
    shipped_fc = to_dict(load("fc"))

    def printed(experiment, figure="accuracy"):
        return reproduction.published_value(ExperimentRecord.parse(experiment), figure)

    assert printed(shipped_fc) == 0.852
    assert printed(shipped_fc, "seconds") is None
    assert printed({**shipped_fc, "train": {**shipped_fc["train"], "epochs": 2}}) is None
    assert printed({**shipped_fc, "data": {"name": "digits"}}) is None
    assert printed({**shipped_fc, "published": {"accuracy": 10**400}}) is None
    edited = {**shipped_fc, "data": {"name": "digits"}, "published": {"source": "a book", "accuracy": 0.9}}
    assert printed(edited) == 0.9


def test_without_a_published_value_only_ours_is_shown():
    (line,) = reproduction.compare_with_published("softmax", load("softmax"), usual(0.9, 0.91), [])
    assert (line.epoch, line.verdict) == (10, "nothing published")
    assert line.accuracy.ours.mean == pytest.approx(0.905)


def test_experiments_are_selected_by_name_or_id_cheapest_first():
    assert list(reproduction.select_experiments(["lenet", "fc-mse"])) == ["fc", "lenet"]
    assert set(reproduction.select_experiments(["gender-cnn"])) == {"gender-cnn", "gender-cnn-dropout"}
    everything = list(reproduction.select_experiments([]))
    assert everything[-1] == "resnet20"
    assert "digits" not in everything
    with pytest.raises(
        RequestError, match=r"lenet-5: neither a shipped experiment nor the source's name of one; did you mean 'lenet5'"
    ):
        reproduction.select_experiments(["lenet-5"])


def test_result_tables_round_trip_and_other_tables_are_unchanged(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "folder", lambda: tmp_path)
    results.results.cache_clear()
    other = result(0, 0.5, "other")
    results.write(tmp_path, [result(0, 0.1), other], [Epoch("fc", 0, 1, 0.1, 0.2), Epoch("other", 0, 1, 0.1, 0.2)])
    results.write(tmp_path, FIVE, [Epoch("fc", 0, 2, 0.3, 0.4)])
    assert results.results() == (*FIVE, other)
    assert results.epochs("fc") == [Epoch("fc", 0, 2, 0.3, 0.4)]
    assert len(results.epochs("other")) == 1
    results.results.cache_clear()


@pytest.mark.parametrize("name", sorted(name for name in shipped.paths() if name.endswith(pages.BETTER)))
def test_better_experiments_have_no_more_epochs_or_parameters_and_do_not_select_on_the_test_set(name):
    better, base = (load_file(shipped.paths()[one]) for one in (name, name.removesuffix(pages.BETTER)))
    assert better.train.epochs == base.train.epochs
    assert better.data.validation not in ("test", 0)
    costs = [summarize(one.model.layers, one.input_shape).cost for one in (better, base)]
    assert costs[0].parameters == costs[1].parameters


def test_deviations_link_to_the_pages_they_name():
    text = "# Deviations: four filters\n#   (docs/working-filters.md).\n# Command: x\n"
    assert pages.deviations(text) == "Deviations: four filters ([working-filters.md](working-filters.md))."


def test_accuracies_are_grouped_by_the_number_of_working_filters():
    counts = [
        working_filters.Count(seed, accuracy, working, 0, 4 - working, "")
        for seed, (accuracy, working) in enumerate([(0.97, 4), (0.96, 4), (0.93, 1), (0.95, 2)])
    ]
    table = working_filters.table("conv", 0.972, counts)
    assert "The slides print 0.972" in table
    assert "4 of 4, 0.9650 (2 seeds); 2 of 4, 0.9500 (1 seed); 1 of 4, 0.9300 (1 seed)" in table
    assert "correlation of the two over the 4 seeds is 0.95 (p = 0.051), which so few seeds do not prove." in table
    assert [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")][1:] == list("0132")

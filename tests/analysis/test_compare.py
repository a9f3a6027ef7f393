"""Groups of runs, their verdicts, and the runs that are excluded."""

import numpy as np
import pytest
from scipy import stats

from cnnlab.analysis.compare import compare
from cnnlab.analysis.where import parse_where
from cnnlab.errors import RequestError, RunError
from tests.conftest import make_run

EXAMPLES = 1000


def experiment(seed=0, rate=0.1, **changes):
    return {
        "name": "tiny",
        "data": {"name": "digits", "validation": 0.1},
        "model": {"layers": ["flatten", {"dense": {"units": 10}}]},
        "train": {"epochs": 12, "optimizer": {"sgd": {"learning_rate": rate}}, "callbacks": [], "deterministic": True},
        "seed": seed,
        **changes,
    }


def record(accuracy, *, test="a", **changes):
    return {
        "status": "finished",
        "experiment": experiment(),
        "parameters": 10,
        "multiplications": 20,
        "data": {
            "fingerprint": "f",
            "splits": {"test": {"examples": EXAMPLES, "pictures": test, "labels": test}},
        },
        "results": {"test_accuracy": accuracy, "test_loss": 1 - accuracy},
        **changes,
    }


@pytest.fixture
def add(tmp_path):
    """A function that writes a run with this accuracy, learning rate and seed."""

    def make(accuracy, seed=0, rate=0.1, *, loss=None, validation=None, folder=".", **changes):
        run_record = record(0.5, **{"experiment": experiment(seed, rate), **changes})
        if "results" not in changes:
            run_record["results"] = {"test_accuracy": accuracy, "test_loss": loss or 1 - accuracy}
            run_record["results"] |= {} if validation is None else {"val_accuracy": validation}
        (tmp_path / folder).mkdir(exist_ok=True)
        run = make_run(tmp_path / folder, "tiny", None, run_record)
        right = np.arange(EXAMPLES) < round(accuracy * EXAMPLES)
        (run.path / "evaluation").mkdir()
        run.correct("test").write_bytes(np.packbits(right).tobytes())
        return run

    return make


def verdict_texts(comparison):
    return [row.verdict.text for row in comparison.rows]


def test_runs_that_differ_only_in_seed_form_one_row(add, tmp_path):
    for seed, accuracy in enumerate([0.97, 0.98, 0.99]):
        add(accuracy, seed)
        add(accuracy - 0.05, seed, rate=0.2)
    found = compare([tmp_path])
    assert found.settings == ["train.optimizer.sgd.learning_rate"]
    assert [(row.group.name, row.group.seeds, row.estimate.n) for row in found.rows] == [
        ("tiny-1", [0, 1, 2], 3),
        ("tiny-2", [0, 1, 2], 3),
    ]
    assert found.rows[0].estimate.mean == pytest.approx(0.98)
    assert found.rows[0].estimate.std == pytest.approx(0.01)
    assert found.rows[0].outcomes["parameters"] == 10
    assert found.rows[0].outcomes["multiplications"] == 20


def test_experiment_name_does_not_affect_grouping(add, tmp_path):
    add(0.9, 0)
    add(0.9, 1, experiment=experiment(1, name="other", published={"source": "x"}))
    (row,) = compare([tmp_path]).rows
    assert row.estimate.n == 2


def names(comparison):
    return [row.group.name for row in comparison.rows]


def test_groups_are_sorted_and_chosen_by_validation_results(add, tmp_path):
    for seed, noise in enumerate([-0.01, 0, 0.01]):
        add(0.90 + noise, seed, validation=0.95)
        add(0.98 + noise, seed, rate=0.2, validation=0.94)
        add(0.80 + noise, seed, rate=0.3, validation=0.96)
    found = compare([tmp_path])
    assert (found.metric, found.ranking, found.reference.name) == ("test_accuracy", "val_accuracy", "tiny-3")
    assert [(row.group.name, row.ranking.mean, row.estimate.mean) for row in found.rows] == [
        ("tiny-3", pytest.approx(0.96), pytest.approx(0.8)),
        ("tiny-1", pytest.approx(0.95), pytest.approx(0.9)),
        ("tiny-2", pytest.approx(0.94), pytest.approx(0.98)),
    ]
    assert verdict_texts(found) == ["best by validation", "detectably better", "detectably better"]
    assert names(compare([tmp_path], metric="accuracy")) == ["tiny-2", "tiny-1", "tiny-3"]
    assert verdict_texts(compare([tmp_path], metric="test_accuracy"))[0] == "best"
    assert names(compare([tmp_path], sort="test_accuracy")) == ["tiny-2", "tiny-1", "tiny-3"]
    assert compare([tmp_path], sort="accuracy").reference.name == "tiny-3"
    assert compare([tmp_path], baseline="tiny-2").reference.name == "tiny-2"


def test_validation_is_not_used_to_choose_if_it_is_the_test_set_or_missing_in_some_runs(add, tmp_path):
    add(0.9, validation=0.5)
    add(0.8, rate=0.2)
    assert compare([tmp_path]).ranking == "test_accuracy"
    add(0.8, rate=0.2, validation=0.6)
    assert compare([tmp_path]).ranking == "val_accuracy"
    add(0.7, validation=0.7, experiment=experiment(data={"name": "digits", "validation": "test"}))
    assert compare([tmp_path]).ranking == "test_accuracy"


def test_runs_without_test_results_are_compared_by_validation(add, tmp_path):
    for seed, noise in enumerate([-0.01, 0, 0.01]):
        add(0.5, seed, results={"val_accuracy": 0.8 + noise})
        add(0.5, seed, rate=0.2, results={"val_accuracy": 0.9 + noise})
    found = compare([tmp_path])
    assert (found.metric, found.ranking, found.reference.name) == ("val_accuracy", "val_accuracy", "tiny-2")
    assert found.beside is None
    assert found.notes[1:] == ["no run here measured the test set: compared by val_accuracy"]
    for seed in range(3):
        add(0.99, seed, rate=0.3, validation=0.7)
    found = compare([tmp_path])
    assert found.notes[1:] == [
        "not every run measured the test set: compared by val_accuracy, of which interval, verdict and p are"
    ]
    assert verdict_texts(compare([tmp_path], metric="test_accuracy")) == ["best", *["has no such metric"] * 2]


def settings(name="tiny", seed=0, rate=0.1, **train):
    """An experiment with other settings of `train`."""
    plain = experiment(seed, rate, name=name)
    return {**plain, "train": {**plain["train"], **train}}


def test_only_validation_is_tested_where_some_left_the_test_set_alone(add, tmp_path):
    for seed, noise in enumerate([-0.01, 0, 0.01]):
        add(0.97 + noise, seed, validation=0.8, experiment=settings(seed=seed, test="end"))
        results = {"val_accuracy": 0.9 + noise}
        add(0.5, seed, results=results, experiment=settings(seed=seed, rate=0.2, test="never"))
    found = compare([tmp_path])
    assert (found.metric, found.ranking, found.beside) == ("val_accuracy", "val_accuracy", "test_accuracy")
    assert [(row.group.name, row.beside and row.beside.mean) for row in found.rows] == [
        ("tiny-2", None),
        ("tiny-1", pytest.approx(0.97)),
    ]
    assert found.rows[1].verdict.difference == pytest.approx(-0.1)
    assert "; --where train.test=end leaves those that did" in found.notes[1]
    assert names(compare([tmp_path], sort="accuracy")) == ["tiny-1", "tiny-2"]
    named = compare([tmp_path], metric="val_accuracy")
    assert named.beside is None
    assert not any("test" in note for note in named.notes[1:])


def test_candidates_are_counted_by_configuration_where_validation_chose(add, tmp_path):
    for rate in (0.1, 0.2, 0.3):
        add(0.9, rate=rate, validation=rate)
    (note,) = compare([tmp_path]).notes
    assert note.startswith("3 candidates of tiny were looked at, ranked by val_accuracy")
    assert f"`cnnlab train {tmp_path}/tiny-3/config.yaml --seeds 1,2,3,4,5 " in note
    assert compare([tmp_path], metric="test_accuracy").notes == []
    (note,) = compare([tmp_path], top=1).notes
    assert note.startswith("3 candidates")
    (note,) = compare([tmp_path], metric="val_loss", where=[parse_where("seed=0")]).notes or [""]
    assert note == ""  # no run has that metric: nothing was chosen


def test_other_names_data_and_costs_of_training_are_no_candidates(add, tmp_path):
    add(0.9, validation=0.9)
    add(0.9, validation=0.9, experiment=settings("other", rate=0.2))
    sizes = {"name": "digits", "validation": 0.1, "train_sizes": [10]}
    add(0.9, validation=0.9, experiment=experiment(data=sizes), data={"fingerprint": "g"})
    add(0.9, validation=0.9, experiment=settings(devices=2))
    assert not any("candidates" in note for note in compare([tmp_path]).notes)
    add(0.9, validation=0.8, experiment=settings("other", rate=0.3))
    (note,) = [note for note in compare([tmp_path]).notes if "candidates" in note]
    assert note.startswith("2 candidates of other were looked at")
    add(0.9, rate=0.4, validation=0.8)
    (note,) = [note for note in compare([tmp_path]).notes if "candidates" in note]
    assert "2 candidates of tiny and 2 of other were looked at" in note
    assert note.endswith(", and likewise for the others")


def test_candidates_chosen_by_the_test_set_are_not_said_to_be_chosen_by_validation(add, tmp_path):
    on_test = {"name": "digits", "validation": "test"}
    for rate in (0.1, 0.2):
        add(0.9, validation=0.9, experiment=experiment(rate=rate, data=on_test))
    notes = [*compare([tmp_path]).notes, *compare([tmp_path], metric="val_accuracy").notes]
    assert not any("candidates" in note for note in notes)


def test_pruned_runs_are_skipped_and_were_candidates(add, tmp_path):
    add(0.9, results={"val_accuracy": 0.9})
    for number in range(20):
        add(0.9, rate=1 + number, validation=0.5, status="pruned")
    found = compare([tmp_path])
    assert len(found.rows) == 1
    candidates, _, skipped = found.notes
    assert candidates.startswith("21 candidates of tiny were looked at")
    assert skipped.startswith(f"skipped: {tmp_path}/tiny-2: pruned; ")
    assert skipped.endswith("; and 15 more")


def test_finals_of_a_sweep_are_on_other_seeds_than_its_trials(add, tmp_path):
    for rate in (0.1, 0.2):
        add(0.5, rate=rate, results={"val_accuracy": 0.8 + rate}, experiment=settings(rate=rate, test="never"))
    assert " --set train.test=end --runs fresh`" in compare([tmp_path]).notes[0]
    for seed in (1, 2):
        add(0.9, seed, validation=0.95, experiment=settings(seed=seed, rate=0.2, test="end"))
    found = compare([tmp_path])
    assert names(found) == ["tiny-2", "tiny-3", "tiny-1"]
    assert found.notes[0].startswith("2 candidates of tiny were looked at")
    assert found.notes[0].endswith("; tiny-3 measures the best on other seeds, and on the test set")
    add(0.9, 0, validation=0.9, experiment=settings(seed=0, rate=0.2, test="end"))  # the seed that it was chosen by
    assert " --set train.test=end --runs fresh`" in compare([tmp_path]).notes[0]


@pytest.mark.parametrize(
    ("key", "value"), [("threads", 1), ("input_pipeline", "streamed"), ("keep", 5), ("checkpoint_minutes", 1.0)]
)
def test_settings_that_change_no_more_than_last_digits_make_no_other_experiment(add, tmp_path, key, value):
    add(0.9, 0, validation=0.9)
    add(0.8, 1, validation=0.9, experiment=settings(seed=1, **{key: value}))
    add(0.7, 1, rate=0.2, validation=0.9, experiment=settings(seed=1, rate=0.2, **{key: value}))
    found = compare([tmp_path])
    assert sorted(row.group.seeds for row in found.rows) == [[0, 1], [1]]
    assert found.settings == ["train.optimizer.sgd.learning_rate"]
    assert len(compare([tmp_path], where=[parse_where(f"train.{key}={value}")]).rows) == 2


@pytest.mark.parametrize(("key", "value"), [("devices", 2), ("test", "never"), ("deterministic", False)])
def test_settings_that_change_speed_or_what_is_measured_make_another_row(add, tmp_path, key, value):
    add(0.9, experiment=settings(devices="auto", test="end"))
    add(0.8, 1, experiment=settings(seed=1, **{"devices": "auto", "test": "end", key: value}))
    assert compare([tmp_path]).settings == [f"train.{key}"]


def test_differing_validation_examples_are_reported_when_they_decide_the_choice(add, tmp_path):
    splits = record(0)["data"]["splits"]
    for rate, count in ((0.1, 10), (0.2, 20)):
        add(0.9, rate=rate, validation=0.9, data={"splits": {**splits, "validation": {"examples": count}}})
    _, note = compare([tmp_path]).notes
    assert note == "not all have the same validation examples, by which the best is chosen"
    assert compare([tmp_path], metric="test_accuracy").notes == []


def test_best_epoch_validation_accuracy_is_shown_next_to_the_last_epoch(add, tmp_path):
    stops = {"early_stopping": {"patience": 2, "monitor": "val_accuracy", "restore_best_weights": True}}
    add(0.9, validation=0.9)
    add(0.9, validation=0.9, experiment=experiment(train={"callbacks": [stops]}))
    _, note = compare([tmp_path]).notes
    assert note.startswith("tiny-2: the validation accuracy is that of the best epoch, which early_stopping chose")
    assert compare([tmp_path], metric="test_accuracy").notes == []


def test_two_seeds_are_reported_as_too_few(add, tmp_path):
    for seed in range(2):
        add(0.979 + seed / 1000, seed)
        add(0.2 + seed / 5, seed, rate=0.2)
    (_, row) = compare([tmp_path]).rows
    assert row.verdict.text == "two seeds are too few"
    assert row.verdict.seeds_needed == 3
    for seed in range(2, 5):
        add(0.979 + seed / 1000, seed)
        add(0.978 + seed / 1000 * (-1) ** seed, seed, rate=0.2)
    (_, row) = compare([tmp_path]).rows
    assert row.verdict.text == "no detectable difference"
    assert row.verdict.seeds_needed > 5


def test_equal_seeds_use_the_paired_test_and_different_seeds_use_welch(add, tmp_path):
    ours, theirs = [0.971, 0.981, 0.991], [0.965, 0.976, 0.984]
    for seed in range(3):
        add(ours[seed], seed)
        add(theirs[2 - seed], 2 - seed, rate=0.2)  # listed in another order
        add(theirs[seed], 7 + seed, rate=0.3)
    best, *rest = compare([tmp_path]).rows
    assert best.verdict.text == "best"
    tests = {row.settings["train.optimizer.sgd.learning_rate"]: row.verdict.test for row in rest}
    assert (tests[0.2].method, tests[0.3].method) == ("paired t", "Welch's t")
    assert tests[0.2].p == pytest.approx(stats.ttest_rel(theirs, ours).pvalue)
    assert tests[0.3].p == pytest.approx(stats.ttest_ind(theirs, ours, equal_var=False).pvalue)
    assert tests[0.2].low < -0.006 < tests[0.2].high < 0
    corrected = {row.settings["train.optimizer.sgd.learning_rate"]: row.verdict.p for row in rest}
    assert corrected[0.2] == pytest.approx(3 * tests[0.2].p)  # any of three pairs can be the best and another
    assert corrected[0.3] == pytest.approx(2 * tests[0.3].p)


def test_with_a_baseline_p_is_corrected_only_for_comparisons_with_it(add, tmp_path):
    for seed in range(3):
        add([0.97, 0.98, 0.99][seed], seed)
        for rate in (0.2, 0.3):
            add([0.95, 0.97, 0.97][seed], seed, rate)
    for name in ("tiny-2", "tiny-5", str(tmp_path / "tiny-5")):
        found = compare([tmp_path], baseline=name)
        assert found.reference.name == "tiny-2"
        assert [row.verdict.text for row in found.rows if row.group is found.reference] == ["baseline"]
    p = {row.group.name: (row.verdict.p, row.verdict.test.p) for row in found.rows if row.verdict.test}
    assert p["tiny-1"][0] == pytest.approx(2 * p["tiny-1"][1])
    for name, message in (("tiny-x", "did you mean"), ("tiny", "several have this name; name a run")):
        with pytest.raises(RequestError, match=f"--baseline {name}: .*{message}"):
            compare([tmp_path], baseline=name)


def test_single_runs_are_compared_by_their_predictions(add, tmp_path):
    add(0.99)
    add(0.95, rate=0.2)
    add(0.988, rate=0.3)
    best, close, far = compare([tmp_path]).rows
    assert close.verdict.test.method == far.verdict.test.method == "McNemar, exact"
    assert far.verdict.test.p == pytest.approx(stats.binomtest(0, 40).pvalue)
    assert close.verdict.test.p == pytest.approx(0.5)
    assert [row.verdict.text for row in (best, close, far)] == ["best", "no detectable difference", "detectably worse"]


def test_single_runs_without_predictions_cannot_be_compared(add, tmp_path):
    add(0.99)
    add(0.9, rate=0.2).correct("test").unlink()
    add(0.8, rate=0.3).correct("test").write_bytes(b"\0")
    assert verdict_texts(compare([tmp_path])) == [
        "best",
        *["not tested: one run each, without saved test predictions (`cnnlab evaluate RUN --split test` saves them)"]
        * 2,
    ]
    assert verdict_texts(compare([tmp_path], metric="loss"))[1] == "not tested: one run each; try --seeds 5"


def test_a_single_run_is_not_compared_with_several(add, tmp_path):
    """Its spread is unknown; with the spread of the others, a lucky seed would pass for a better network."""
    for seed, accuracy in enumerate([0.97, 0.98, 0.975]):
        add(accuracy, seed)
    add(0.9, rate=0.2)
    one = compare([tmp_path]).rows[1].verdict
    assert one.text == "not tested: one run of tiny-4, whose seeds may spread otherwise"
    assert (one.test, one.p) == (None, None)
    (_, two) = compare([tmp_path], baseline="tiny-4").rows
    assert two.verdict.text == "baseline"


def test_losses_that_differ_by_rounding_are_equal(add, tmp_path):
    for seed in range(3):
        add(0.9, seed, loss=2.302585)
        add(0.9, seed, rate=0.2, loss=2.302586)
    assert verdict_texts(compare([tmp_path], metric="loss"))[1] == "no detectable difference"


def test_equal_accuracies_have_an_interval(add, tmp_path):
    for seed in range(3):
        add(0.9, seed)
    (row,) = compare([tmp_path]).rows
    assert row.estimate.std == 0
    assert row.estimate.low < 0.9 < row.estimate.high


def test_an_empty_or_ambiguous_baseline_is_rejected(add, tmp_path):
    for folder, rate in (("a", 0.1), ("b", 0.2)):
        add(0.9, rate=rate, folder=folder)
    with pytest.raises(RequestError, match="--baseline : no such experiment or run here"):
        compare([tmp_path / "a", tmp_path / "b"], baseline="")
    with pytest.raises(RequestError, match=r"--baseline tiny-1: several have this name; name a run: .*a/tiny-1"):
        compare([tmp_path / "a", tmp_path / "b"], baseline="tiny-1")


def test_a_run_given_twice_is_counted_once(add, tmp_path):
    add(0.9)
    found = compare([tmp_path, tmp_path])
    assert len(found.rows[0].group.members) == 1
    assert found.notes == []


def test_saved_predictions_that_contradict_the_record_are_not_used(add, tmp_path):
    add(0.9)
    add(0.8, rate=0.2).correct("test").write_bytes(b"\xff" * (EXAMPLES // 8))
    verdict = verdict_texts(compare([tmp_path]))[1]
    assert verdict.startswith("not tested: ")
    assert verdict.endswith("tiny-2: its saved predictions are not those of its run.json")


def test_lower_losses_are_better(add, tmp_path):
    for seed, accuracy in enumerate([0.97, 0.98, 0.975]):
        add(accuracy, seed)
        add(accuracy - 0.1, seed, rate=0.2)
    found = compare([tmp_path], metric="loss")
    assert [row.group.name for row in found.rows] == ["tiny-1", "tiny-2"]
    assert verdict_texts(found) == ["best", "detectably worse"]
    assert verdict_texts(compare([tmp_path], metric="loss", baseline="tiny-2")) == ["detectably better", "baseline"]
    with pytest.raises(RequestError, match=r"--metric los: no such metric; did you mean 'loss'"):
        compare([tmp_path], metric="los")


def test_losses_of_different_kinds_are_not_compared(add, tmp_path):
    for loss in ("mse", {"cross_entropy": {}}):
        add(0.9, experiment=experiment(train={"loss": loss}))
    found = compare([tmp_path], metric="loss")
    assert verdict_texts(found)[1] == "not tested: another loss function"
    assert found.notes == ["not all have the same loss function, and losses of different kinds are not on one scale"]
    assert not compare([tmp_path]).notes


def test_different_test_examples_are_not_compared_and_are_reported(add, tmp_path):
    add(0.99, 0)
    add(0.9, 0, rate=0.2, data={"fingerprint": "g", "splits": record(0, test="b")["data"]["splits"]})
    found = compare([tmp_path])
    assert verdict_texts(found) == ["best", "not tested: other test examples"]
    assert found.notes[1] == "not all were measured on the same test examples; only those that were are tested"


def test_same_data_with_different_examples_form_another_group_with_a_warning(add, tmp_path):
    data = record(0)["data"]
    add(0.99, 0)
    add(0.98, 1, data={**data, "fingerprint": "g"})
    found = compare([tmp_path])
    assert len(found.rows) == 2
    assert found.notes[0].startswith("tiny-1 and tiny-2 name the same data and saw different examples")


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ({"callbacks": [{"early_stopping": {"patience": 2, "monitor": "val_loss"}}]}, "early_stopping"),
        ({"schedule": {"reduce_on_plateau": {"monitor": "val_accuracy"}}}, "reduce_on_plateau"),
        ({"callbacks": [{"early_stopping": {"patience": 2, "monitor": "loss"}}]}, None),
        ({"callbacks": [{"tensorboard": {}}], "schedule": {"constant": {}}}, None),
    ],
)
def test_runs_selected_on_the_test_set_are_named(add, tmp_path, train, reason):
    add(0.99, validation=0.99, experiment=experiment(data={"name": "digits", "validation": "test"}, train=train))
    notes = compare([tmp_path]).notes
    assert bool(notes) == bool(reason)
    if reason:
        assert notes[0].startswith(f"tiny: chose by the test set ({reason} with data.validation: test)")
    (note,) = compare([tmp_path], metric="val_accuracy").notes
    assert "test" in note


def test_the_newer_of_two_runs_with_the_same_seed_counts(add, tmp_path):
    add(0.9, 0, finished="2026-01-02")
    add(0.8, 0, finished="2026-01-03")
    add(0.7, 0, finished="2026-01-01")
    found = compare([tmp_path])
    (row,) = found.rows
    assert row.estimate.mean == 0.8
    (note,) = found.notes
    assert note.count("is the same experiment with the same seed") == 2


def test_unfinished_runs_are_excluded_and_named(add, tmp_path):
    add(0.9)
    for status in ("failed", "diverged"):
        add(0.99, 1, status=status)
    found = compare([tmp_path])
    (row,) = found.rows
    assert row.estimate.n == 1
    assert found.notes == [f"skipped: {tmp_path / 'tiny-2'}: failed; {tmp_path / 'tiny-3'}: diverged"]
    with pytest.raises(RunError, match=r"tiny-2: no finished run here to compare \(.*tiny-2: failed\)"):
        compare([tmp_path / "tiny-2"])


@pytest.mark.parametrize(
    ("condition", "count"),
    [
        ("train.epochs=12", 2),
        ("train.epochs=12.0", 2),
        ("train.optimizer=sgd", 2),
        ("train.optimizer.sgd.learning_rate=0.2", 1),
        ("model.layers[0]=flatten", 2),
        ("data.name=digits", 2),
        ("train.deterministic=true", 2),
    ],
)
def test_where_selects_matching_runs(add, tmp_path, condition, count):
    add(0.9)
    add(0.8, rate=0.2)
    assert len(compare([tmp_path], where=[parse_where(condition)]).rows) == count


@pytest.mark.parametrize(
    ("condition", "error", "message"),
    [
        ("train.epochs=13", RunError, "--where train.epochs=13: true of none of the 1 runs"),
        ("train.deterministic=1", RunError, "true of none"),
        ("epochs=12", RequestError, "--where epochs=12: no run here has that key; did you mean 'train.epochs'?"),
        ("train.epoch=12", RequestError, "did you mean 'train.epochs'?"),
        ("model.layers[9]=flatten", RequestError, "no run here has that key"),
        ("train.epochs", RequestError, "expected key=value, such as --where train.epochs=12"),
    ],
)
def test_where_without_matches_explains_why(add, tmp_path, condition, error, message):
    add(0.9)
    with pytest.raises(error) as caught:
        compare([tmp_path], where=[parse_where(condition)])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("column", "order"),
    [(None, [3, 1, 2]), ("accuracy", [3, 1, 2]), ("learning_rate", [2, 1, 3]), ("group", [1, 2, 3])],
)
def test_sorting_puts_the_best_first_and_top_limits_the_rows(add, tmp_path, column, order):
    for accuracy, rate in ((0.5, 0.8), (0.25, 0.7), (0.75, 0.9)):
        add(accuracy, rate=rate)
    rows = compare([tmp_path], sort=column).rows
    assert [row.group.name for row in rows] == [f"tiny-{number}" for number in order]
    top = compare([tmp_path], sort=column, top=2).rows
    assert [(row.group.name, row.verdict.p) for row in top] == [(row.group.name, row.verdict.p) for row in rows[:2]]


def test_an_unknown_column_is_rejected(add, tmp_path):
    add(0.5)
    with pytest.raises(RequestError, match=r"--sort acuracy: no such column; did you mean '(test_)?accuracy'\?"):
        compare([tmp_path], sort="acuracy")


def test_epochs_are_read_from_the_tables(add, tmp_path):
    for seed, best in enumerate([2, 3]):
        run = add(0.9, seed)
        rows = [f"{epoch},{0.9 if epoch == best else 0.5},{epoch / 10}" for epoch in (1, 2, 3)]
        run.metrics.write_text("\n".join(["epoch,val_accuracy,seconds", *rows, ""]))
    (row,) = compare([tmp_path]).rows
    assert row.outcomes["best_epoch"] == 2.5
    assert row.outcomes["seconds_per_epoch"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    "table", ["", "epoch\n", "epoch,val_accuracy\n1\n", "a,b\n1,2\n", "epoch,seconds\nx,nan\n", "\xff"]
)
def test_an_invalid_table_has_no_epochs(add, tmp_path, table):
    add(0.9).metrics.write_bytes(table.encode("latin-1"))
    (row,) = compare([tmp_path]).rows
    assert row.outcomes["best_epoch"] is row.outcomes["seconds_per_epoch"] is None


def test_a_damaged_run_is_excluded_with_a_warning(add, tmp_path, capsys):
    add(0.5)
    (add(0.5, 1).path / "run.json").write_text("{")
    (row,) = compare([tmp_path]).rows
    assert row.estimate.n == 1
    assert "damaged" in capsys.readouterr().err
    (tmp_path / "tiny-1" / "run.json").write_text("{")
    with pytest.raises(RunError, match="no run here can be read"):
        compare([tmp_path])


def test_records_of_earlier_versions_can_be_compared(add, tmp_path):
    """Version 0.1.0 had no `train.test`; optional keys of run.json may be missing."""
    add(0.9)
    add(
        0.8,
        1,
        parameters=None,
        multiplications=None,
        experiment=experiment(1, train={**experiment()["train"], "test": "end"}),
    )
    (row,) = compare([tmp_path]).rows
    assert row.estimate.n == 2


def test_groups_with_the_same_label_get_distinct_labels(tmp_path):
    for folder, rate in (("a", 0.1), ("b", 0.2)):
        make_run(tmp_path / folder, "tiny", None, record(0.9, experiment=experiment(0, rate)))
    names = [row.group.name for row in compare([tmp_path / "a", tmp_path / "b"], sort="learning_rate").rows]
    assert names == [str(tmp_path / "a/tiny-1"), str(tmp_path / "b/tiny-1")]

"""Simulated sweeps of a space in which nothing matters: what is reported of the winner is unbiased."""

import numpy as np
import pytest

from cnnlab.analysis.significance import estimate
from cnnlab.config.load import load_file
from cnnlab.sweep import study as states
from cnnlab.sweep.finals import finalists
from cnnlab.sweep.outcome import judge
from cnnlab.sweep.study import Trial
from tests.sweep.fakes import make_space, parsed

SWEEPS, TRIALS = 200, 20
TRUE = 0.95
BY_SEED, VALIDATION, TEST = 0.004, 500, 1000
"""The standard deviation of accuracy over seeds, as of the course's networks, and numbers of examples."""
SECTION = f"""\
sampler: grid
space:
  train.batch_size: {list(range(8, 8 + TRIALS))}
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Of many sweeps in which every point has the same accuracy."""
    folder = tmp_path_factory.mktemp("simulated")
    space = make_space(folder, SECTION)
    (folder / "base.yaml").write_text((folder / "space.yaml").read_text().partition("search:")[0])
    base = load_file(folder / "base.yaml")
    chance = np.random.default_rng(0)

    def run():
        """Accuracies of a run on validation and test examples: its seed makes it better or worse on both."""
        true = np.clip(TRUE + chance.normal(0, BY_SEED), 0, 1)
        return [float(chance.binomial(examples, true)) / examples for examples in (VALIDATION, TEST)]

    def sweep():
        trials = [
            Trial(number, states.COMPLETE, {"train.batch_size": 8 + number}, run()[0], None, None, False)
            for number in range(TRIALS)
        ]
        best = finalists(trials, space)
        records = {}
        for trial in best:
            train = base.train.model_copy(update={"batch_size": 8 + trial.number})
            records[trial.number] = []
            for seed in range(1, 1 + space.search.seeds):
                experiment = base.model_copy(update={"train": train, "seed": seed})
                val, test = run()
                path = folder / f"final-{trial.number}-{seed}"
                records[trial.number].append(parsed(experiment, path, val_accuracy=val, test_accuracy=test))
        chosen = [{"trial": one.number, "value": one.value, "point": one.point} for one in best]
        return judge("val_accuracy", TRIALS, chosen, records)

    return [sweep() for _ in range(SWEEPS)]


def winners_test_accuracy(outcome):
    return next(row.estimate.mean for row in outcome.comparison.rows if row.group is outcome.comparison.reference)


def test_the_value_by_which_the_winner_was_chosen_is_too_good(outcomes):
    """Otherwise the simulation could not tell."""
    naive = estimate([outcome.winner.value - TRUE for outcome in outcomes])
    assert naive.low > 0.01


def test_the_test_accuracy_of_the_winner_is_unbiased(outcomes):
    error = estimate([winners_test_accuracy(outcome) - TRUE for outcome in outcomes])
    assert error.low < 0 < error.high
    assert error.high - error.low < 0.001  # it could tell a bias of a tenth of a point


def test_the_optimism_is_what_the_winner_was_too_good_by(outcomes):
    optimism = estimate([outcome.winner.optimism for outcome in outcomes])
    naive = np.mean([outcome.winner.value - TRUE for outcome in outcomes])
    assert optimism.low < naive < optimism.high
    covered = [outcome.winner.low <= outcome.winner.value - TRUE <= outcome.winner.high for outcome in outcomes]
    assert np.mean(covered) > 0.9


def test_a_finalist_is_called_better_in_at_most_five_percent(outcomes):
    called = sum(
        any(row.verdict.text == "detectably better" for row in outcome.comparison.rows) for outcome in outcomes
    )
    assert called <= 0.05 * SWEEPS


def test_the_winner_is_what_others_are_compared_with(outcomes):
    for outcome in outcomes[:20]:
        assert outcome.comparison.reference.runs == outcome.winner.group.runs
        assert len(outcome.comparison.rows) == 3

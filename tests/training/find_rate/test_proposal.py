"""What is read from the losses of a range test."""

import numpy as np
import pytest

from cnnlab.training.find_rate.proposal import Curve, has_diverged, proposed_rate

RATES = np.geomspace(1e-5, 10, 300, dtype=np.float32)  # 50 per factor of ten


def curve(loss, *, noise=0.02, uninformed=2.3, steps=300, seed=0):
    """The test whose loss is a function of the rate's decimal logarithm."""
    exponents = np.log10(RATES[:steps])
    random = np.random.default_rng(seed)
    losses = np.array([loss(exponent) for exponent in exponents]) + random.normal(0, noise, steps)
    return Curve(seed, RATES, losses, uninformed)


def usual(exponent):
    """Flat until 1e-3, falls until 1e-1, and rises from 2.3 e-1 on."""
    fallen = 2.3 - np.clip(exponent + 3, 0, 2)
    return fallen if exponent < -0.64 else min(5.0, 0.3 + 40 * (exponent + 0.64))


def test_the_proposal_is_a_tenth_of_where_the_loss_rises():
    tests = [curve(usual, seed=seed) for seed in range(3)]
    assert proposed_rate(tests) == pytest.approx(0.024, rel=0.15)
    assert [1e-3 < test.steepest < 0.3 for test in tests] == [True] * 3
    assert [0.05 < test.lowest < 0.25 for test in tests] == [True] * 3


def test_a_hump_before_the_lowest_loss_is_no_rise():
    with_hump = curve(lambda exponent: usual(exponent) + 1.2 * np.exp(-(((exponent + 1.7) / 0.1) ** 2)))
    assert with_hump.proposal == pytest.approx(curve(usual).proposal, rel=0.05)


def test_a_loss_that_ends_is_one_that_rises():
    ended = curve(lambda exponent: 2.3 - np.clip(exponent + 3, 0, 2), steps=200)
    assert ended.rise == RATES[200]


def test_a_first_loss_that_is_worse_than_ignorance_does_not_hide_the_rise():
    def loss(exponent):
        return 4.4 if exponent < -4 else 2.3 if exponent < -3 else 1.7 if exponent < -1 else 2.1

    assert curve(loss).proposal == pytest.approx(0.01, rel=0.2)
    assert curve(loss, uninformed=0.1).rise is None


def test_without_a_fall_or_a_rise_there_is_no_proposal():
    flat, falling = curve(lambda _: 2.3), curve(lambda exponent: -0.3 * exponent + 1)
    assert (flat.has_fallen, flat.proposal) == (False, None)
    assert (falling.has_fallen, falling.rise, falling.proposal) == (True, None, None)
    assert proposed_rate([curve(usual), falling]) is None


def test_one_seed_of_three_that_differs_does_not_move_the_proposal():
    odd = curve(lambda exponent: usual(exponent + 2), seed=2)
    two = [curve(usual, seed=seed) for seed in (0, 1)]
    assert proposed_rate([*two, odd]) == pytest.approx(proposed_rate(two), rel=0.05)


def test_a_test_ends_once_the_loss_stays_above_the_first():
    losses = curve(usual).losses.tolist()
    ends = next(step for step in range(300) if has_diverged(losses[:step], 300))
    assert 0.25 < RATES[ends] < 1
    assert not any(has_diverged(curve(lambda _: 2.3).losses[:step].tolist(), 300) for step in range(300))

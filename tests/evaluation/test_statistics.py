"""Paired tests, intervals, and the seed's part of the spread."""

import math

import numpy as np
import pytest
from scipy import stats

from gbaseg.evaluation.statistics import compare_paired, mean_interval, seed_spread


def test_tests_are_scipys_on_the_cases():
    first, second = np.random.default_rng(0).random((2, 20))
    result = compare_paired([first], [second], resamples=100)
    assert result.p_t == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert result.p_wilcoxon == pytest.approx(stats.wilcoxon(first, second).pvalue)
    assert result.difference.mean == pytest.approx(np.mean(first - second))
    assert (result.pairs, result.seeds) == (20, 1)


def test_crossed_seeds_are_averaged_within_a_case_before_the_test_and_nested_ones_are_not():
    first, second = np.random.default_rng(1).random((2, 3, 20))
    crossed = compare_paired(list(first), list(second), resamples=100)
    assert crossed.p_t == pytest.approx(stats.ttest_rel(first.mean(0), second.mean(0)).pvalue)
    assert (crossed.pairs, crossed.seeds) == (20, 3)
    nested = compare_paired(list(first), list(second), crossed=False, resamples=100)
    assert nested.p_t == pytest.approx(stats.ttest_rel(first.ravel(), second.ravel()).pvalue)
    assert (nested.pairs, nested.seeds) == (60, 3)


def test_equal_arms_have_no_p_value():
    result = compare_paired([np.ones(5)], [np.ones(5)], resamples=10)
    assert (result.difference.mean, result.difference.low, result.difference.high) == (0.0, 0.0, 0.0)
    assert math.isnan(result.p_t) and math.isnan(result.p_wilcoxon)


def test_scores_that_do_not_pair():
    with pytest.raises(ValueError, match="do not pair"):
        compare_paired([np.ones(5)], [np.ones(4)])
    with pytest.raises(ValueError, match="not crossed"):
        mean_interval([np.ones(5), np.ones(4)])


@pytest.mark.parametrize("crossed", [True, False])
def test_interval_covers_the_true_mean_about_as_often_as_it_says(crossed):
    """One seed: the bootstrap of the cases alone. 95 % of 300 is 285, SD 4; percentile intervals run a little low."""
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(300):
        interval = mean_interval([rng.normal(0.5, 0.2, size=40)], crossed, resamples=400)
        hits += interval.low <= 0.5 <= interval.high
    assert 0.89 <= hits / 300 <= 0.98


@pytest.mark.parametrize("crossed", [True, False])
def test_interval_is_wider_where_seeds_disagree(crossed):
    cases = np.linspace(0.4, 0.9, 30)
    alike = mean_interval([cases, cases, cases], crossed, resamples=2000)
    apart = mean_interval([cases - 0.2, cases, cases + 0.2], crossed, resamples=2000)
    assert apart.mean == pytest.approx(alike.mean)
    assert apart.high - apart.low > 1.3 * (alike.high - alike.low)


def test_nested_seeds_may_have_other_numbers_of_cases():
    interval = mean_interval([np.full(3, 0.2), np.full(30, 0.8)], crossed=False, resamples=200)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.5, 0.2, 0.8))


def test_share_of_the_seed_is_recovered_from_crossed_scores():
    """Drawn with a known variance between cases (0.04) and within them (0.01)."""
    rng = np.random.default_rng(3)
    scores = rng.normal(0, 0.2, size=(1, 4000)) + rng.normal(0, 0.1, size=(4, 4000))
    spread = seed_spread(list(scores))
    assert spread.share == pytest.approx(0.2, abs=0.02)
    assert spread.mean_sd == pytest.approx(scores.mean(axis=1).std(ddof=1))


def test_share_of_the_seed_is_recovered_from_nested_scores():
    """Drawn with a known variance between seeds (0.01) and between the cases of a seed (0.04)."""
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 0.1, size=(2000, 1)) + rng.normal(0, 0.2, size=(2000, 20))
    assert seed_spread(list(scores), crossed=False).share == pytest.approx(0.2, abs=0.03)


def test_share_at_its_ends():
    cases = np.array([0.2, 0.5, 0.9])
    assert seed_spread([cases, cases]).share == 0.0
    assert seed_spread([np.array([0.1, 0.1]), np.array([0.9, 0.9])]).share == 1.0
    assert seed_spread([np.array([0.1, 0.1]), np.array([0.9, 0.9])], crossed=False).share == 1.0
    assert math.isnan(seed_spread([cases]).share)
    assert math.isnan(seed_spread([np.full(3, 0.5), np.full(3, 0.5)]).share)


def test_over_seeds_a_shift_of_each_training_is_no_effect():
    """Three trainings that each shift all of their cases: the test over cases is fooled, the one over seeds is not."""
    rng = np.random.default_rng(5)
    first = [shift + rng.normal(0, 0.01, 20) for shift in (0.06, -0.03, 0.03)]
    result = compare_paired(first, [np.zeros(20)] * 3, crossed=False, resamples=10)
    assert result.p_t < 0.01
    assert result.p_seeds > 0.3
    assert math.isnan(compare_paired(first[:2], [np.zeros(20)] * 2, resamples=10).p_seeds)

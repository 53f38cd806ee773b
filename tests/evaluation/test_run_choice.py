"""Scores without labels against the Dice, on runs whose ranks can be counted by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from gbaseg.evaluation.run_choice import (
    CONSENSUS,
    FOLDS,
    ROUNDS,
    RULE,
    KnownRun,
    choice_table,
    chosen,
    rank_correlation,
    regret,
    run_table,
    with_rule,
)  # fmt: skip


def run(name, score, dice, seed=1, plausible=1.0):
    return KnownRun(name, name.split("-")[0], seed, {RULE: score, "fold_agreement": score}, plausible, dice)


# Folds that find nothing are said to agree, as those that find everything do: no score may fall for either.
EMPTY = run("empty", 1.0, 0.0, plausible=0.0)
EVERYTHING = run("everything", 0.99, 0.02, plausible=0.1)
WORKING = [run(f"arm{n}", 0.5 + 0.05 * n, 0.6 + 0.04 * n, seed=n % 3) for n in range(8)]


def line(runs, score=RULE, failed_below=0.4, nested=False):
    [found] = [one for one in choice_table(runs, failed_below, nested).to_dict("records") if one["score"] == score]
    return found


@pytest.mark.unusual(
    "Commands",
    "`study`: a run that finds nothing, or everything, and agrees with itself on it",
    "the worst by every score, never the one to choose",
)
@pytest.mark.parametrize("score", [RULE, "fold_agreement"])
def test_a_run_that_has_collapsed_is_never_chosen(score):
    runs = [EMPTY, *WORKING, EVERYTHING]
    assert [one.name for one in chosen(runs, score)] == ["arm7"]
    assert regret(runs, score) == 0.0
    # By its scores as they are it would be the best of all, and the two lists would run against one another.
    assert line(runs, score)["rho"] == pytest.approx(1.0, abs=0.01)


def test_where_all_have_collapsed_or_agree_on_nothing_none_is_chosen():
    found = line([EMPTY, EVERYTHING, run("noise", 0.0, 0.1)])
    verdict = "nothing to choose: every run has collapsed, or a score of 0"
    assert (found["chosen"], found["arm_chosen"], found["verdict"]) == ("", "", verdict)
    assert math.isnan(found["regret"])


def test_half_of_the_masks_is_enough_and_an_unknown_share_is_not():
    assert not run("half", 1.0, 0.5, plausible=0.5).collapsed
    assert run("less", 1.0, 0.5, plausible=0.49).collapsed
    assert run("unknown", 1.0, 0.5, plausible=math.nan).collapsed


def test_the_rank_correlation_is_scipys_and_its_interval_is_around_it():
    rng = np.random.default_rng(3)
    scores = rng.random(12)
    dice = scores + 0.3 * rng.standard_normal(12)
    found = rank_correlation([*scores, math.nan, 0.3], [*dice, 0.5, math.nan])
    assert found.rho == pytest.approx(stats.spearmanr(scores, dice).statistic)
    assert found.low < found.rho < found.high and found.runs == 12
    exact = stats.permutation_test(
        (scores,),
        lambda one: stats.spearmanr(one, dice).statistic,
        permutation_type="pairings",
        alternative="greater",
        n_resamples=999,
        rng=np.random.default_rng(0),
    )
    assert found.p == pytest.approx(exact.pvalue, abs=0.02)
    # Ranks alone count, and the same runs give the same interval.
    assert rank_correlation([*scores**3], [*dice]) == pytest.approx(found)


def test_of_groups_it_is_the_mean_of_their_own_correlations():
    scores, dice = [0.1, 0.2, 0.3, 0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.1, 0.4, 0.2, 0.3]
    found = rank_correlation(scores, dice, [1, 1, 1, 2, 2, 2, 2])
    assert found.rho == pytest.approx((1.0 + stats.spearmanr(scores[3:], dice[3:]).statistic) / 2)
    # A group of two has no correlation to speak of.
    assert rank_correlation([*scores, 0.0, 1.0], [*dice, 1.0, 0.0], [1] * 3 + [2] * 4 + [3] * 2).rho == found.rho


@pytest.mark.parametrize("pairs", [([0.1, 0.2], [0.1, 0.2]), ([0.5] * 7, [0.1 * n for n in range(7)]), ([], [])])
def test_what_has_no_ranks_has_no_correlation(pairs):
    found = rank_correlation(*pairs)
    assert math.isnan(found.rho) and not found.is_positive


def test_the_regret_is_the_best_dice_less_that_of_the_chosen_run():
    runs = [run("a", 0.9, 0.7), run("b", 0.8, 0.8), run("c", 0.9, 0.6)]
    assert regret(runs, RULE) == pytest.approx(0.8 - (0.7 + 0.6) / 2)
    assert line(runs)["chosen"] == "a = c"


def test_the_choice_within_a_seed_is_counted_by_itself():
    """Seed 2 is the easier one for every arm, and its scores are the lower: within a seed the order is right."""
    easy = [replace(one, seed=2, scores={RULE: one.scores[RULE] - 0.45}, dice=one.dice + 0.1) for one in WORKING[:3]]
    hard = [replace(one, seed=1) for one in WORKING[:3]]
    found = line([*easy, *hard])
    assert found["seed_rho"] == pytest.approx(1.0) and found["seed_regret"] == 0.0
    assert found["rho"] < 1.0 and found["regret"] == pytest.approx(0.1)
    # Over all of them the order is wrong, by the seeds' patients; it is the arms that are to be told apart.
    assert found["verdict"].startswith("NOT TRUSTWORTHY")
    assert line([*easy, *hard], nested=True)["verdict"] == "ranks the runs"


def test_an_arm_is_chosen_by_its_mean_over_the_seeds_that_all_arms_have():
    runs = [
        run("gba-1", 0.8, 0.80, seed=1), run("gba-2", 0.9, 0.70, seed=2), run("gba-3", 0.1, 0.10, seed=3),
        run("naive-1", 0.7, 0.60, seed=1), run("naive-2", 0.95, 0.90, seed=2),
        run("none-1", 1.0, 0.10, seed=1, plausible=0.0), run("none-2", 0.9, 0.20, seed=2),
    ]  # fmt: skip
    # By its single runs naive-2 would be the best; seed 3 has gba alone, and a collapsed run counts as nothing.
    found = line(runs)
    assert (found["chosen"], found["arm_chosen"]) == ("naive-2", "gba")
    assert found["arm_regret"] == pytest.approx(0.0)
    others = [replace(one, scores={RULE: 0.99}) if one.arm == "none" else one for one in runs]
    assert line(others)["arm_chosen"] == "gba"
    equal = line([run("a-1", 0.5, 0.6), run("b-1", 0.5, 0.8), run("c-1", 0.4, 0.9)])
    assert equal["arm_chosen"] == "a = b" and equal["arm_regret"] == pytest.approx(0.2)
    # Patients of one seed may have none of a structure: the arm's regret is over those of the others.
    unlabelled = line([replace(one, dice=math.nan) if one.seed == 1 else one for one in runs])
    assert unlabelled["arm_chosen"] == "gba" and unlabelled["arm_regret"] == pytest.approx(0.9 - 0.7)
    nothing = line([EMPTY, run("gba-2", 0.9, 0.7, seed=2)])
    assert nothing["arm_chosen"] == "" and math.isnan(nothing["arm_regret"])


def test_a_ranking_is_believed_where_its_interval_is_above_0_without_the_failed_runs_too():
    failed = [run(f"failed{n}", 0.2 + 0.01 * n, 0.05 + 0.01 * n) for n in range(6)]
    assert line([*WORKING, *failed])["verdict"] == "ranks the runs"
    mixed = [replace(one, scores={RULE: score}) for one, score in zip(WORKING, (5, 6, 4, 7, 3, 8, 5, 6), strict=True)]
    found = line([*mixed, *failed])
    assert found["low"] > 0 > found["working_low"]
    assert found["verdict"] == ("tells runs that fail from those that work; ranking of those that work NOT TRUSTWORTHY")
    backwards = [replace(one, scores={RULE: 1.0 - one.scores[RULE]}) for one in WORKING]
    assert line(backwards)["verdict"] == "NOT TRUSTWORTHY: chance ranks them as well"


def test_two_equal_orders_of_three_are_no_evidence_however_narrow_their_interval():
    """Draws of three runs with ties give one correlation again and again."""
    groups = [[(0.9, 0.77), (0.9, 0.75), (0.8, 0.6)], [(1.0, 0.74), (1.0, 0.69), (0.9, 0.66)]]
    runs = [run(f"{n}-{i}", *pair, seed=n) for n, some in enumerate(groups) for i, pair in enumerate(some)]
    found = line(runs, nested=True)
    assert found["seed_low"] > 0.5 and found["seed_p"] > 0.05
    assert found["verdict"] == "NOT TRUSTWORTHY: chance ranks them as well"


def test_a_score_that_is_the_same_of_all_runs_says_so():
    found = line([replace(one, scores={RULE: 1.0}) for one in WORKING])
    assert found["verdict"] == "says nothing: it is the same of all runs"
    assert found["regret"] == pytest.approx(0.88 - np.mean([one.dice for one in WORKING]))


def test_few_runs_are_no_evidence_however_well_they_are_ranked():
    assert line(WORKING[:5])["verdict"] == "not known: 5 run(s) with labels, 6 are needed"
    failed = [run(f"failed{n}", 0.2, 0.05) for n in range(3)]
    assert line([*WORKING[:4], *failed])["verdict"].endswith("NOT TRUSTWORTHY (only 4 of them)")


def test_without_labels_a_run_is_chosen_and_nothing_is_said_of_how_well():
    runs = [replace(one, dice=math.nan) for one in WORKING]
    found = line(runs)
    assert (found["chosen"], found["runs"]) == ("arm7", 0)
    assert math.isnan(found["rho"]) and math.isnan(found["regret"])
    assert found["verdict"].startswith("not known: 0 run(s) with labels")


def test_a_score_that_is_known_of_no_run_is_not_said_to_be_0():
    """Consensus takes three runs, agreement of the rounds two trained ones."""
    alone = [replace(run("a", 0.9, 0.7), scores={RULE: 0.9, CONSENSUS: math.nan})]
    table = choice_table(alone, 0.4, nested=False).set_index("score")
    assert table.loc[CONSENSUS, "verdict"] == "not known of any run"
    assert table.loc[RULE, "verdict"].startswith("not known: 1 run(s) with labels")
    assert line([replace(run("a", 0.9, 0.7), plausible=0.0)])["verdict"].startswith("nothing to choose")


def test_the_table_of_runs_keeps_scores_as_they_are():
    table = run_table([EMPTY, WORKING[0]]).set_index("run")
    assert table.loc["empty", "fold_agreement"] == 1.0 and table.loc["empty", "collapsed"]
    assert not table.loc["arm0", "collapsed"]


def test_the_rule_is_the_product_of_what_is_known_of_every_run():
    one = KnownRun("a", "a", 1, {CONSENSUS: 0.9, FOLDS: 0.8, ROUNDS: 0.5}, 1.0)
    other = replace(one, name="b", scores={CONSENSUS: 0.5, FOLDS: 0.6, ROUNDS: math.nan})
    assert [run.scores[RULE] for run in with_rule([one])] == pytest.approx([0.36])
    assert [run.scores[RULE] for run in with_rule([one, other])] == pytest.approx([0.72, 0.3])
    [unknown] = with_rule([replace(one, scores={"plausible": 1.0})])
    assert math.isnan(unknown.scores[RULE])
    assert list(unknown.scores) == [RULE, "plausible"]

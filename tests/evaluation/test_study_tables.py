"""The tables of a study, on runs whose figures can be worked out by hand."""

from dataclasses import replace

import pytest

from gbaseg.evaluation.run_choice import RULE, KnownRun, choice_table, run_table
from gbaseg.evaluation.runs import Run, mean_of_structures
from gbaseg.evaluation.study_tables import arm_table, lay_out_arms, lay_out_choice, lay_out_runs
from gbaseg.evaluation.summary import CaseScore


def scores(mean, seed):
    return [
        CaseScore(f"c{seed}{n}", "A", "test", "VS", mean + off, 1.0 - mean, 0.0, 500.0 + seed, 500.0)
        for n, off in enumerate((-0.1, 0.0, 0.1))
    ]


def run(arm, translation, last, seed, oracle=()):
    rounds = {"round_0": scores(0.1, seed), "round_1": scores(last, seed)}
    return Run(f"{arm}-{seed}", arm, translation, "A", 0, seed, rounds, oracle=oracle)


RUNS = [
    one
    for seed in (1, 2)
    for one in (
        run("none", "none", 0.2, seed, oracle=scores(0.9, seed)),
        run("gba", "cyclegan", 0.7, seed),
        run("gba", "auto", 0.5, seed),
    )
]
CALLED = {("none", "", 0, "none"): "no-adaptation", ("auto", "A", 0, "gba"): "auto", ("cyclegan", "A", 0, "gba"): "gba"}


def test_a_row_an_arm_with_what_it_closes_of_the_gap():
    table = arm_table(RUNS, CALLED)
    assert list(table["arm"]) == ["no-adaptation", "auto", "gba", "reference, empty prediction", "reference, oracle"]
    row = table.set_index("arm").loc["gba"]
    assert (row["dice_mean"], row["assd_mm_mean"]) == pytest.approx((0.7, 0.3))
    assert (row["seeds"], row["cases"], row["round"]) == (2, 6, "round_1")
    # No adaptation counts by its first round, 0.1; the oracle has 0.9.
    assert row["gap_closed"] == pytest.approx((0.7 - 0.1) / (0.9 - 0.1))
    assert row["dice_low"] < 0.7 < row["dice_high"]
    laid_out = lay_out_arms(table).set_index("arm")
    assert laid_out.loc["gba", "gap closed"] == "75%" and laid_out.loc["gba", "Dice"].startswith("0.700 [0.")
    assert laid_out.loc["no-adaptation", "< 0.4"] == "6"


def test_without_an_oracle_there_is_no_gap():
    table = arm_table([one for one in RUNS if one.translation != "none"], CALLED)
    assert set(lay_out_arms(table)["gap closed"]) == {"–"}


def test_runs_are_ordered_by_the_rule_and_collapsed_ones_are_last():
    known = [
        KnownRun("a", "a", 1, {RULE: 0.4}, 0.9, 0.5),
        KnownRun("b", "b", 1, {RULE: 0.9}, 0.2, 0.1),
        KnownRun("c", "c", 1, {RULE: 0.6}, 0.9, 0.7),
    ]
    laid_out = lay_out_runs(run_table(known))
    assert list(laid_out["run"]) == ["c", "a", "b"]
    assert list(laid_out["collapsed"]) == ["", "", "collapsed"]
    [choice] = lay_out_choice(choice_table(known, 0.4, nested=False)).to_dict("records")
    assert (choice["it chooses"], choice["regret"]) == ("c", "0.000")
    assert "rule" in choice["score"]
    equal = [KnownRun(str(n), "a", 1, {RULE: 0.5}, 1.0, 0.5) for n in range(4)]
    assert lay_out_choice(choice_table(equal, 0.4, nested=False)).loc[0, "it chooses"] == "any of 4 that are equal"
    assert lay_out_choice(choice_table(known[1:2], 0.4, nested=False)).loc[0, "it chooses"] == "none"


def test_a_run_by_the_mean_over_its_structures_case_by_case():
    def of(structure, **dice):
        rows = [CaseScore(case, "A", "test", structure, one, 2 * one, 0.0, 100.0, 50.0) for case, one in dice.items()]
        proxies = {"round_0": {"round_agreement": 0.9}}
        return Run("x", "gba", "auto", "A", 0, 1, {"round_0": rows, "round_1": []}, oracle=rows, proxies=proxies)

    rv, lv = of("RV", a=0.2, b=0.6), of("LV", a=0.8, c=0.9)
    found = mean_of_structures([rv, lv])
    # b has no LV, and c no RV.
    assert [(row.case, row.dice) for row in found.rounds["round_0"]] == [("a", 0.5), ("b", 0.6), ("c", 0.9)]
    first = found.rounds["round_0"][0]
    assert (first.assd_mm, first.reference_mm3, first.predicted_mm3) == (1.0, 200.0, 100.0)
    assert found.rounds["round_1"] == [] and found.proxies == {} and found.oracle == found.rounds["round_0"]
    # A threshold that is known of one structure alone is none of both.
    assert mean_of_structures([replace(rv, threshold=rv.oracle), lv]).threshold == ()
    # One that no label of the target has is no part of any mean, and takes no reference away.
    nowhere = replace(lv, rounds={"round_0": [], "round_1": []}, oracle=[])
    assert mean_of_structures([rv, nowhere]).oracle == mean_of_structures([rv, nowhere]).rounds["round_0"] == rv.oracle
    assert mean_of_structures([rv]) is rv

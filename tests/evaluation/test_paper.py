"""The paper's figures beside ours, where the rows are the same (METHOD 7)."""

from dataclasses import replace

import numpy as np
import pytest

from gbaseg.evaluation import paper, table_layout, tables
from gbaseg.evaluation.runs import Run
from gbaseg.evaluation.summary import CaseScore


def run(arm, *, centre="A", retraining=0, translation="cyclegan", rounds=2, seed=1):
    scores = [
        CaseScore(f"c{n}", "A", "test", "VS", 0.5 + 0.1 * n, 1.0, 1.0, 1.0, size)
        for n, size in enumerate((500.0, 1000.0, 6000.0))
    ]
    names = [f"round_{number}" for number in range(rounds)]
    return Run(
        f"{arm}-{centre}-{retraining}-{seed}", arm, translation, centre, retraining, seed, dict.fromkeys(names, scores)
    )


def records(laid_out):
    return laid_out.to_dict("records")


def test_table_1_has_the_papers_translation_below_ours():
    runs = [run(arm, centre=centre, retraining=1) for arm in ("none", "naive", "gba") for centre in ("B", "both")]
    rows = records(table_layout.lay_out_translations(tables.translation_table(runs), paper.translations))
    assert [(row["translation"], row["run"]) for row in rows] == [
        ("cyclegan B", "1"), ("paper Tilburg", "2"), ("cyclegan both", "1"), ("paper both", "2"),
    ]  # fmt: skip
    assert [rows[1][f"{arm}, round_0"] for arm in paper.ARMS] == ["0.284 ± 0.370; 38.803 ± 44.943", "N/A", "N/A"]
    assert rows[3]["gba, round_0"] == "0.800 ± 0.173; 1.688 ± 8.628"
    assert rows[3]["gba, round_1"] == "–"  # the paper's table has the first stage alone


@pytest.mark.parametrize("other", [run("none", translation="none"), run("none", centre="C"), run("none", retraining=3)])
def test_a_translation_that_the_paper_has_not_has_nothing_below_it(other):
    assert len(table_layout.lay_out_translations(tables.translation_table([other]), paper.translations)) == 1


def test_an_arm_that_the_paper_has_not_has_nothing_below_it():
    for lay_out, table, beside in (
        (table_layout.lay_out_rounds, tables.round_table, paper.rounds),
        (table_layout.lay_out_quantiles, tables.quantile_table, paper.quantiles),
    ):
        for other in (run("online", rounds=1), run("gba", translation="none", rounds=1)):
            assert len(lay_out(table([other]), beside)) == 1


def test_table_2_has_the_papers_rounds_and_sizes_below_the_first_setting_of_an_arm():
    runs = [run("naive"), run("naive", retraining=1), run("gba", rounds=4), run("none", translation="none")]
    rows = records(table_layout.lay_out_rounds(tables.round_table(runs), paper.rounds))
    assert [(row["setting"], row["round"]) for row in rows if row["setting"].startswith("paper")] == [
        ("paper, naive", "round_0"), ("paper, naive", "round_1"), *(("paper, gba", f"round_{n}") for n in range(4)),
    ]  # fmt: skip
    naive = rows[2]
    assert rows[1]["setting"] == "cyclegan A, naive" and rows[4]["setting"] == "cyclegan A, gba"
    assert (naive["Dice"], naive["ASSD (mm)"], naive["cases"]) == ("0.839 ± 0.126", "0.555 ± 0.586", "64")
    assert (naive["< 0.4"], naive["< 0.5"], naive["Dice, < 720 mm3"]) == ("1", "–", "0.762 ± 0.112")
    last = next(row for row in rows if (row["setting"], row["round"]) == ("paper, gba", "round_3"))
    assert (last["Dice"], last["ASSD (mm), > 5400 mm3"], last["< 0.4"]) == ("0.868 ± 0.061", "0.513 ± 0.192", "0")


def test_sizes_with_other_bounds_are_other_rows():
    rows = records(table_layout.lay_out_rounds(tables.round_table([run("gba")], 700.0, 5400.0), paper.rounds))
    of_paper = rows[-2]
    assert of_paper["setting"] == "paper, gba" and of_paper["Dice, < 700 mm3"] == "–"
    assert of_paper["Dice, > 5400 mm3"] == "0.893 ± 0.038"


def test_bounds_of_the_dice_that_the_paper_has_no_count_for():
    rows = records(
        table_layout.lay_out_rounds(tables.round_table([replace(run("gba"), low_dice=(0.6,))]), paper.rounds)
    )
    assert rows[-2]["< 0.6"] == "–" and "< 0.4" not in rows[-2]


def test_table_3_has_the_papers_test_set_at_the_percentiles_that_it_has():
    rows = records(table_layout.lay_out_quantiles(tables.quantile_table([run("gba"), run("none")]), paper.quantiles))
    assert [row["setting"] for row in rows] == ["cyclegan A, none", "cyclegan A, gba", "paper, gba"]
    assert (rows[2]["Dice"], rows[2]["ASSD (mm)"]) == ("0.859 ± 0.066", "0.459 ± 0.252")
    assert (rows[2]["Dice worst"], rows[2]["ASSD worst"], rows[2]["ASSD 1 %"]) == ("0.502", "1.945", "1.573")
    [_, other] = records(table_layout.lay_out_quantiles(tables.quantile_table([run("gba")], [10, 50]), paper.quantiles))
    assert (other["Dice 10 %"], other["ASSD 10 %"], other["ASSD 50 %"]) == ("–", "–", "0.417")


def test_the_papers_p_values_stand_below_the_same_differences_of_the_first_round():
    runs = [run(arm) for arm in ("none", "naive", "gba")] + [run("gba", retraining=1), run("none", translation="none")]
    rows = records(table_layout.lay_out_differences(tables.difference_table(runs), paper.differences))
    of_paper = [row for row in rows if row["difference"].startswith("paper")]
    assert [(row["difference"], row["round"], row["Dice"], row["Dice: p (t)"]) for row in of_paper] == [
        ("paper, none − paper, naive", "round_0", "−0.065", "0.044"),
        ("paper, none − paper, gba", "round_0", "−0.073", "0.021"),
        ("paper, naive − paper, gba", "round_0", "−0.008", "0.700"),
    ]
    assert [row["ASSD: p (t)"] for row in of_paper] == ["–"] * 3


def test_what_fails_in_the_paper_is_what_its_rule_says():
    for figures in paper.TRANSLATIONS.values():
        assert (len(figures) == 1) == (figures[0][0] <= 0.4)
    worst_first = np.array(list(paper.QUANTILES.values()))
    assert (np.diff(worst_first[:, 0]) > 0).all() and (np.diff(worst_first[:, 1]) < 0).all()

"""Tables I to III and differences, on runs whose figures can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gbaseg.commands.figures import one_of_each_translation
from gbaseg.errors import UserError
from gbaseg.evaluation import table_layout, tables
from gbaseg.evaluation.runs import Run, crossed, failed_translations, group_runs, reference_runs
from gbaseg.evaluation.summary import CaseScore

ROUNDS = ("round_0", "round_1")


def run(arm="gba", seed=1, first=0.5, last=0.7, *, translation="cyclegan", retraining=0, failed=False, volume=0.0):
    """Four cases of 500, 1000, 6000 and 8000 mm3 with Dice around the given means."""
    spread = np.array([-0.2, -0.1, 0.1, 0.2])
    rounds = {
        name: [
            CaseScore(f"c{i}", "A", "test", "VS", mean + off, 1.0 - mean - off, 0.0, size + volume, size)
            for i, (off, size) in enumerate(zip(spread, (500.0, 1000.0, 6000.0, 8000.0), strict=True))
        ]
        for name, mean in zip(ROUNDS, (first, last), strict=True)
    }
    return Run(f"{translation}-{arm}-{retraining}-{seed}", arm, translation, "A", retraining, seed, rounds, failed)


def line(table, **keys):
    chosen = table.loc[np.logical_and.reduce([table[key] == value for key, value in keys.items()])]
    assert len(chosen) == 1
    return chosen.iloc[0]


def test_settings_are_ordered_as_in_the_paper_and_a_network_without_translation_has_no_centre():
    groups = group_runs([run("gba", 2), run("none", translation="none"), run("gba", 1), run("naive")])
    assert list(groups) == [("cyclegan", "A", 0, "naive"), ("cyclegan", "A", 0, "gba"), ("none", "", 0, "none")]
    assert [one.seed for one in groups[("cyclegan", "A", 0, "gba")]] == [1, 2]


def test_the_same_run_twice_is_an_error():
    with pytest.raises(UserError, match="one setting and seed"):
        group_runs([run(), run()])


def test_seeds_are_crossed_where_their_cases_are_the_same_patients():
    assert crossed([run(seed=1), run(seed=2)])
    assert not crossed([run(seed=1), run(seed=2, volume=7.0)])


def test_in_table_1_a_translation_fails_by_its_arm_without_copies_and_the_other_arms_with_it():
    """METHOD 9: an arm with copies may be over 0.4 there, or under it where the translation has not failed."""
    bad = [run("none", first=0.3, failed=True), run("naive", first=0.6), run("gba", first=0.5)]
    good = [run("none", retraining=1), replace(run("naive", first=0.2, failed=True, retraining=1), judged_by="checks")]
    table = tables.translation_table([*bad, *good])
    first = {"round": "round_0", "metric": "dice"}
    assert line(table, arm="none", retraining=0, **first)["mean"] == pytest.approx(0.3)
    assert line(table, arm="naive", retraining=1, **first)["mean"] == pytest.approx(0.2)
    first, second = table_layout.lay_out_translations(table).to_dict("records")
    assert first == {
        "translation": "cyclegan A", "run": "0",
        "none, round_0": "0.300 ± 0.183; 0.700 ± 0.183", "none, round_1": "N/A",
        "naive, round_0": "N/A", "naive, round_1": "N/A", "gba, round_0": "N/A", "gba, round_1": "N/A",
    }  # fmt: skip
    assert second["naive, round_0"] == "0.200 ± 0.183; 0.800 ± 0.183"
    assert second["naive, round_1"] == "0.700 ± 0.183; 0.300 ± 0.183"


def test_without_such_an_arm_the_others_say_what_they_go_by():
    runs = [replace(run(arm, failed=True), judged_by="survey") for arm in ("naive", "gba")]
    checked = [replace(run("gba", seed=2, failed=True), judged_by="checks"), run("gba", seed=3, failed=True)]
    assert failed_translations([*runs, *checked]) == {
        ("cyclegan", "A", 0, 1): "survey", ("cyclegan", "A", 0, 2): "checks",
    }  # fmt: skip
    assert failed_translations([*runs, run("none")]) == {}
    laid_out = table_layout.lay_out_translations(tables.translation_table(runs))
    assert laid_out.loc[0, "gba, round_0"] == laid_out.loc[0, "naive, round_1"] == "N/A"


def test_table_2_by_size_of_the_tumours():
    table = tables.round_table([run(seed=1, last=0.61), run(seed=2, last=0.81)])
    everyone = line(table, round="round_1", cases_of="all", metric="dice")
    assert everyone["mean"] == pytest.approx(0.71)
    assert (everyone["cases"], everyone["seeds"], everyone["under_0.4"], everyone["under_0.5"]) == (8, 2, 0, 1)
    assert everyone["seed_sd"] == pytest.approx(np.std([0.61, 0.81], ddof=1))
    assert everyone["low"] < 0.71 < everyone["high"]
    assert line(table, round="round_1", cases_of="< 720 mm3", metric="dice")["mean"] == pytest.approx(0.51)
    assert line(table, round="round_1", cases_of="> 5400 mm3", metric="dice")["mean"] == pytest.approx(0.86)
    assert line(table, round="round_0", cases_of="all", metric="assd_mm")["mean"] == pytest.approx(0.5)


def test_table_3_is_the_last_round():
    table = tables.quantile_table([run()], [0, 50])
    assert line(table, metric="dice", percentile=0.0)["value"] == pytest.approx(0.5)
    assert line(table, metric="assd_mm", percentile=100.0)["value"] == pytest.approx(0.5)
    assert line(table, metric="assd_mm", percentile=50.0)["value"] == pytest.approx(0.3)
    [row] = table_layout.lay_out_quantiles(tables.quantile_table([run()])).to_dict("records")
    words = ["worst", "1 %", "5 %", "25 %", "50 %", "75 %", "95 %", "99 %", "best"]
    headings = [f"{metric} {word}" for metric in ("Dice", "ASSD") for word in words]
    assert list(row) == ["setting", "Dice", *headings[:9], "ASSD (mm)", *headings[9:]]
    assert (row["Dice"], row["Dice worst"], row["ASSD worst"], row["ASSD best"]) == (
        "0.700 ± 0.183", "0.500", "0.500", "0.100",
    )  # fmt: skip


@pytest.mark.parametrize(("bounds", "counts"), [((0.55, 0.7), {"0.55": 1, "0.7": 2}), ((), {})])
def test_the_cases_under_a_dice_are_counted_by_the_settings_own_bounds(bounds, counts):
    runs = [replace(run(), low_dice=bounds, oracle=run().rounds["round_0"])]
    table = tables.round_table([*reference_runs(runs), *runs])
    everyone = line(table, arm="gba", round="round_1", cases_of="all", metric="dice")
    found = {key: everyone[key] for key in table.columns if key.startswith("under_")}
    assert found == {f"under_{bound}": count for bound, count in counts.items()}
    assert line(table, arm="oracle", cases_of="all", metric="dice").get("under_0.7") == (3 if bounds else None)


def test_differences_pair_the_seeds_that_both_arms_have():
    runs = [run("none", 1, last=0.5), run("none", 2, last=0.5), run("gba", 1, last=0.6), run("gba", 3, last=0.9)]
    table = tables.difference_table(runs)
    row = line(table, round="round_1", metric="dice")
    assert (row["first"], row["second"]) == ("cyclegan A, none", "cyclegan A, gba")
    assert row["difference"] == pytest.approx(-0.1)
    assert (row["seeds"], row["pairs"]) == (1, 4)


def test_markdown_and_latex():
    laid_out = table_layout.lay_out_rounds(tables.round_table([run(), run("none_2")]))
    markdown = table_layout.to_markdown(laid_out)
    assert "| cyclegan A, gba" in markdown
    assert "0.700 ± 0.183 [" in markdown
    latex = table_layout.to_latex(laid_out, "50 % of it", "rounds")
    assert r"\toprule" in latex
    assert r"\caption{50 \% of it}" in latex
    assert r"none\_2" in latex
    assert r"0.700 $\pm$ 0.183" in latex


def test_names_stay_one_cell_and_are_no_commands_of_latex():
    laid_out = pd.DataFrame([{"run": r"a|b $x^2$ {c} ~d \e"}])
    assert r"| a\|b $x^2$ {c} ~d \e |" in table_layout.to_markdown(laid_out)
    latex = table_layout.to_latex(laid_out, r"of T{1}", "runs")
    assert r"a|b \$x\^{}2\$ \{c\} \~{}d \textbackslash{}e" in latex and r"\caption{of T\{1\}}" in latex


def test_differences_laid_out():
    table = tables.difference_table([run("naive", last=0.5), run("gba", last=0.6)])
    row = table_layout.lay_out_differences(table).iloc[1]
    assert row["difference"] == "cyclegan A, naive − cyclegan A, gba"
    assert row["Dice"] == "−0.100 [−0.100, −0.100]"
    assert row["Dice: p (t)"] == row["Dice: p (over seeds)"] == "–"  # every difference is the same


def test_references_stand_beside_the_arms_once_a_seed():
    scores = run().rounds["round_0"]
    runs = [
        replace(run("none", 1, first=0.1, translation="none"), threshold=scores),
        replace(run("gba", 1, first=0.5, last=0.7), threshold=[replace(row, dice=0.3) for row in scores]),
        run("gba", 2),
    ]
    found = reference_runs(runs)
    assert [one.name for one in found] == ["empty prediction-1", "threshold-1", "empty prediction-2"]
    table = tables.round_table([*found, *runs])
    empty = table[(table["arm"] == "empty prediction") & (table["cases_of"] == "all")].set_index("metric")
    assert (empty.loc["dice", "mean"], empty.loc["assd_mm", "mean"], empty.loc["dice", "seeds"]) == (0.0, 350.0, 2)
    # Where there is a translation the threshold is the one chosen on its images.
    assert line(table, arm="threshold", cases_of="all", metric="dice")["mean"] == pytest.approx(0.3)


def test_the_gap_closed_lies_between_no_adaptation_and_the_oracle():
    oracle = [replace(row, dice=0.9) for row in run().rounds["round_0"]]
    runs = [
        run("none", first=0.1, last=0.2, translation="none"),
        replace(run("gba", first=0.5, last=0.7), oracle=oracle),
    ]
    table = tables.round_table([*reference_runs(runs), *runs])
    closed = {
        (row["arm"], row["round"]): row["gap_closed"]
        for _, row in table[(table["cases_of"] == "all") & (table["metric"] == "dice")].iterrows()
    }
    assert closed["gba", "round_0"] == pytest.approx((0.5 - 0.1) / (0.9 - 0.1))
    assert closed["gba", "round_1"] == pytest.approx(0.75)
    assert closed["none", "round_0"] == pytest.approx(0.0)
    assert np.isnan(closed["oracle", "–"])
    without = tables.round_table(runs)
    assert without["gap_closed"].isna().all()


def test_a_round_is_held_against_the_one_before():
    table = tables.round_table([run(first=0.5, last=0.7)])
    row = line(table, round="round_1", cases_of="all", metric="dice")
    assert (row["change"], row["change_low"], row["change_high"]) == pytest.approx((0.2, 0.2, 0.2))
    assert np.isnan(line(table, round="round_0", cases_of="all", metric="dice")["change"])


def test_what_is_known_without_labels_is_a_table_of_its_own():
    known = {
        "pseudo_target_dice": 0.6,
        "fold_agreement": 0.8,
        "round_agreement": None,
        "doubtful": 4,
        "pseudo_labelled": 16,
    }
    unlabelled = replace(run(), rounds={"round_0": []}, proxies={"round_0": known}, checks={"cycle_error": 0.04})
    table = tables.proxy_table(
        [unlabelled, replace(run(seed=2), proxies={"round_0": {**known, "pseudo_target_dice": 0.7}})]
    )
    [row] = table_layout.lay_out_proxies(table).to_dict("records")
    assert row["Dice on held-out pseudo-target (not the target)"] == "0.650"
    assert (row["agreement of folds"], row["agreement with round before"], row["doubtful"]) == ("0.800", "–", "25%")
    assert row["translation: cycle error"] == "0.040"
    assert row["seeds"] == "2"


def test_a_round_that_was_passed_on_does_not_count_as_one_that_agrees():
    passed_on = {"round_1": {"passed_on": True, "round_agreement": 1.0}}
    trained = {"round_1": {"passed_on": False, "round_agreement": 0.8, "fold_agreement": 0.7}}
    [row] = tables.proxy_table([replace(run(), proxies=passed_on), replace(run(seed=2), proxies=trained)]).to_dict(
        "records"
    )
    assert (row["round_agreement"], row["seeds"]) == (0.8, 2)
    [row] = tables.proxy_table([replace(run(), proxies=passed_on)]).to_dict("records")
    assert np.isnan(row["round_agreement"])


def test_the_gap_is_that_of_the_settings_own_runs():
    oracle = [replace(row, dice=0.9) for row in run().rounds["round_0"]]
    a, b = run("gba", first=0.5, last=0.7), replace(run("gba", first=0.2, last=0.3), name="b", centre="B")
    runs = [run("none", first=0.1, translation="none"), replace(a, oracle=oracle), b]
    table = tables.round_table([*reference_runs(runs), *runs])
    closed = table[(table["cases_of"] == "all") & (table["metric"] == "dice") & (table["arm"] == "gba")]
    assert closed.set_index(["centre", "round"])["gap_closed"].to_dict() == pytest.approx(
        {("A", "round_0"): 0.5, ("A", "round_1"): 0.75, ("B", "round_0"): 0.125, ("B", "round_1"): 0.25}
    )


def test_table_1_says_how_many_seeds_went_on_and_no_translation_cannot_fail():
    runs = [
        run(seed=1), replace(run(seed=2, failed=True), judged_by="checks"),
        run("none", translation="none", first=0.1, failed=True),
    ]  # fmt: skip
    laid_out = table_layout.lay_out_translations(tables.translation_table(runs)).set_index("translation")
    assert laid_out.loc["cyclegan A", "gba, round_1"] == "0.700 ± 0.183; 0.300 ± 0.183 (1 of 2 seeds)"
    assert laid_out.loc["none", "none, round_1"] == "0.700 ± 0.183; 0.300 ± 0.183"


def test_runs_of_other_patients_are_not_compared():
    with pytest.raises(UserError, match="were not scored on the same cases"):
        tables.difference_table([run("gba"), run("naive", volume=5.0)])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (("cyclegan", "A", 0, "gba"), "cyclegan A, gba"),
        (("cyclegan", "both", 2, "none"), "cyclegan both run 2, none"),
        (("none", "", 0, "gba"), "no translation, gba"),
        (("none", "", 0, "none"), "no adaptation"),
    ],
)
def test_settings_in_words(setting, words):
    assert tables.label(setting) == words


def test_baselines_of_other_kinds_are_no_retrainings_of_a_cyclegan():
    """Repeats of what has no seed of its own are one setting; each mode is a picture of its own in Fig. 4."""
    runs = [
        run(translation=translation, retraining=retraining)
        for translation in ("histogram", "randomise", "cyclegan")
        for retraining in (0, 1)
    ]
    assert {one.setting[:3] for one in runs} == {
        ("histogram", "A", 0), ("randomise", "", 0), ("cyclegan", "A", 0), ("cyclegan", "A", 1),
    }  # fmt: skip
    assert list(one_of_each_translation(runs)) == ["histogram A", "cyclegan A", "cyclegan A run 1"]
    page = table_layout.lay_out_translations(tables.translation_table([runs[0], runs[2], runs[4]]))
    assert {(row["translation"], row["run"]) for row in page.to_dict("records")} == {
        ("histogram A", "–"), ("randomise", "–"), ("cyclegan A", "0"),
    }  # fmt: skip


def test_the_threshold_is_that_of_a_cyclegan_where_there_is_one():
    runs = [
        replace(run(translation=name), threshold=[replace(run().rounds["round_0"][0], dice=dice)])
        for name, dice in (("none", 0.1), ("randomise", 0.2), ("cyclegan", 0.3), ("histogram", 0.4))
    ]
    [_, threshold] = reference_runs(runs)
    assert threshold.rounds[threshold.first][0].dice == 0.3
    [_, threshold] = reference_runs(runs[:2] + runs[3:])
    assert threshold.rounds[threshold.first][0].dice == 0.4

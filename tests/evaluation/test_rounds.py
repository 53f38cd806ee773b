"""From rounds to the metrics of a run, and the table that is printed."""

import io
import json
import math

import pandas as pd
import pytest
from rich.console import Console

from gbaseg.evaluation.rounds import (
    print_rounds_table,
    print_scores,
    rounds_rows,
    structures_of,
    summarise_rounds,
    write_rounds,
)
from gbaseg.evaluation.summary import CaseScore, summarise


def round_metrics(*dice, structure="tumour", **extra):
    rows = [
        CaseScore(f"c{i}", "AB"[i % 2], "test", structure, value, 2 * (1 - value), 1.0, 500.0, 400.0)
        for i, value in enumerate(dice)
    ]
    return {"converged": False, **extra, **summarise(rows)}


ROUNDS = [
    ("0", round_metrics(0.3, 0.5)),
    ("1", round_metrics(0.6, 0.8, converged=True)),
    ("2", round_metrics(0.6, 0.8, converged=True, passed_on=True)),
]
UNLABELLED = [("0", {"converged": False}), ("1", {"converged": True, "agreement": 0.998})]


def printed(rounds, width=80):
    stream = io.StringIO()
    print_rounds_table(rounds, Console(file=stream, width=width))
    return stream.getvalue()


def test_the_run_in_a_few_flat_keys():
    summary = summarise_rounds(ROUNDS, facts={"arm": "gba", "translation": "cyclegan"})
    assert summary == {
        "arm": "gba", "translation": "cyclegan",
        "dice_mean": 0.7, "dice_sd": 0.1414, "dice_median": 0.7, "assd_mm_mean": 0.6, "cases_under_0.4": 0, "cases": 2,
        "dice_gain_over_first_round": 0.3, "rounds_trained": 2, "converged": True,
    }  # fmt: skip
    assert not any(isinstance(value, dict | list) for value in summary.values())


def test_other_structures_stand_behind():
    both = [(name, {**metrics, **round_metrics(0.4, 0.6, structure="Cochlea")}) for name, metrics in ROUNDS]
    summary = summarise_rounds(both, others=["Cochlea"])
    assert list(summary.items())[-2:] == [("Cochlea_dice_mean", 0.5), ("Cochlea_assd_mm_mean", 1.0)]
    assert {**summarise_rounds(ROUNDS), **summary} == summary
    assert summarise_rounds(UNLABELLED, others=["Cochlea"])["Cochlea_dice_mean"] is None


def test_the_run_without_labels():
    summary = summarise_rounds(UNLABELLED)
    assert summary["dice_mean"] is summary["dice_gain_over_first_round"] is summary["cases_under_0.4"] is None
    assert (summary["cases"], summary["rounds_trained"], summary["converged"]) == (0, 2, True)
    json.dumps(summary, allow_nan=False)
    assert summarise_rounds([])["rounds_trained"] == 0


def test_only_entries_with_scores_are_structures():
    assert structures_of({"converged": True, "stop": {"reason": "agreement"}, **ROUNDS[0][1]}) == ["tumour"]


def test_rows_for_plots(tmp_path):
    rows = rounds_rows(ROUNDS)
    assert list(rows.columns) == ["round", "structure", "centre", "dice_mean", "assd_mean"]
    assert list(rows["centre"][:3]) == ["all", "A", "B"]
    assert list(rows.loc[rows["round"] == "0", "dice_mean"]) == [0.4, 0.3, 0.5]
    write_rounds(ROUNDS, tmp_path / "plots" / "rounds.csv")
    assert len(pd.read_csv(tmp_path / "plots" / "rounds.csv")) == 9
    write_rounds(UNLABELLED, tmp_path / "none.csv")
    assert (tmp_path / "none.csv").read_text() == "round,structure,centre,dice_mean,assd_mean\n"


def test_the_table_shows_every_round():
    lines = printed(ROUNDS).splitlines()
    assert any("0.400 ± 0.141" in line and "no" in line for line in lines)
    assert any("0.700 ± 0.141" in line and "yes" in line for line in lines)
    assert any("0.700 ± 0.141" in line and "passed on" in line for line in lines)
    assert "ASSD (mm)" in printed(ROUNDS) and "< 0.4" in printed(ROUNDS)
    assert "no labels" not in printed(ROUNDS)


def test_the_table_without_labels():
    text = printed(UNLABELLED)
    assert "without labels to score with" in text
    assert "0.998" in text and "yes" in text
    assert "None of it is the Dice on the target." in text


def test_what_is_known_without_labels_is_shown_under_its_own_name():
    held_out = {"cochlea": {"dice": {"mean": 0.9}}, "tumour": {"dice": {"mean": 0.61}}}
    known = {"pseudo_target": held_out, "fold_agreement": 0.72, "doubtful": 3, "pseudo_labelled": 16}
    lines = printed([("0", {**UNLABELLED[0][1], "proxies": known}), UNLABELLED[1]]).splitlines()
    assert lines[1].split() == ["round", "pseudo-target", "folds", "rounds", "doubtful", "converged"]
    assert lines[2].split() == ["0", "0.610", "0.720", "–", "3", "of", "16", "no"]
    assert lines[3].split() == ["1", "–", "–", "0.998", "–", "yes"]


def test_a_round_without_scores_beside_one_with():
    text = printed([("0", {"converged": False}), *ROUNDS[1:2]])
    assert "0.700 ± 0.141" in text and "no labels" not in text


def test_the_widest_table_fits_a_log_file():
    """Two structures, ASSD of hundreds of mm: nothing is cut off at 80 columns."""
    failed = [
        CaseScore(f"c{i}", "A", "test", "cochlea", dice, assd, assd, 9.0, 9.0 * (assd < 350))
        for i, (dice, assd) in enumerate([(0.0, 350.0), (0.9, 0.3)])
    ]
    text = printed([("0", {**ROUNDS[0][1], **summarise(failed), "converged": True, "passed_on": True})])
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    for cell in (
        "round",
        "median",
        ": tumour",
        ": cochlea",
        "passed on",
        "0.450 ± 0.636",
        "175.15 ± 247.28",
        "175.15 ",
    ):
        assert cell in text


@pytest.mark.parametrize("structure", ["VS", "enhancing tumour core"])
def test_the_scores_of_two_folders_fit_a_log_file(structure):
    """80 columns, which is what a pipe has: no heading and no name is cut."""
    rows = [
        CaseScore(f"c{i}", "A", "test", structure, dice, assd, assd, volume_mm3, 9.0 * (assd < 350))
        for i, (dice, assd, volume_mm3) in enumerate([(0.0, 350.0, 9.0), (0.9, 0.3, 9.0), (math.nan, math.nan, 0.0)])
    ]
    stream = io.StringIO()
    print_scores(summarise(rows), Console(file=stream, width=80))
    text = stream.getvalue()
    assert "…" not in text and max(map(len, text.splitlines())) <= 80
    headings = ["structure", "cases", "Dice", "median", "ASSD", "(mm)", "median", "empty"]
    assert text.splitlines()[1].split() == headings
    for word in (*structure.split(), "2", "0.450 ± 0.636", "175.15 ± 247.28", " 1"):
        assert word in text
    assert f"{structure}: 1 more, without a reference, not scored" in text


@pytest.mark.unusual("Commands", "a structure whose name has brackets in it, such as `T[/x]`", "the name as it stands")
def test_names_of_structures_are_no_markup(capsys):
    metrics = {name: round_metrics(0.5, 0.7)["tumour"] for name in ("T[left]", "T[/x]", ":smile:")}
    print_rounds_table([("0", {"converged": False, **metrics})])
    print_scores(metrics)
    printed = capsys.readouterr().out
    assert all(f"Rounds of self-training: {name}" in printed for name in metrics)
    assert all(printed.count(name) == 2 for name in metrics)


def test_the_structure_that_steers_is_the_first(capsys):
    metrics = {name: round_metrics(0.5)["tumour"] for name in ("LV", "MYO", "RV")}
    print_rounds_table([("0", {"converged": False, **metrics})], tumour="RV")
    titles = [line.split()[-1] for line in capsys.readouterr().out.splitlines() if line.startswith("Rounds of")]
    assert titles == ["RV", "LV", "MYO"]


def test_of_several_structures_without_labels_the_rounds_agreement_is_said_to_be_of_all():
    several = [("0", {"converged": False, "agreement": 0.9, "proxies": {"others": {"Cochlea": {}}}})]
    assert "the round before, of all structures" in " ".join(printed(several).split())
    assert "of all structures" not in printed(UNLABELLED)

"""CrossMoDA's ranking: by hand, and on the scores that the organisers published (METHOD 7)."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gbaseg.cli import main
from gbaseg.errors import UserError
from gbaseg.evaluation import paper
from gbaseg.evaluation.ranking import case_ranks, method_means, method_quantiles, rank_methods
from gbaseg.evaluation.score_tables import read_score_tables

# Of CrossMoDA/CrossMoDA2022-Evaluation-code, where it is not beside the repository.
PUBLISHED = Path(
    os.environ.get("CROSSMODA_SCORES")
    or Path(__file__).parents[2].parent / "shared/reference/crossmoda2022_score_test.csv"
)
published = pytest.mark.skipif(
    not PUBLISHED.is_file(), reason="the organisers' scores are not in the repository (CROSSMODA_SCORES names them)"
)


def table(dice: dict[str, list[float]], assd: dict[str, list[float]], structure: str = "VS") -> pd.DataFrame:
    rows = [
        (method, f"c{number}", structure, value, assd[method][number])
        for method, values in dice.items()
        for number, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["method", "case", "structure", "dice", "assd_mm"])


def test_ranks_by_hand_with_ties():
    scores = table({"a": [0.9, 0.5], "b": [0.9, 0.7], "c": [0.1, 0.6]}, {"a": [1, 2], "b": [2, 2], "c": [3, 1]})
    ranks = case_ranks(scores, ["VS"])
    # Dice of c0: a and b share 1, c is 3; ASSD of c0: 1, 2, 3. A tie takes the better rank: 1 + strictly better.
    assert ranks.loc["c0"].to_dict() == {"a": 1.0, "b": 1.5, "c": 3.0}
    assert ranks.loc["c1"].to_dict() == {"a": 2.5, "b": 1.5, "c": 1.5}
    assert rank_methods(ranks, resamples=50)["rank"].to_dict() == {"b": 1.5, "a": 1.75, "c": 2.25}


def test_structures_weigh_equally():
    first = table({"a": [0.9], "b": [0.8]}, {"a": [1], "b": [2]})
    second = table({"a": [0.2], "b": [0.8]}, {"a": [3], "b": [2]}, "Cochlea")
    ranks = case_ranks(pd.concat([first, second]), ["VS", "Cochlea"])
    assert ranks.loc["c0"].to_dict() == {"a": 1.5, "b": 1.5}


def test_bootstrap_says_how_firm_the_order_is():
    rng = np.random.default_rng(0)
    base = rng.random(60)
    dice = {"clear": list(base + 1), "twin1": list(base), "twin2": list(base)}
    ranking = rank_methods(case_ranks(table(dice, {m: [-x for x in v] for m, v in dice.items()}), ["VS"]), 200)
    assert ranking["first"].to_dict() == {"clear": 1.0, "twin1": 0.0, "twin2": 0.0}
    noisy = {m: list(rng.random(60)) for m in ("x", "y")}
    ranking = rank_methods(case_ranks(table(noisy, {m: [1 - x for x in v] for m, v in noisy.items()}), ["VS"]), 2000)
    assert ranking["first"].sum() == pytest.approx(1.0)
    assert (ranking["low"] < ranking["rank"]).all() and (ranking["rank"] < ranking["high"]).all()


def test_a_case_that_is_undefined_for_all_is_left_out_and_for_some_an_error():
    nan = float("nan")
    scores = table({"a": [0.9, nan], "b": [0.8, nan]}, {"a": [1, nan], "b": [2, nan]})
    assert list(case_ranks(scores, ["VS"]).index) == ["c0"]
    scores = table({"a": [0.9, nan], "b": [0.8, 0.5]}, {"a": [1, nan], "b": [2, 1]})
    with pytest.raises(UserError, match=r"1 case\(s\).*: a lacks c1; methods"):
        case_ranks(scores, ["VS"])
    with pytest.raises(UserError, match="structure T: no scores of it; there are: VS"):
        case_ranks(scores, ["T"])
    with pytest.raises(UserError, match="structure T, U: no scores of it; there are: VS"):
        case_ranks(scores, ["T", "VS", "U"])


def test_quantiles_go_from_the_worst_to_the_best():
    values = list(np.linspace(0.0, 1.0, 101))
    quantiles = method_quantiles(table({"a": values}, {"a": values}), "VS", [5, 50])
    assert quantiles.loc["a"].to_dict() == pytest.approx(
        {("dice", 5): 0.05, ("dice", 50): 0.5, ("assd_mm", 95): 0.95, ("assd_mm", 50): 0.5}
    )


@published
def test_the_papers_ranks():
    """3.661, 3.862 and 3.948 over the tumour alone, on 271 cases."""
    ranks = case_ranks(read_score_tables([PUBLISHED]), ["VS"])
    assert ranks.shape == (271, 12)
    top = rank_methods(ranks, resamples=1000).head(3)
    assert {name: f"{rank:.3f}" for name, rank in top["rank"].items()} == {
        "LaTIM": "3.661", "MAI": "3.862", "ne2e": "3.948",
    }  # fmt: skip
    assert top.loc["LaTIM", "first"] > 0.5  # the paper's team is likely, not surely, the best


@published
def test_the_organisers_order_over_both_structures():
    ranking = rank_methods(case_ranks(read_score_tables([PUBLISHED]), ["VS", "Cochlea"]), resamples=10)
    assert list(ranking.index[:5]) == ["ne2e", "MAI", "LaTIM", "Super_Polymerization", "A*DA"]


@published
def test_the_papers_means():
    """0.859 +- 0.066 and 0.459 +- 0.252 mm on the test set (METHOD 8)."""
    means = method_means(read_score_tables([PUBLISHED]), ["VS"]).loc["LaTIM", "VS"]
    assert {key: f"{value:.3f}" for key, value in means.items()} == {
        ("dice", "mean"): "0.859", ("dice", "std"): "0.066", ("assd_mm", "mean"): "0.459", ("assd_mm", "std"): "0.252",
    }  # fmt: skip


@published
def test_table_three_and_every_mean_on_the_published_scores():
    """Every digit of the paper's Table III: nine percentiles of the team's Dice, and of its ASSD from the other end."""
    scores = read_score_tables([PUBLISHED])
    raw = pd.read_csv(PUBLISHED).groupby("Team")
    quantiles, means = method_quantiles(scores, "VS"), method_means(scores, ["VS", "Cochlea"])
    assert {key: f"{value:.3f}" for key, value in quantiles.loc["LaTIM"].items()} == {
        ("dice", 0): "0.502", ("dice", 1): "0.637", ("dice", 5): "0.747", ("dice", 25): "0.831", ("dice", 50): "0.868",
        ("dice", 75): "0.905", ("dice", 95): "0.937", ("dice", 99): "0.947", ("dice", 100): "0.962",
        ("assd_mm", 100): "1.945", ("assd_mm", 99): "1.573", ("assd_mm", 95): "0.934", ("assd_mm", 75): "0.530",
        ("assd_mm", 50): "0.417", ("assd_mm", 25): "0.293", ("assd_mm", 5): "0.209", ("assd_mm", 1): "0.178",
        ("assd_mm", 0): "0.165",
    }  # fmt: skip
    assert {name: f"{value:.3f}" for name, value in means.loc["LaTIM", "VS"].items()} == {
        name: f"{value:.3f}" for name, value in zip(means["VS"].columns, paper.TEST, strict=True)
    }
    for structure in ("VS", "Cochlea"):
        for metric, column in (("dice", "Dice"), ("assd_mm", "ASSD")):
            theirs = raw[f"{structure}_{column}"]
            ours = means[structure][metric]
            np.testing.assert_allclose(ours["mean"], theirs.mean()[ours.index], rtol=1e-12)
            np.testing.assert_allclose(ours["std"], theirs.std()[ours.index], rtol=1e-12)
    for (metric, percent), values in quantiles.items():
        theirs = raw[{"dice": "VS_Dice", "assd_mm": "VS_ASSD"}[metric]].quantile(percent / 100)
        np.testing.assert_allclose(values, theirs[values.index], rtol=1e-12)


@published
def test_rank_prints_the_papers_table_three():
    result = CliRunner().invoke(main, ["rank", str(PUBLISHED), "--structures", "VS", "--resamples", "10"])
    assert result.exit_code == 0, result.output
    of_dice, of_assd = result.stdout.split("worst to best")[1:]
    for which, part in enumerate((of_dice, of_assd)):
        heading, *lines = [line.split() for line in part.splitlines() if line.strip()]
        assert " ".join(heading) == "method worst 1 % 5 % 25 % 50 % 75 % 95 % 99 % best"
        assert "…" not in part and max(map(len, part.splitlines())) <= 80
        [row] = [line for line in lines if line[0] == "LaTIM"]
        assert row[1:] == [f"{figures[which]:.3f}" for figures in paper.QUANTILES.values()]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"t\.csv: no line with scores, the file is empty"),
        ("case,dice\nx,0.5\n", r"column\(s\) missing: structure, assd_mm"),
        ("Case,Team,VS_Dice\nx,a,0.5\n", r"column\(s\) missing: VS_ASSD"),
        ("Case,Team\nx,a\n", r"column\(s\) missing: VS_Dice, VS_ASSD"),
        ("case,structure,dice,assd_mm\nx,VS,0.5,1\ny,VS,good,1\n", "line 3: dice 'good'; allowed: a number, or nan"),
        (
            "case,structure,dice,assd_mm\nx,VS,0.5,1\nx,VS,0.5,1\n",
            r"t, x, VS: 2 times \(.*t.csv: line 2; .*t.csv: line 3\)",
        ),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        read_score_tables([tmp_path / "t.csv"])


def test_a_method_without_a_structure_cannot_be_ranked_on_it():
    scores = pd.concat(
        [table({"a": [0.9], "b": [0.8]}, {"a": [1], "b": [2]}), table({"a": [0.9]}, {"a": [1]}, "Cochlea")]
    )
    with pytest.raises(UserError, match=r"Cochlea, dice: 1 case\(s\).*: b lacks c0; methods"):
        case_ranks(scores, ["VS", "Cochlea"])


def test_nothing_to_rank(tmp_path):
    nan = float("nan")
    with pytest.raises(UserError, match="undefined on every case"):
        case_ranks(table({"a": [nan]}, {"a": [nan]}), ["VS"])
    (tmp_path / "t.csv").write_text("case,structure,dice,assd_mm\n")
    with pytest.raises(UserError, match=r"t\.csv: no line with scores, a header alone"):
        read_score_tables([tmp_path / "t.csv"])
